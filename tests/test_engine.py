"""The engine: dreams that are repeatable, branch, and go on for ever."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from dreams import (
    LEVELS,
    LOOK_AROUND,
    WALK,
    FrameSpy,
    all_same,
    begun,
    make_engine,
    plane_clip,
    random_model,
    same,
    walk,
)

from worldsim.backends.denoiser import TorchDenoiser
from worldsim.engine.assemble import Dreamer
from worldsim.engine.dream import advance, new_world
from worldsim.engine.dream_world import STILL, DreamWorld, prepare_move
from worldsim.engine.engine import WorldEngine, step_together
from worldsim.engine.hints import IMAGINED
from worldsim.engine.metrics import Metrics
from worldsim.engine.noise import frame_noise
from worldsim.engine.prepared import Preparations
from worldsim.errors import BackendError, CheckpointError, ConfigError, StateError
from worldsim.memory.bank import MemoryBank
from worldsim.memory.retrieve import MemoryMode
from worldsim.model.world_model import WorldModel
from worldsim.types import SKY_DEPTH_M, Action, Clip, Observation, Pose

RIGHT = Action(yaw_deg=20.0)


def test_frames_have_the_size_and_types_of_the_camera() -> None:
    for seen in walk(begun(), WALK[:2]):
        assert (seen.rgb.shape, seen.rgb.dtype) == ((48, 64, 3), np.uint8)
        assert (seen.depth.shape, seen.depth.dtype) == ((48, 64), np.float32)
        assert seen.depth.min() >= 0.0
        assert seen.depth.max() <= SKY_DEPTH_M


def test_a_dream_is_repeated_by_the_same_start_seed_and_actions() -> None:
    assert all_same(walk(begun()), walk(begun()))


def test_a_reset_begins_the_same_dream_anew() -> None:
    engine = begun()
    first = walk(engine)
    engine.reset(clip=LOOK_AROUND, seed=3)
    assert all_same(walk(engine), first)


def test_another_seed_or_action_dreams_other_frames() -> None:
    still = begun().step(Action()).observation
    assert not np.array_equal(begun(seed=4).step(Action()).observation.rgb, still.rgb)
    assert not np.array_equal(begun().step(Action(attack=True)).observation.rgb, still.rgb)


def test_noise_is_a_function_of_seed_and_frame() -> None:
    noise = frame_noise(5, 9, (4, 48, 64))
    torch.manual_seed(1)
    assert torch.equal(frame_noise(5, 9, (4, 48, 64)), noise)
    assert abs(noise.mean().item()) < 0.05
    assert abs(noise.std().item() - 1.0) < 0.05
    for seed, frame in ((5, 10), (6, 9), (59, 0), (2**63 - 1, 10**9)):
        assert not torch.equal(frame_noise(seed, frame, (4, 48, 64)), noise)


def test_dreaming_leaves_the_global_random_state_alone() -> None:
    engine = begun()
    torch.manual_seed(2)
    expected = torch.rand(1)
    torch.manual_seed(2)
    engine.step(Action())
    assert torch.rand(1) == expected


def test_a_camera_motion_turns_the_dreamed_pose() -> None:
    engine = begun()
    before = LOOK_AROUND.observations[-1].pose
    pose = engine.step(Action(yaw_deg=15.0, pitch_deg=-5.0)).observation.pose
    expected = before.turned(15.0, -5.0)
    assert (pose.yaw_deg, pose.pitch_deg) == (expected.yaw_deg, expected.pitch_deg)


def test_a_given_pose_overrides_the_dreamed_one() -> None:
    engine, pose = begun(), Pose(1.0, 1.7, -2.0, 33.0, 4.0)
    assert engine.step(Action(forward=True), pose=pose).observation.pose == pose


def test_stepping_before_a_reset_is_refused() -> None:
    engine = make_engine()
    for use in (lambda: engine.step(Action()), engine.snapshot, engine.fork, lambda: engine.memory):
        with pytest.raises(StateError, match="reset"):
            use()


def test_a_closed_engine_can_be_reset() -> None:
    engine = begun()
    first = engine.step(Action()).observation
    engine.close()
    with pytest.raises(StateError, match="reset"):
        engine.step(Action())
    engine.reset(clip=LOOK_AROUND, seed=3)
    assert same(engine.step(Action()).observation, first)


def test_two_starts_at_once_are_refused() -> None:
    engine = begun()
    with pytest.raises(ConfigError, match="at most one"):
        engine.reset(clip=LOOK_AROUND, state=engine.snapshot())


def test_there_is_no_horizon() -> None:
    engine = begun()
    engine.restore(replace(engine.snapshot(), frame=10**9))
    seen = walk(engine)
    assert engine.frame == 10**9 + len(WALK)
    engine.restore(replace(begun().snapshot(), frame=10**9))
    assert all_same(walk(engine), seen)


def test_memory_sees_the_whole_clip_and_counts_its_frames() -> None:
    engine = begun(clip=plane_clip([Action(yaw_deg=45.0)] * 8))
    assert engine.frame == 8
    assert [key.trust for key in engine.memory.keyframes] == [1.0] * len(engine.memory)
    assert {key.frame for key in engine.memory.keyframes} >= {0, 2, 4}


@pytest.mark.usefixtures("noise_is_remembered")
def test_dreamed_frames_are_trusted_less_than_real_ones() -> None:
    engine = begun(clip=plane_clip([]))
    for _ in range(6):
        engine.step(Action(yaw_deg=45.0))
    trusts = {key.frame: key.trust for key in engine.memory.keyframes}
    assert len(trusts) > 1
    assert trusts.pop(0) == 1.0
    assert all(trust < 1.0 for trust in trusts.values())


def test_a_real_frame_takes_the_place_of_a_dreamed_one() -> None:
    clip = plane_clip([Action(yaw_deg=45.0)] * 2)
    shown, dreamed = begun(clip=plane_clip([])), begun(clip=plane_clip([]))
    for action, seen in zip(clip.actions, clip.observations[1:], strict=True):
        shown.observe(action, seen)
        dreamed.step(action, pose=seen.pose)
    assert shown.frame == dreamed.frame == 2
    assert [key.trust for key in shown.memory.keyframes] == [1.0, 1.0, 1.0]
    after = shown.step(Action()).observation
    assert after.pose.yaw_deg == clip.observations[-1].pose.yaw_deg
    assert not np.array_equal(after.rgb, dreamed.step(Action()).observation.rgb)


def test_a_clip_of_another_size_is_fitted_to_the_camera() -> None:
    engine, large = make_engine(), []
    for seen in LOOK_AROUND.observations:
        rgb, depth = (np.repeat(np.repeat(x, 2, 0), 2, 1) for x in (seen.rgb, seen.depth))
        large.append(Observation(rgb, depth, seen.pose))
    first = engine.reset(clip=Clip(tuple(large), LOOK_AROUND.actions))
    assert same(first, LOOK_AROUND.observations[-1])


def test_what_users_draw_on_frames_is_not_dreamed() -> None:
    untouched, drawn_on = begun(), make_engine()
    first = drawn_on.reset(clip=LOOK_AROUND, seed=3)
    first.rgb[:], first.depth[:] = 0, 1.0
    seen = drawn_on.step(Action()).observation
    seen.rgb[:], seen.depth[:] = 0, 1.0
    untouched.step(Action())
    assert all_same(walk(drawn_on, WALK[:2]), walk(untouched, WALK[:2]))


def test_a_real_frame_may_be_drawn_over_afterwards() -> None:
    seen = LOOK_AROUND.observations[0]
    buffer = Observation(seen.rgb.copy(), seen.depth.copy(), seen.pose)
    kept, overdrawn = begun(), begun()
    kept.observe(RIGHT, seen)
    overdrawn.observe(RIGHT, buffer)
    buffer.rgb[:], buffer.depth[:] = 0, 1.0
    assert same(kept.step(Action()).observation, overdrawn.step(Action()).observation)


def test_a_fork_and_its_origin_do_not_influence_each_other() -> None:
    origin = begun()
    walk(origin, WALK[:2])
    twin, third = origin.fork(), origin.fork()
    walk(twin, [RIGHT] * 5)
    assert all_same(walk(origin), walk(third))
    assert twin.frame == len(LOOK_AROUND.actions) + 2 + 5


def test_where_nothing_moves_and_no_hand_acts_the_frame_stays() -> None:
    engine = begun()
    first = walk(engine, [RIGHT])[0]
    frame = engine.frame
    still = [engine.step(Action(), pose=first.pose).observation for _ in range(3)]
    assert all(same(seen, first) for seen in still)
    assert engine.frame == frame + 3
    touched = engine.step(Action(attack=True), pose=first.pose).observation
    assert not np.array_equal(touched.rgb, first.rgb)


def test_a_still_world_beside_a_moving_one_stays() -> None:
    still, moving = begun(), begun(seed=5)
    stays = still.snapshot().observation
    a, b = step_together([still, moving], [Action(), RIGHT], [stays.pose, None])
    assert same(a.observation, stays)
    assert not same(b.observation, stays)


@pytest.mark.parametrize("mode", list(MemoryMode))
def test_every_memory_mode_dreams_repeatably(mode: MemoryMode) -> None:
    frames = []
    for _ in range(2):
        engine = make_engine(memory=mode)
        engine.reset(clip=LOOK_AROUND, seed=3)
        assert engine.memory_mode == mode.value
        frames.append(walk(engine, WALK[:3]))
    assert all_same(*frames)


def test_without_memory_only_the_last_frame_gives_a_hint() -> None:
    engine = begun()
    spy = FrameSpy(engine)
    engine.step(RIGHT)
    assert spy.frames[-1].confidence.max() > 0.9
    engine.memory_mode = "off"
    seen = engine.step(RIGHT).observation
    assert 0.0 < spy.frames[-1].confidence.max() < 0.5
    behind = seen.pose.turned(180.0, 0.0)
    engine.step(Action(yaw_deg=180.0), pose=behind)
    assert spy.frames[-1].confidence.max() <= IMAGINED


def test_turning_back_after_a_look_around_shows_what_was_there() -> None:
    clip = plane_clip([Action(yaw_deg=60.0)] * 6)
    engine = begun(clip=clip)
    spy = FrameSpy(engine)
    engine.step(Action(yaw_deg=60.0), pose=clip.observations[2].pose)
    frames = spy.frames[-1]
    known = frames.confidence[0, 0, 0] > 0
    assert known.float().mean() > 0.7
    truth = torch.from_numpy(clip.observations[2].rgb).permute(2, 0, 1) / 127.5 - 1.0
    assert ((frames.hint[0, 0, :3] - truth).abs() * known).mean() < 0.1


def test_an_unknown_memory_mode_is_refused() -> None:
    with pytest.raises(ConfigError, match="memory mode"):
        begun().memory_mode = "perfect"


def test_the_stages_of_a_step_are_timed() -> None:
    engine = begun()
    engine.metrics.clear()
    walk(engine, WALK[:2])
    stages = engine.metrics.stages_ms()
    assert {"retrieve", "hint", "denoise", "remember"} <= set(stages)
    for times in stages.values():
        assert 0.0 <= times["p50"] <= times["p95"] <= times["p99"]


# The functions beneath the engine: batches of worlds, teleports and anchors.


@pytest.fixture(scope="module")
def dreamer() -> Dreamer:
    model = random_model()
    return Dreamer(
        model, TorchDenoiser(model), LEVELS, MemoryMode.FULL, Metrics(), Preparations(model)
    )


def world_after(dreamer: Dreamer, steps: int, seed: int) -> DreamWorld:
    bank = MemoryBank(dreamer.model.config.intrinsics)
    world = new_world(dreamer, seed, plane_clip([RIGHT] * seed).observations[-1], bank)
    for _ in range(steps):
        advance(dreamer, [world], [RIGHT], [None])
    return world


def test_worlds_in_a_batch_equal_worlds_alone(dreamer: Dreamer) -> None:
    ages, actions = (0, 2, 6), [Action(forward=True), RIGHT, Action(jump=True)]
    given = [None, Pose(0.5, 1.6, 0.3, 10.0), None]
    together = [world_after(dreamer, age, seed) for seed, age in enumerate(ages)]
    alone = [world_after(dreamer, age, seed) for seed, age in enumerate(ages)]
    advance(dreamer, together, actions, given)
    for world, action, pose in zip(alone, actions, given, strict=True):
        advance(dreamer, [world], [action], [pose])
    for ours, theirs in zip(together, alone, strict=True):
        assert ours.frame == theirs.frame
        assert len(ours.cache) == len(theirs.cache)
        assert torch.allclose(ours.tokens, theirs.tokens, atol=1e-3)
        assert np.abs(ours.observation.rgb.astype(int) - theirs.observation.rgb).max() <= 1
        assert np.allclose(ours.observation.pose.position(), theirs.observation.pose.position())
        for a, b in zip(ours.cache.read(), theirs.cache.read(), strict=True):
            assert torch.allclose(a, b, atol=1e-3)


def test_a_teleport_cuts_the_context_and_a_walk_does_not(dreamer: Dreamer) -> None:
    world = world_after(dreamer, 5, seed=0)
    context, here = dreamer.model.config.context, world.observation.pose
    assert len(world.cache) == context
    prepare_move(world, here.moved(0.3, 0.0, 0.0))
    assert len(world.cache) == context
    prepare_move(world, here.moved(50.0, 0.0, 0.0))
    assert len(world.cache) == 2


def test_a_teleport_is_no_motion(dreamer: Dreamer) -> None:
    world = world_after(dreamer, 1, seed=0)
    here = world.observation.pose
    advance(dreamer, [world], [Action()], [here.moved(0.3, 0.0, 0.0)])
    assert np.allclose(np.linalg.norm(world.move), 0.3)
    advance(dreamer, [world], [Action()], [here.moved(90.0, 0.0, 0.0)])
    assert world.move == STILL


def test_the_anchor_follows_the_camera_at_a_distance(dreamer: Dreamer) -> None:
    world = world_after(dreamer, 0, seed=0)
    begin = world.anchor
    start = world.observation.pose
    assert begin == (start.x, start.y, start.z)
    prepare_move(world, start.moved(5.0, 0.0, 0.0))
    assert world.anchor == begin
    prepare_move(world, start.moved(7.0, 0.0, 0.0))
    assert world.anchor == (start.x + 7.0, start.y, start.z)


def test_rays_are_given_relative_to_the_anchor(dreamer: Dreamer) -> None:
    """Two worlds that differ only in where they lie dream the same pictures."""
    near, far = world_after(dreamer, 0, seed=0), world_after(dreamer, 0, seed=0)
    shift = (512.0, 0.0, -256.0)
    seen = far.observation
    moved = replace(seen, pose=seen.pose.moved(*shift))
    far = new_world(dreamer, 0, moved, MemoryBank(dreamer.model.config.intrinsics))
    for world in (near, far):
        for _ in range(2):
            there = world.observation.pose.turned(8.0, 0.0).moved_along(0.05, 0.0, 0.2)
            advance(dreamer, [world], [RIGHT], [there])
    difference = np.abs(near.observation.rgb.astype(int) - far.observation.rgb)
    assert difference.max() <= 2


# Loading.


def test_a_pretrained_engine_dreams(tiny_checkpoint: Path) -> None:
    engine = WorldEngine.from_pretrained(tiny_checkpoint, device="cpu")
    assert engine.intrinsics.width == 64
    engine.reset(clip=LOOK_AROUND)
    assert engine.step(Action()).observation.rgb.shape == (48, 64, 3)


@pytest.mark.parametrize("steps", [1, 3])
def test_the_number_of_denoising_steps_can_be_chosen(tiny_checkpoint: Path, steps: int) -> None:
    engine = WorldEngine.from_pretrained(tiny_checkpoint, device="cpu", steps=steps)
    engine.reset(clip=LOOK_AROUND)
    spy = FrameSpy(engine)
    engine.step(Action(yaw_deg=150.0))
    levels = [frames.sigma.item() for frames in spy.frames]
    assert len(levels) == steps
    assert levels == sorted(levels, reverse=True)
    assert levels[0] == 1.0


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"device": "tpu"}, BackendError),
        ({"steps": 0}, ConfigError),
        ({"steps": 99}, ConfigError),
        ({"memory": "perfect"}, ConfigError),
        ({"name_or_path": "nothing-like-this"}, CheckpointError),
    ],
)
def test_impossible_options_are_refused(
    tiny_checkpoint: Path, options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        WorldEngine.from_pretrained(**{"name_or_path": tiny_checkpoint, **options})


def test_forked_engines_share_one_model() -> None:
    engine = begun()
    models: list[WorldModel] = [each._dreamer.model for each in (engine, engine.fork())]
    assert models[0] is models[1]
