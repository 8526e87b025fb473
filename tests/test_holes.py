"""Holes in remembered frames: what was taken is gone, and points that stand alone are not kept."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from dreams import begun
from numpy.typing import NDArray
from test_reproject import GROUND_Y, INTRINSICS, WALK, hint_at, render, seen_from

from worldsim.engine.dream_world import Taken, take
from worldsim.memory.bank import MemoryBank
from worldsim.memory.holes import RIM_PX, emptied, may_see, without, without_specks
from worldsim.memory.keyframe import Keyframe
from worldsim.types import Action, Pose

HERE = Pose(0.0, 0.0, 0.0)
GEM = ((-0.5, GROUND_Y, -4.5), (0.5, GROUND_Y + 1.0, -3.5))
WALL = ((-0.5, GROUND_Y, -5.5), (0.5, 2.0, -4.5))  # behind the gem, and as wide
LOW, HIGH = (np.array(corner) for corner in GEM)


def depth_of(*boxes: tuple, pose: Pose = HERE) -> NDArray[np.float32]:  # [H, W]
    return render(pose, boxes)[1].numpy()


def remembered(depth: NDArray[np.float32], pose: Pose = HERE) -> Keyframe:
    rgb = np.zeros((*depth.shape, 3), np.uint8)
    return Keyframe(rgb, depth.astype(np.float16), pose, 0, 1.0)


def test_what_a_box_held_is_a_hole_and_what_touches_the_box_stays() -> None:
    depth, bare = depth_of(GEM, WALL), depth_of(WALL)
    holes = without(depth, HERE, LOW, HIGH, INTRINSICS) == 0
    was_gem = depth < bare
    assert holes[was_gem].all()
    beside = ~was_gem
    for step in range(-RIM_PX, RIM_PX + 1):
        for axis in (0, 1):
            beside &= ~np.roll(was_gem, step, axis)
    corner_rim = RIM_PX * RIM_PX * 4
    assert (holes & beside).sum() <= corner_rim
    assert without(bare, HERE, LOW, HIGH, INTRINSICS).min() > 0


def test_a_frame_that_shows_nothing_of_a_box_is_left_as_it_is() -> None:
    before, after = remembered(depth_of(GEM)), remembered(depth_of())
    assert emptied(after, LOW, HIGH, INTRINSICS) is after
    kept = emptied(before, LOW, HIGH, INTRINSICS)
    assert kept is not before and (kept.depth == 0).any() and not (before.depth == 0).any()
    assert not kept.depth.flags.writeable


@pytest.mark.parametrize(
    ("pose", "may"),
    [
        (HERE, True),
        (Pose(0, 0, 0, 30), True),
        (Pose(0, 0, 0, 180), False),
        (Pose(0, 0, 0, 120), False),
        (Pose(0, 0, 90), False),
        (Pose(0, -1.1, -4), True),  # in it
    ],
)
def test_frames_that_cannot_have_seen_a_box_are_not_searched(pose: Pose, may: bool) -> None:
    assert may_see([pose], LOW, HIGH, INTRINSICS).tolist() == [may]


def test_no_frame_is_searched_in_an_empty_memory() -> None:
    memory = MemoryBank(INTRINSICS)
    memory.empty(LOW, HIGH)
    assert len(memory) == 0


def test_memory_forgets_what_a_box_held_and_a_snapshot_does_not() -> None:
    memory = MemoryBank(INTRINSICS)
    depth = depth_of(GEM)
    memory.insert(np.zeros((*depth.shape, 3), np.uint8), depth, HERE, 0)
    before = memory.snapshot()
    memory.empty(LOW, HIGH)
    assert (memory.keyframes[0].depth == 0).any()
    memory.restore(before)
    assert not (memory.keyframes[0].depth == 0).any()


def test_a_hole_shows_nothing_and_denies_nothing() -> None:
    sources = seen_from(WALK[:2], [(GEM,), (GEM,)], age=[0, 1])
    hole = torch.from_numpy(without(sources.depth[0, 0].numpy(), WALK[0], LOW, HIGH, INTRINSICS))
    is_gem = render(WALK[0], (GEM,))[1] < render(WALK[0], ())[1]
    sources.depth[0, 0] = hole
    both = hint_at(WALK[0], sources)
    assert (both.depth[0][is_gem] < 5).float().mean() > 0.8
    sources.valid[0, 1] = False
    alone = hint_at(WALK[0], sources)
    assert alone.confidence[0][is_gem].max() == 0
    assert alone.confidence[0].count_nonzero() > 0.6 * is_gem.numel()


def test_a_hole_lets_others_show_what_is_behind() -> None:
    sources = seen_from(WALK[:2], [(GEM,), ()], trust=[0.6, 0.6], age=[1, 0])
    is_gem = render(WALK[0], (GEM,))[1] < render(WALK[0], ())[1]
    hole = without(sources.depth[0, 0].numpy(), WALK[0], LOW, HIGH, INTRINSICS)
    sources.depth[0, 0] = torch.from_numpy(hole)
    hint, truth = hint_at(WALK[0], sources), render(WALK[0], ())[1]
    seen = is_gem & (hint.confidence[0] > 0)
    assert seen.sum() > 0.8 * is_gem.sum()
    torch.testing.assert_close(hint.depth[0][seen], truth[seen], rtol=0.1, atol=0.1)


def test_points_that_stand_alone_or_jut_out_become_holes_and_edges_stay() -> None:
    depth = np.full((8, 10), 8.0, np.float32)
    depth[:, 6:] = 2.0
    depth[2, 2] = 3.0
    depth[5, 5] = 2.0  # beside the edge, of the nearer surface: it juts out
    expected = depth.copy()
    expected[2, 2] = expected[5, 5] = 0.0
    np.testing.assert_array_equal(without_specks(depth), expected)


def test_only_of_dreams_the_points_that_stand_alone_are_not_kept() -> None:
    depth = np.full((INTRINSICS.height, INTRINSICS.width), 8.0, np.float32)
    depth[10, 10] = 2.0
    rgb = np.zeros((*depth.shape, 3), np.uint8)
    for trust, kept in ((1.0, 2.0), (0.6, 0.0)):
        memory = MemoryBank(INTRINSICS)
        memory.insert(rgb, depth, HERE, 0, trust)
        assert memory.keyframes[0].depth[10, 10] == kept


def test_what_is_taken_is_gone_from_memory_and_from_the_last_frame_at_once() -> None:
    engine = begun()
    world = engine._state()
    seen = engine.step(Action(forward=True)).observation
    eye, size = seen.pose.position(), 3.0
    low, high = (tuple((eye + side * size).tolist()) for side in (-1.0, 1.0))
    take(world, Taken(world.frame, low, high))
    near = seen.depth < 1.5
    assert near.any() and not (world.left.depth[near] > 0).any()
    assert any((key.depth == 0).any() for key in world.memory.keyframes)
    assert np.array_equal(world.observation.depth, seen.depth)  # a player has seen what he has
    assert world.look is None


def test_a_player_who_stands_still_sees_it_vanish() -> None:
    engine = begun()
    engine.step(Action())
    still = engine.step(Action(), pose=engine._state().observation.pose).observation
    world = engine._state()
    eye = still.pose.position()
    take(world, Taken(world.frame, tuple((eye - 2.0).tolist()), tuple((eye + 2.0).tolist())))
    gone = engine.step(Action(), pose=still.pose).observation
    assert (gone.rgb != still.rgb).any()
    again = engine.step(Action(), pose=still.pose).observation
    assert np.array_equal(again.rgb, gone.rgb)
