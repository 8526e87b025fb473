"""The event head in the model and in the engine: what a tick brought, by what is seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from dreams import LOOK_AROUND, WALK, begun, make_engine, plane_episode, random_model
from safetensors.torch import load_file, save_file
from torch import Tensor

from worldsim.engine.dream_world import MOST_TAKEN, Taken
from worldsim.engine.engine import WorldEngine
from worldsim.engine.events import Chances, chances, outcome, settle
from worldsim.engine.state import EngineState
from worldsim.engine.surroundings import (
    AROUND_M,
    GRAIN_M,
    displacement,
    points_around,
    taken_at,
    touched,
)
from worldsim.envs.blocks.physics import EYE_M, Body, cells_of
from worldsim.memory.bank import MemoryBank
from worldsim.model.checkpoint import WEIGHTS_NAME, save_checkpoint
from worldsim.model.heads import EVENTS, MOVE_SIZE, POINT_SIZE, POINTS, EventHead
from worldsim.train.event_lessons import event_samples
from worldsim.types import SKY_DEPTH_M, Action, Clip, Pose


def some_points(rows: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Points, which of them there are, moves, and touched cells."""
    valid = torch.ones(rows, 5, dtype=torch.bool)
    valid[:, 3:] = False
    points, move = torch.randn(rows, 5, POINT_SIZE), torch.randn(rows, MOVE_SIZE)
    return points, valid, move, torch.randn(rows, 2, 2, 3).sort(dim=2).values


def test_the_head_is_small() -> None:
    assert sum(p.numel() for p in EventHead().parameters()) < 20_000


def test_an_untrained_head_finds_everything_as_likely_as_not() -> None:
    head = EventHead()
    assert torch.equal(head(*some_points(3)), torch.zeros(3, len(EVENTS)))
    assert not head.is_trained
    torch.nn.init.ones_(head.out.weight)
    assert head.is_trained


def test_the_head_hears_points_and_motion_and_no_other_row() -> None:
    head = random_model().event_head
    points, valid, move, cells = some_points(2)
    before = head(points, valid, move, cells)
    for changed in (
        (points + torch.randn_like(points), move, cells),
        (points, move + 1.0, cells),
        (points, move, cells + 1.0),
    ):
        assert not torch.equal(head(changed[0], valid, *changed[1:]), before)
    alone = head(points[:1], valid[:1], move[:1], cells[:1])
    assert torch.allclose(alone, before[:1], atol=1e-6)


def test_the_order_of_points_and_those_that_are_not_there_make_no_difference() -> None:
    head = random_model().event_head
    points, valid, move, cells = some_points(2)
    before = head(points, valid, move, cells)
    elsewhere = torch.where(valid[..., None], points, 7.0)
    for same in (elsewhere, points):
        assert torch.allclose(head(same.flip(1), valid.flip(1), move, cells), before, atol=1e-6)


# What is around a body


def test_the_points_around_a_body_are_told_from_its_eye_along_the_worlds_axes() -> None:
    engine = begun()
    seen = engine._state().observation
    memory = MemoryBank(engine.intrinsics)
    memory.insert(seen.rgb, seen.depth, seen.pose, 0)
    blind = replace(seen, depth=np.full_like(seen.depth, SKY_DEPTH_M))
    points = points_around(engine._dreamer.prepared, memory, blind)
    assert 0 < len(points) <= POINTS
    assert np.hypot(points[:, 0], points[:, 2]).max() < AROUND_M
    assert points[:, 3:].min() >= 0.0 and points[:, 3:].max() <= 1.0
    turned = replace(blind, pose=seen.pose.turned(90.0, 0.0).moved(0.5, 0.0, 0.0))
    again = points_around(engine._dreamer.prepared, memory, turned)
    shared = [p for p in points if np.hypot(p[0] - 0.5, p[2]) < AROUND_M - 0.1]
    for point in shared[:20]:
        moved = point - np.array((0.5, 0.0, 0.0, 0.0, 0.0, 0.0))
        assert np.abs(again - moved).max(axis=1).min() < 1e-4


def test_a_move_is_told_along_the_worlds_axes() -> None:
    before = Pose(1.0, 2.0, 3.0, 20.0)
    after = before.turned(70.0, 0.0).moved(0.2, 0.1, -0.3)
    move = after.displacement_from(before)
    assert displacement(move, after) == pytest.approx((0.2, 0.1, -0.3))


def test_points_are_thinned_out_evenly() -> None:
    engine = begun()
    world = engine._state()
    points = points_around(engine._dreamer.prepared, world.memory, world.observation)
    assert len(np.unique(np.floor(points[:, :3] / GRAIN_M), axis=0)) > 0.4 * len(points)


@pytest.mark.parametrize("feet", [(0.5, 3.0, -0.5), (0.2, 3.4, 7.9), (-1.31, -2.0, 0.69)])
def test_the_cells_that_a_body_touches_are_those_of_the_block_world(
    feet: tuple[float, float, float],
) -> None:
    x, y, z = feet
    low, high = touched(np.array((x, y + EYE_M, z)))
    true = np.array(cells_of(Body(x, y, z)))
    assert np.array_equal(low, true.min(axis=0)) and np.array_equal(high, true.max(axis=0) + 1)


def test_ground_that_a_body_sinks_into_a_little_is_not_touched() -> None:
    low, _ = touched(np.array((0.5, 3.0 + EYE_M - 0.05, 0.5)))
    assert low[1] == 3.0


