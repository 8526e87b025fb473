"""The memory bank: what it admits, what it finds, what it forgets, and how it is saved."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray

from worldsim.camera import Intrinsics, pose_matrix
from worldsim.errors import ConfigError, StateError
from worldsim.memory.bank import BankConfig, MemoryBank
from worldsim.memory.bank_arrays import from_arrays, to_arrays
from worldsim.memory.keyframe import sparse_points
from worldsim.memory.retrieve import MemoryMode, vote_frames
from worldsim.memory.spatial_hash import SLOTS, Nearby, SpatialHash
from worldsim.types import SKY_DEPTH_M, Pose

INTRINSICS = Intrinsics(width=32, height=20)
BLACK = np.zeros((20, 32, 3), np.uint8)
KEYFRAME_BYTES = 20 * 32 * 5
TURN = [Pose(0, 0, 0, yaw) for yaw in range(0, 360, 45)]


def wall(distance_m: float = 8.0) -> NDArray[np.float32]:
    return np.full((20, 32), distance_m, np.float32)


def bank_of(poses: list[Pose], **settings) -> MemoryBank:
    """A bank that admitted a wall before every pose, ten ticks apart."""
    bank = MemoryBank(INTRINSICS, BankConfig(**settings))
    for i, pose in enumerate(poses):
        assert bank.insert(BLACK + i, wall(), pose, 10 * i)
    return bank


def frames(keyframes) -> list[int]:
    return [keyframe.frame for keyframe in keyframes]


def test_the_first_frame_is_always_admitted():
    assert len(bank_of(TURN[:1])) == 1


def test_a_frame_that_shows_nothing_new_is_not_admitted():
    bank = bank_of(TURN[:1])
    assert not bank.insert(BLACK, wall(), Pose(0, 0, 0, 2), 50)


def test_a_frame_that_shows_something_new_is_admitted():
    assert bank_of(TURN[:1]).insert(BLACK, wall(), TURN[2], 50)


def test_a_frame_that_comes_too_soon_is_not_admitted():
    bank = bank_of(TURN[:1], min_gap=2)
    assert not bank.insert(BLACK, wall(), TURN[2], 1)


def test_a_closer_look_at_a_known_surface_is_new():
    bank = bank_of(TURN[:1])
    assert bank.insert(BLACK, wall(3.0), Pose(0, 0, -5), 50)


def test_a_frame_that_looks_through_a_known_surface_is_admitted():
    bank = bank_of(TURN[:1])
    assert bank.insert(BLACK, wall(SKY_DEPTH_M), TURN[0], 50)


def test_a_frame_that_a_hand_has_changed_is_admitted_however_small_the_change():
    bank = bank_of(TURN[:1])
    assert bank.insert(BLACK, wall(), TURN[0], 50, touched=True)
    assert len(bank) == 2


def test_a_button_held_down_does_not_fill_the_bank():
    bank = bank_of(TURN[:1])
    for frame in range(50, 90):
        assert bank.insert(BLACK, wall(), TURN[0], frame, touched=True)
    assert frames(bank.keyframes) == [0, 89]


def test_what_is_within_reach_is_recalled_from_the_frame_that_a_hand_has_changed():
    bank = MemoryBank(INTRINSICS)
    for frame in (0, 10, 20):
        bank.insert(BLACK, wall(4.0), TURN[0], frame, touched=frame == 10)
    assert frames(bank.retrieve(TURN[0], count=4)) == [10, 0]


def test_a_real_frame_is_kept_beside_a_dreamed_one():
    bank = MemoryBank(INTRINSICS)
    assert bank.insert(BLACK, wall(), TURN[0], 0, 0.5)
    assert bank.insert(BLACK, wall(), TURN[0], 10, 1.0)
    assert not bank.insert(BLACK, wall(), TURN[0], 20, 0.5)


def test_walking_back_and_forth_does_not_fill_the_bank():
    bank = bank_of(TURN)
    for i in range(40):
        bank.insert(BLACK, wall(), TURN[i % 8], 1000 + 10 * i)
    assert len(bank) == len(TURN)


def test_keyframes_are_copies_that_cannot_be_written_to():
    rgb = BLACK.copy()
    bank = MemoryBank(INTRINSICS)
    bank.insert(rgb, wall(), TURN[0], 0)
    rgb[:] = 7
    keyframe = bank.keyframes[0]
    assert keyframe.rgb.max() == 0
    with pytest.raises(ValueError, match="read-only"):
        keyframe.rgb[0] = 1


@pytest.mark.parametrize("index", range(8))
def test_the_frame_that_saw_the_view_is_found_first(index):
    found = bank_of(TURN).retrieve(TURN[index].turned(5, 3), count=2)
    assert found[0].frame == 10 * index


def test_a_wall_hides_the_keyframes_behind_it():
    behind = Pose(0, 0, -10)  # looks away from the query, at what the first wall hides
    found = bank_of([TURN[0], behind]).retrieve(Pose(0, 0, 1), count=1)
    assert frames(found) == [0]


def test_the_second_pick_covers_what_the_first_lacks():
    poses = [Pose(0, 0, 0, 20), Pose(0.2, 0, 0, 21), Pose(0, 0, 0, -30)]
    found = bank_of(poses, novelty=0.0).retrieve(Pose(0, 0, 0, -4), count=2)
    assert 20 in frames(found)
    assert len(found) == 2


def test_of_equal_frames_the_newest_is_found():
    bank = bank_of([TURN[0]] * 3, novelty=0.0)
    assert frames(bank.retrieve(TURN[0], count=1)) == [20]


def test_frames_after_a_limit_are_left_out_in_every_mode():
    bank = bank_of(TURN)
    for mode in MemoryMode:
        found = bank.retrieve(TURN[5], count=8, exclude_after=30, mode=mode)
        assert max(frames(found), default=0) <= 30


def test_the_frame_seen_from_here_is_recalled_though_later_ones_hide_what_it_saw():
    bank = bank_of([])
    bank.insert(BLACK, wall(30.0), Pose(0, 0, 0), 0, 0.6)
    for i in range(8):
        bank.insert(BLACK, wall(4.0), Pose(0.2 * i, 0, -9), 10 + 10 * i, 0.6)
    assert frames(bank.retrieve(Pose(0, 0, 0), count=4))[0] == 0


def test_a_view_of_nothing_but_sky_falls_back_to_the_nearest_direction():
    bank = MemoryBank(INTRINSICS, BankConfig(novelty=0.0))
    for i, pose in enumerate(TURN):
        bank.insert(BLACK, wall(SKY_DEPTH_M), pose, 10 * i)
    assert frames(bank.retrieve(Pose(0, 0, 0, 100), count=1)) == [20]


def test_an_empty_bank_finds_nothing():
    bank = MemoryBank(INTRINSICS)
    assert bank.retrieve(TURN[0], count=4) == []
    assert bank.witnesses(np.zeros((1, 3), np.float32), count=4) == []


def test_of_the_witnesses_of_a_place_the_nearest_comes_first():
    bank = bank_of([TURN[0]])
    assert bank.insert(BLACK, wall(2.0), Pose(0, 0, -6), 10)
    assert bank.insert(BLACK, wall(), TURN[4], 20)
    place = np.array([[0, 0, -8]], np.float32)
    assert frames(bank.witnesses(place, count=4)) == [10, 0]
    assert frames(bank.witnesses(place, count=1)) == [10]


def test_the_recent_mode_gives_the_newest_keyframes():
    found = bank_of(TURN).retrieve(TURN[0], count=3, mode=MemoryMode.RECENT)
    assert frames(found) == [70, 60, 50]


def test_the_random_mode_is_the_same_for_the_same_frame():
    first = bank_of(TURN).retrieve(TURN[0], count=4, mode=MemoryMode.RANDOM)
    again = bank_of(TURN).retrieve(TURN[0], count=4, mode=MemoryMode.RANDOM)
    assert frames(first) == frames(again)
    assert len(first) == 4


def test_the_off_mode_gives_nothing():
    assert bank_of(TURN).retrieve(TURN[0], count=4, mode=MemoryMode.OFF) == []


def test_bytes_never_exceed_the_cap():
    bank = bank_of([Pose(20.0 * i, 0, 0) for i in range(40)], max_bytes=10 * KEYFRAME_BYTES)
    assert len(bank) == 10
    assert bank.nbytes == 10 * KEYFRAME_BYTES


def test_the_newest_keyframes_are_never_dropped():
    bank = bank_of([Pose(20.0 * i, 0, 0) for i in range(40)], max_bytes=10 * KEYFRAME_BYTES)
    assert frames(bank.keyframes)[-8:] == [10 * i for i in range(32, 40)]


def test_a_keyframe_in_use_outlives_those_that_are_not():
    bank = bank_of([Pose(20.0 * i, 0, 0) for i in range(12)], max_bytes=12 * KEYFRAME_BYTES)
    for i in range(12, 24):
        bank.retrieve(Pose(0, 0, 0), count=1)
        bank.insert(BLACK, wall(), Pose(20.0 * i, 0, 0), 10 * i)
    assert frames(bank.retrieve(Pose(0, 0, 0), count=1)) == [0]


def test_a_dropped_keyframe_leaves_no_points_behind():
    bank = bank_of([Pose(20.0 * i, 0, 0) for i in range(40)], max_bytes=10 * KEYFRAME_BYTES)
    arrays = to_arrays(bank.snapshot())
    owners = set(np.unique(arrays["cell_owners"]).tolist()) - {-1}
    assert owners == set(arrays["number"].tolist())


def test_a_restored_bank_goes_on_as_if_nothing_had_happened():
    bank = bank_of(TURN[:4])
    state = bank.snapshot()
    bank.insert(BLACK, wall(SKY_DEPTH_M), TURN[0], 90)
    bank.restore(state)
    assert frames(bank.keyframes) == [0, 10, 20, 30]
    assert frames(bank.retrieve(TURN[0], count=1)) == [0]
    assert bank.insert(BLACK, wall(SKY_DEPTH_M), TURN[0], 90)


def test_a_bank_and_its_fork_do_not_disturb_each_other():
    bank = bank_of(TURN[:4])
    fork = MemoryBank(INTRINSICS)
    fork.restore(bank.snapshot())
    fork.insert(BLACK, wall(SKY_DEPTH_M), TURN[0], 90)
    assert len(bank) == 4
    assert frames(bank.retrieve(TURN[0], count=1)) == [0]


def test_a_bank_survives_a_file_without_pickled_objects():
    bank = bank_of(TURN)
    file = io.BytesIO()
    np.savez(file, **to_arrays(bank.snapshot()))
    file.seek(0)
    loaded = MemoryBank(INTRINSICS)
    with np.load(file, allow_pickle=False) as arrays:
        loaded.restore(from_arrays(dict(arrays)))
    assert loaded.nbytes == bank.nbytes
    assert frames(loaded.retrieve(TURN[3], count=8)) == frames(bank.retrieve(TURN[3], count=8))
    assert (loaded.keyframes[3].rgb == 3).all()


def test_an_empty_bank_survives_a_file_too():
    assert from_arrays(to_arrays(MemoryBank(INTRINSICS).snapshot())).keyframes == {}


def test_a_damaged_file_is_refused():
    arrays = to_arrays(bank_of(TURN[:2]).snapshot())
    with pytest.raises(StateError, match="trust"):
        from_arrays({name: part for name, part in arrays.items() if name != "trust"})
    with pytest.raises(StateError, match="one length"):
        from_arrays({**arrays, "trust": arrays["trust"][:1]})


def test_frames_of_another_camera_are_refused():
    with pytest.raises(StateError, match="camera"):
        MemoryBank(INTRINSICS).insert(np.zeros((8, 8, 3), np.uint8), wall(), TURN[0], 0)


def test_impossible_settings_are_refused():
    with pytest.raises(ConfigError):
        BankConfig(novelty=2.0)
    with pytest.raises(ConfigError):
        BankConfig(max_bytes=0)


def test_a_voxel_remembers_its_newest_frames_only():
    places = SpatialHash()
    point = np.array([[1.0, 1.0, 1.0]], np.float32)
    for owner in range(SLOTS + 3):
        places.insert(point, np.array([2.0], np.float32), owner)
    known = places.at(point)
    assert sorted(known.owners[0].tolist()) == list(range(3, SLOTS + 3))
    assert (known.depths == 2.0).all()


def test_dreams_of_a_place_do_not_push_out_what_was_really_seen_there():
    places = SpatialHash()
    point = np.array([[1.0, 1.0, 1.0]], np.float32)
    for owner in range(SLOTS - 1):
        places.insert(point, np.array([2.0], np.float32), owner, trust=1.0)
    for owner in range(10, 20):
        places.insert(point, np.array([2.0], np.float32), owner, trust=0.6)
    assert sorted(places.at(point).owners[0].tolist()) == [*range(SLOTS - 1), 19]


def seen_while_turning(trusts: list[float]) -> Nearby:
    """What the frames of a turn see of a wall all around."""
    points, owners = [], []
    for frame, pose in enumerate(TURN):
        places, depths = sparse_points(wall(), pose, INTRINSICS)
        rest = np.column_stack((depths, np.full(len(depths), trusts[frame])))
        points.append(np.hstack((places, rest)).astype(np.float32))
        owners.append(np.full(len(places), frame))
    return Nearby(np.concatenate(points), np.concatenate(owners))


def test_votes_need_no_bank():
    known = seen_while_turning([1.0] * len(TURN))
    found = vote_frames(known, pose_matrix(TURN[6]), INTRINSICS, 3)
    assert found[0] == 6
    assert len(set(found)) == len(found) <= 3


def test_votes_of_trusted_frames_weigh_more():
    trusts = [0.3] * len(TURN)
    trusts[5] = 1.0
    found = vote_frames(seen_while_turning(trusts), pose_matrix(TURN[6]), INTRINSICS, 3)
    assert found[0] == 5


def test_votes_do_not_repeat_what_is_recalled_anyway():
    known = seen_while_turning([1.0] * len(TURN))
    first, *rest = vote_frames(known, pose_matrix(TURN[6]), INTRINSICS, 3)
    assert vote_frames(known, pose_matrix(TURN[6]), INTRINSICS, 2, [first]) == rest


@pytest.mark.parametrize("trust", [0.1, 0.6, 1.0])
def test_votes_never_choose_a_frame_twice(trust):
    known = seen_while_turning([trust] * len(TURN))
    found = vote_frames(known, pose_matrix(TURN[6]), INTRINSICS, len(TURN))
    assert len(set(found)) == len(found)
