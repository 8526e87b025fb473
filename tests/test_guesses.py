"""What nobody knew, and no look has imagined yet, is shown, but neither kept nor built on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from dreams import begun
from numpy.typing import NDArray

from worldsim.engine.dream_world import DreamWorld, remember
from worldsim.engine.engine import WorldEngine
from worldsim.engine.imagine import WANTING, _is_urgent
from worldsim.engine.state import EngineState
from worldsim.memory.bank import MemoryBank
from worldsim.memory.keyframe import sparse_points
from worldsim.types import Action, Observation

ASIDE_DEG = 9.0  # shows a strip that nobody has seen, but not so much that it is looked at at once


def step_aside(engine: WorldEngine) -> Observation:
    there = engine.snapshot().observation.pose.turned(ASIDE_DEG, 0.0)
    return engine.step(Action(yaw_deg=ASIDE_DEG), pose=there).observation


def guesses(world: DreamWorld) -> NDArray[np.bool_]:  # [H, W]
    return (world.left.depth == 0) & (world.observation.depth > 0)


@pytest.fixture
def guessing() -> WorldEngine:
    """An engine whose last frame shows something that nobody knew."""
    engine = begun()
    while not guesses(engine._state()).any():
        step_aside(engine)
    return engine


def test_of_a_frame_the_player_sees_all_and_the_next_one_is_made_of_what_was_known(
    guessing: WorldEngine,
) -> None:
    world = guessing._state()
    guessed = guesses(world)
    assert 0.0 < guessed.mean() < 0.3
    assert np.array_equal(world.left.depth[~guessed], world.observation.depth[~guessed])
    assert np.array_equal(world.left.rgb, world.observation.rgb)


def test_memory_keeps_no_guesses(guessing: WorldEngine) -> None:
    world = guessing._state()
    world.memory = MemoryBank(world.memory.intrinsics)
    remember(world, touched=True)  # as new as can be: it is kept
    (kept,) = world.memory.keyframes
    assert not kept.depth[guesses(world)].any()
    assert kept.depth[~guesses(world)].any()


def test_nobody_finds_a_frame_by_its_holes() -> None:
    world = begun()._state()
    depth = world.observation.depth.copy()
    pose, camera = world.observation.pose, world.memory.intrinsics
    whole, _ = sparse_points(depth, pose, camera)
    depth[:, : depth.shape[1] // 2] = 0.0
    half, depths = sparse_points(depth, pose, camera)
    assert 0 < len(half) < len(whole)
    assert (depths > 0).all()


def test_who_stands_still_does_not_come_to_believe_in_guesses(guessing: WorldEngine) -> None:
    before = guesses(guessing._state())
    guessing.step(Action(), pose=guessing._state().observation.pose)
    assert np.array_equal(guesses(guessing._state()), before)


def test_a_saved_dream_goes_on_from_what_was_known(guessing: WorldEngine) -> None:
    saved = EngineState.from_bytes(guessing.snapshot().to_bytes())
    ahead = step_aside(guessing)
    guessing.restore(saved)
    assert np.array_equal(step_aside(guessing).rgb, ahead.rgb)


def test_weights_that_imagine_nothing_ahead_keep_what_they_invent() -> None:
    engine = begun()
    with torch.no_grad():
        engine._dreamer.model.outpainter.out.weight.zero_()
    for _ in range(4):
        step_aside(engine)
        assert not guesses(engine._state()).any()


def test_the_first_look_does_not_wait_until_much_is_unknown() -> None:
    world = begun()._state()
    assert _is_urgent(replace(world, imagined=None), 2 * WANTING)
    just_looked = replace(world.memory.keyframes[-1], frame=world.frame)
    assert not _is_urgent(replace(world, imagined=just_looked), 2 * WANTING)