def test_what_was_taken_is_not_around_a_body_though_memory_still_shows_it() -> None:
    engine = begun()
    world = engine._state()
    seen = world.observation
    points = points_around(engine._dreamer.prepared, world.memory, seen)
    middle = points[len(points) // 2, :3] + seen.pose.position()
    x, y, z = np.floor(middle).tolist()
    cell = Taken(0, (x, y, z), (x + 1.0, y + 1.0, z + 1.0))
    left = points_around(engine._dreamer.prepared, world.memory, seen, [cell])
    inside = np.abs(left[:, :3] + seen.pose.position() - (np.array((x, y, z)) + 0.5)).max(axis=1)
    assert len(left) > 0 and inside.min() > 0.5


# What a tick pays


def test_a_chance_is_paid_when_it_rises_and_not_while_it_stays() -> None:
    low, high = Chances(0.2, 0.2), Chances(0.9, 0.2)
    assert outcome(low, high) == (1.0, False)
    assert outcome(high, high) == (0.0, False)
    assert outcome(high, low) == (0.0, False)


def test_an_end_lasts_as_long_as_it_is_seen() -> None:
    far, near = Chances(0.1, 0.4), Chances(0.1, 0.6)
    assert [outcome(a, b)[1] for a, b in ((far, near), (near, near), (near, far))] == [
        True,
        True,
        False,
    ]


def test_what_is_as_likely_as_not_has_not_happened() -> None:
    assert outcome(Chances(0.0, 0.0), Chances(0.5, 0.5)) == (0.0, False)


def test_what_is_paid_is_taken_from_the_cells_that_the_body_touches() -> None:
    world = begun()._state()
    assert settle(world, Chances(0.9, 0.0), Chances(0.9, 0.0)) == (0.0, False) and not world.taken
    assert settle(world, Chances(0.1, 0.0), Chances(0.9, 0.0)) == (1.0, False)
    assert world.taken == (taken_at(world.observation.pose, world.frame),)


def test_only_the_last_places_are_known_to_be_empty() -> None:
    world = begun()._state()
    for frame in range(MOST_TAKEN + 3):
        world.frame = frame
        settle(world, Chances(0.1, 0.0), Chances(0.9, 0.0))
    assert [taken.frame for taken in world.taken] == list(range(3, MOST_TAKEN + 3))


# In the engine


def test_a_step_tells_what_its_chances_say() -> None:
    engine = begun()
    told = [engine.chances]
    for action in WALK:
        step = engine.step(action)
        told.append(engine.chances)
        assert (step.reward, step.terminated) == outcome(told[-2], told[-1])
    assert len(set(told)) == len(told)


def test_chances_are_part_of_every_saved_state() -> None:
    engine = begun()
    engine.step(WALK[0])
    world = engine._state()
    settle(world, Chances(0.0, 0.0), Chances(1.0, 0.0))
    saved, seen = engine.snapshot().to_bytes(), engine.chances
    engine.step(WALK[1])
    other = make_engine()
    other.restore(EngineState.from_bytes(saved))
    assert other.chances == seen and other._state().taken == world.taken
    assert engine.fork().chances == engine.chances != seen


def test_chances_of_worlds_in_a_batch_are_those_of_worlds_alone() -> None:
    engines = [begun(seed=seed) for seed in (1, 2)]
    for engine, action in zip(engines, WALK, strict=False):
        engine.step(action)
    together = chances(engines[0]._dreamer, [engine._state() for engine in engines])
    for ours, theirs in zip(together, [engine.chances for engine in engines], strict=True):
        assert (ours.reward, ours.end) == pytest.approx((theirs.reward, theirs.end), abs=1e-5)


def test_an_engine_without_a_trained_head_tells_no_events(tmp_path: Path) -> None:
    save_checkpoint(random_model(), tmp_path, {})
    assert WorldEngine.from_pretrained(tmp_path, device="cpu").sees_events
    kept = load_file(tmp_path / WEIGHTS_NAME)
    save_file(
        {name: t for name, t in kept.items() if not name.startswith("event_head.")},
        tmp_path / WEIGHTS_NAME,
    )
    engine = WorldEngine.from_pretrained(tmp_path, device="cpu")
    engine.reset(clip=LOOK_AROUND, seed=1)
    assert not engine.sees_events
    for action in WALK[:2]:
        step = engine.step(action)
        assert (step.reward, step.terminated) == (0.0, False)


def test_the_head_is_trained_on_what_the_engine_tells_it() -> None:
    actions = [Action(forward=True, yaw_deg=3.0 * i) for i in range(8)]
    actions += [Action(left=True, yaw_deg=20.0)]
    episode = plane_episode(actions)
    shown = tuple(episode.observation(t) for t in range(9))
    engine, heard = begun(clip=Clip(shown, tuple(actions[:8]))), []
    ticks = np.arange(9) >= 7
    samples = event_samples(engine._dreamer.prepared, episode, engine.intrinsics, ticks)
    engine._dreamer.model.event_head.register_forward_pre_hook(lambda _, given: heard.append(given))
    engine.step(actions[8], pose=episode.poses[9])
    (points, valid, before, cells), (*_, after, _) = heard
    assert torch.allclose(before[0], samples.move[0], atol=1e-5)
    assert torch.allclose(after[0], samples.move[1], atol=1e-5)
    assert torch.allclose(cells[0], samples.cells[0], atol=1e-5)
    assert torch.equal(valid[0], samples.valid[0])
    assert torch.allclose(points[0], samples.points[0], atol=1e-5)
