"""How well rewards and ends are seen: scores, and the walks that they are taken on."""

from __future__ import annotations

import math

import numpy as np
import pytest
from dreams import plane_clip
from fakes_evaluate import FakeJudge

from worldsim.camera import Intrinsics
from worldsim.engine.events import Chances
from worldsim.envs.blocks.events import Happened
from worldsim.envs.blocks.tasks import ARRIVAL_M
from worldsim.envs.blocks.world import BlockWorld
from worldsim.evaluate.events import (
    EventWalk,
    average_precision,
    event_scores,
    score,
    take_event_walk,
)
from worldsim.types import Action

CLIP = plane_clip([Action(yaw_deg=10.0)] * 2)
NOTHING, GEM, BEACON = Happened(False, False), Happened(True, False), Happened(False, True)


def test_average_precision_of_an_example_worked_by_hand() -> None:
    # in order: hit (1/1 at recall 1/2), miss, hit (2/3 at recall 1), miss
    scores, happened = np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])
    assert average_precision(scores, happened) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_average_precision_of_a_perfect_order_is_one_and_of_no_order_the_base_rate() -> None:
    happened = np.arange(20) % 5 == 0
    assert average_precision(happened * 1.0, happened) == 1.0
    assert average_precision(np.zeros(20), happened) == pytest.approx(0.2)


def test_average_precision_is_the_sum_over_all_thresholds() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        scores, happened = rng.integers(0, 6, 30) / 5, rng.random(30) < 0.3
        happened[0] = True
        expected, recall_before = 0.0, 0.0
        for threshold in np.unique(scores)[::-1]:
            found = happened[scores >= threshold]
            recall = found.sum() / happened.sum()
            expected += (recall - recall_before) * found.mean()
            recall_before = recall
        assert average_precision(scores, happened) == pytest.approx(expected)


def test_average_precision_of_what_never_happened_is_not_defined() -> None:
    assert average_precision(np.array([0.2, 0.9]), np.array([False, False])) is None


def test_a_score_counts_what_is_likelier_than_not() -> None:
    told = score([0.9, 0.8, 0.5, 0.2], [True, False, True, False])
    assert (told.precision, told.recall, told.base_rate) == (0.5, 0.5, 0.5)
    assert (told.ticks, told.happened) == (4, 2)
    nothing = score([0.1, 0.2], [False, False])
    assert (nothing.precision, nothing.recall, nothing.average_precision) == (None, None, None)


def test_every_dreamed_tick_of_every_walk_is_judged_once_at_its_true_pose() -> None:
    poses = [o.pose.moved(float(i), 0.0, 0.0) for i, o in enumerate(CLIP.observations)]
    steps = tuple((Action(forward=True), pose) for pose in poses)
    walks = [
        EventWalk(7, CLIP, steps, (NOTHING, GEM, NOTHING)),
        EventWalk(8, CLIP, steps[:2], (BEACON, BEACON)),
    ]
    told = [(0.1, 0.1), (0.9, 0.1), (0.2, 0.1), (0.1, 0.9), (0.1, 0.2)]
    engine, frames = FakeJudge([Chances(*chances) for chances in told]), list[int]()
    scores = event_scores(engine, walks, on_frame=frames.append)
    assert engine.resets == [(7, CLIP), (8, CLIP)]
    assert engine.poses == [*poses, *poses[:2]]
    assert sum(frames) == 2 * len(CLIP.observations) + 5
    reward, end = scores["reward"], scores["end"]
    assert (reward.ticks, reward.happened, reward.recall, reward.average_precision) == (5, 1, 1, 1)
    assert (end.happened, end.precision, end.recall, end.average_precision) == (2, 1, 0.5, 1)


def test_a_walk_begins_with_real_frames_and_goes_on_with_known_events() -> None:
    world = BlockWorld(Intrinsics(width=32, height=20))
    walk = take_event_walk(world, 5_000_000, real=4, ticks=30)
    assert walk.steps[-1][1] == world.pose
    assert len(walk.clip.observations) == 4
    assert len(walk.steps) == len(walk.happened) == 30
    x, _, z = world.beacon
    near = [math.hypot(pose.x - x, pose.z - z) <= ARRIVAL_M for _, pose in walk.steps]
    assert [event.end for event in walk.happened] == near
    again = take_event_walk(world, 5_000_000, real=4, ticks=30)
    assert (again.steps, again.happened) == (walk.steps, walk.happened)
    world.close()
