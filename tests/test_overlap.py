"""What frames show of a view, and the recall of what was really seen."""

from __future__ import annotations

import numpy as np
import pytest

from worldsim.camera import Intrinsics
from worldsim.memory.bank import BankConfig, MemoryBank
from worldsim.memory.keyframe import GRID_H, GRID_W, Keyframe
from worldsim.memory.overlap import most_overlapping, overlaps
from worldsim.types import SKY_DEPTH_M, Pose

INTRINSICS = Intrinsics(width=64, height=40)
BLACK = np.zeros((40, 64, 3), np.uint8)
HERE = Pose(0, 0, 0)
DREAM, TOUCHED, REAL = 0.6, 0.75, 1.0


def wall_before(pose: Pose, metres: float = 8.0, trust: float = REAL) -> Keyframe:
    return Keyframe(BLACK, np.full((40, 64), metres, np.float16), pose, 0, trust)


def shares(*keyframes: Keyframe, at: Pose = HERE) -> list[float]:
    """Of the view, what each frame shows."""
    covers = overlaps(keyframes, at, INTRINSICS)
    assert covers.shape == (len(keyframes), GRID_W * GRID_H)
    return [float(share) for share in covers.mean(axis=1)]


def test_a_frame_shows_all_of_its_own_view():
    assert shares(wall_before(HERE)) == [1.0]


def test_a_frame_shows_the_part_of_a_view_that_it_shares():
    half_a_turn = INTRINSICS.fov_y_deg * 0.72
    assert 0.2 < shares(wall_before(Pose(0, 0, 0, half_a_turn)))[0] < 0.6
    assert shares(wall_before(Pose(0, 0, 0, 180))) == [0.0]


@pytest.mark.parametrize("nearer_m", [2.0, 4.0, 5.0])
def test_what_comes_nearer_leaves_no_gaps_but_is_shown_less_well(nearer_m):
    covers = overlaps([wall_before(HERE)], Pose(0, 0, -nearer_m), INTRINSICS)
    assert covers.min() > 0
    assert covers.mean() == pytest.approx(min(1.0, 1.5 * (8 - nearer_m) / 8), abs=0.01)


def test_a_wall_hides_what_another_frame_saw_behind_it():
    before, behind = wall_before(HERE), wall_before(Pose(0, 0, -9))
    assert shares(behind)[0] > 0.1
    assert shares(before, behind) == [1.0, 0.0]


@pytest.mark.parametrize(("metres", "share"), [(1.0, 1.0), (20.0, 0.0)])
def test_a_sky_shows_what_is_there_only_from_where_it_was_seen(metres, share):
    assert shares(wall_before(HERE, SKY_DEPTH_M), at=Pose(metres, 0, 0)) == [share]


def test_holes_show_nothing():
    assert shares(wall_before(HERE, 0.0)) == [0.0]


def test_each_frame_is_chosen_for_what_the_earlier_ones_do_not_show():
    left, again, right = (wall_before(Pose(0, 0, 0, yaw)) for yaw in (-20.0, -19.0, 35.0))
    nobody = np.zeros(3, np.bool_)
    picks = most_overlapping([left, again, right], HERE, INTRINSICS, 2, first=nobody)
    assert picks in ([0, 2], [1, 2])


def test_nothing_is_chosen_that_shows_nothing():
    nobody = np.zeros(1, np.bool_)
    away = [wall_before(Pose(0, 0, 0, 180))]
    assert most_overlapping(away, HERE, INTRINSICS, 2, first=nobody) == []
    assert most_overlapping([], HERE, INTRINSICS, 2, first=nobody[:0]) == []


def a_bank_full_of_dreams(real: Pose, trust: float = REAL) -> MemoryBank:
    """One frame that is no dream, and dreams that all show more of the view from here."""
    bank = MemoryBank(INTRINSICS, BankConfig(novelty=0.0))
    wall = np.full((40, 64), 8.0, np.float32)
    bank.insert(BLACK, wall, real, 0, trust)
    for i in range(12):
        bank.insert(BLACK, wall, Pose(0.1 * i, 0, 0), 10 + i, DREAM)
    return bank


@pytest.mark.parametrize("trust", [TOUCHED, REAL])
def test_what_was_really_seen_or_touched_is_recalled_however_many_dreams_show_it(trust):
    bank = a_bank_full_of_dreams(Pose(0, 0, 0, 40), trust)
    assert bank.retrieve(HERE, count=4)[0].frame == 0


def test_dreams_are_recalled_where_nothing_was_really_seen():
    found = a_bank_full_of_dreams(Pose(0, 0, 0, 180)).retrieve(HERE, count=4)
    assert [keyframe.trust for keyframe in found] == [DREAM] * 4


def test_what_a_hand_has_changed_comes_before_what_was_seen_before():
    bank = a_bank_full_of_dreams(HERE)
    wall = np.full((40, 64), 8.0, np.float32)
    bank.insert(BLACK, wall, Pose(0, 0, 0, 20), 30, TOUCHED, touched=True)
    assert [keyframe.frame for keyframe in bank.retrieve(HERE, count=4)[:2]] == [30, 0]
