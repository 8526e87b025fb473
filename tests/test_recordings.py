"""Training on recordings: what was recorded is what is trained on."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from recordings import (
    ACTIONS,
    CAMERA,
    TICKS,
    assert_shows,
    find,
    read_lines,
    record,
    record_vpt,
    walk,
    whole,
    write_lines,
)

from worldsim.actions import to_vector
from worldsim.camera import Intrinsics
from worldsim.errors import ConfigError
from worldsim.record.vpt import from_vpt, pose_from_vpt, to_vpt
from worldsim.train.batch import ClipConfig, sample_clips
from worldsim.train.data import DataConfig, EpisodePool
from worldsim.train.framing import Framing
from worldsim.train.recorded import RecordedWalks, Window, read_window, shuffled_windows, split
from worldsim.train.recording import MIN_FRAMES, NO_DEPTH, Recording, open_vpt
from worldsim.types import SKY_DEPTH_M, Action, Observation, Pose

# What is read is what was recorded


def test_an_episode_is_read_as_it_was_recorded(recorded: tuple[Path, list[Observation]]) -> None:
    folder, seen = recorded
    (recording,) = find(folder.parent)
    episode = whole(recording)
    assert_shows(episode, seen)
    for t, truth in enumerate(seen):
        assert np.array_equal(episode.depth[t], truth.depth.astype(np.float16)), t
    assert episode.origin.file == str(folder / "actions.jsonl")


def test_a_window_holds_the_frames_and_actions_of_its_place(
    recorded: tuple[Path, list[Observation]],
) -> None:
    folder, seen = recorded
    (recording,) = find(folder)
    episode = read_window(Window(recording, 17, 51), CAMERA)
    assert len(episode) == 34
    assert len(episode.actions) == len(episode.moves) == 33
    assert_shows(episode, seen[17:51], start=17)
    assert episode.origin.first_frame == 17


def test_clips_of_a_recording_are_those_of_the_walk_itself(
    recorded: tuple[Path, list[Observation]],
) -> None:
    folder, seen = recorded
    (recording,) = find(folder)
    read = whole(recording)
    true = replace(
        read,
        rgb=np.stack([o.rgb for o in seen]),
        depth=np.stack([o.depth for o in seen]).astype(np.float16),
        poses=tuple(o.pose for o in seen),
        actions=np.stack([to_vector(action) for action in ACTIONS]),
    )
    ours, theirs = (
        sample_clips([episode], ClipConfig(clips=4), np.random.default_rng(0))
        for episode in (read, true)
    )
    for name in ("actions", "next_actions", "poses", "motion", "moves", "keyframe_poses"):
        assert np.allclose(getattr(ours, name), getattr(theirs, name), atol=1e-6), name
    assert (ours.pictures - theirs.pictures).abs().max() < 0.02


def test_a_vpt_recording_is_read_with_the_poses_of_the_game(
    recorded_vpt: tuple[Path, list[Observation]], caplog: pytest.LogCaptureFixture
) -> None:
    path, seen = recorded_vpt
    (recording,) = find(path.parent)
    assert_shows(whole(recording), seen)
    assert NO_DEPTH in caplog.text


def test_the_depth_of_a_vpt_recording_is_level_ground_at_the_cameras_pitch(
    recorded_vpt: tuple[Path, list[Observation]],
) -> None:
    path, seen = recorded_vpt
    (recording,) = find(path.parent)
    episode = whole(recording)
    for t in (0, 40):  # a plane world is level ground: its eye is at 1.6 m, a player's at 1.62 m
        near = seen[t].depth < 10.0
        ratio = episode.depth[t].astype(np.float32)[near] / seen[t].depth[near]
        assert np.allclose(ratio, 1.62 / 1.6, rtol=0.01)
        assert episode.depth[t, -1].max() < SKY_DEPTH_M


def test_without_poses_they_are_reckoned_from_the_actions(tmp_path: Path) -> None:
    path = tmp_path / "player-1.jsonl"
    record_vpt(path)
    lines = [
        {name: line[name] for name in ("mouse", "keyboard", "isGuiOpen")}
        for line in read_lines(path)
    ]
    write_lines(path, lines)
    (recording,) = find(tmp_path)
    episode = whole(recording)
    expected = Pose(0.0, 1.62, 0.0)
    for t, action in enumerate(ACTIONS):
        expected = expected.turned(action.yaw_deg, action.pitch_deg)
        assert episode.poses[t + 1].yaw_deg == pytest.approx(expected.yaw_deg, abs=1e-3)
        assert episode.poses[t + 1].pitch_deg == pytest.approx(expected.pitch_deg, abs=1e-3)
    ahead = [t for t in range(10, TICKS) if all(a.forward for a in ACTIONS[t - 1 : t + 1])]
    assert (episode.moves[ahead, 2] > 0.12).all()
    later = read_window(Window(recording, 20, 60), CAMERA)
    assert later.poses == episode.poses[20:60]


def test_what_is_seen_in_menus_is_left_out_and_moves_nobody(tmp_path: Path) -> None:
    path = tmp_path / "player-1.jsonl"
    record_vpt(path)
    lines = read_lines(path)
    for line in lines[20:25]:
        line["isGuiOpen"] = True
        line["mouse"]["dx"] = 300.0
    write_lines(path, lines)
    (recording,) = find(tmp_path)
    assert recording.stretches == (range(25, 64),)
    for line in lines:
        del line["xpos"]
    write_lines(path, lines)
    reckoned = open_vpt(path, 60.0).reckoned
    assert reckoned is not None
    assert (reckoned[20:26, 3] == reckoned[20, 3]).all()


def test_an_action_survives_the_way_through_vpt() -> None:
    held = Action(forward=True, jump=True, sneak=True, use=True, yaw_deg=-3.25, pitch_deg=7.5)
    for action in (held, Action(), *ACTIONS[:5]):
        back = from_vpt(to_vpt(action, Action()))
        assert np.allclose(to_vector(back), to_vector(action))


@pytest.mark.parametrize(("game_deg", "yaw_deg"), [(180.0, 0.0), (-90.0, 90.0), (90.0, -90.0)])
def test_the_games_yaw_counts_from_behind(game_deg: float, yaw_deg: float) -> None:
    fields = {"xpos": 1.0, "ypos": 64.0, "zpos": 3.0, "yaw": game_deg, "pitch": 5.0}
    assert pose_from_vpt(fields) == Pose(1.0, 65.62, 3.0, yaw_deg, 5.0)
    assert pose_from_vpt({}) is None


# Cameras


def test_a_wider_camera_is_cropped_to_what_the_model_sees(tmp_path: Path) -> None:
    wide = Intrinsics(width=160, height=90, fov_y_deg=70.0)
    record(tmp_path / "e", camera=wide)
    (recording,) = find(tmp_path)
    episode, truth = whole(recording), walk()
    for t in (0, 30, TICKS):
        near = truth[t].depth < 6.0
        assert np.allclose(episode.depth[t][near], truth[t].depth[near], rtol=0.06)
        assert np.abs(episode.rgb[t].astype(int) - truth[t].rgb)[near].mean() < 2.0


def test_a_framing_keeps_the_middle_and_never_mixes_depths() -> None:
    framing = Framing(Intrinsics(width=96, height=48), Intrinsics(width=32, height=24))
    assert framing.box == pytest.approx((16.0, 0.0, 80.0, 48.0))
    depth = np.arange(96 * 48, dtype=np.float32).reshape(1, 48, 96)
    assert set(framing.depths(depth).ravel()) <= set(depth.ravel())
    rgb = np.zeros((48, 96, 3), np.uint8)
    rgb[:, 40:56] = 200
    seen = framing.colours(rgb)
    assert seen.shape == (24, 32, 3)
    assert seen[12, 16, 0] == 200 and seen[12, 4, 0] == 0


def test_pictures_that_show_less_than_the_model_sees_are_refused(tmp_path: Path) -> None:
    record(tmp_path / "e", camera=Intrinsics(width=64, height=48, fov_y_deg=40.0))
    with pytest.raises(ConfigError, match=r"video\.mp4 that show at least.*40 degrees.*wider"):
        find(tmp_path)


def test_pictures_of_the_models_own_size_are_not_touched() -> None:
    rgb: NDArray[np.uint8] = walk()[3].rgb
    assert np.array_equal(Framing(CAMERA, CAMERA).colours(rgb), rgb)
    depth = walk()[3].depth[None]
    assert np.array_equal(Framing(CAMERA, CAMERA).depths(depth), depth)


# A source of episodes


def numbered(folder: Path, length: int) -> Recording:
    """A recording that exists in name only."""
    stretches, offsets = (range(length),), np.zeros(length + 1, np.int64)
    return Recording(folder / "l", folder / "v", folder / "d", CAMERA, offsets, stretches)


@pytest.mark.parametrize("lengths", [(640,), (97,) * 20, (40, 33, 900, 34, 64), (264,)])
def test_an_eighth_is_held_out_and_never_trained_on(lengths: tuple[int, ...]) -> None:
    recordings = [numbered(Path(str(i)), length) for i, length in enumerate(lengths)]
    training, held_out = split(recordings)
    parts = [{(w.recording.lines, n) for w in side for n in range(w.start, w.stop)}
             for side in (training, held_out)]  # fmt: skip
    assert not parts[0] & parts[1]
    assert all(len(window) >= MIN_FRAMES for window in (*training, *held_out))
    assert 0.03 < len(parts[1]) / sum(lengths) < 0.15
    assert len(parts[0]) > 0.8 * sum(lengths)


def test_too_few_frames_are_all_trained_on() -> None:
    training, held_out = split([numbered(Path("a"), 100), numbered(Path("b"), 100)])
    assert sum(map(len, training)) == 200
    assert held_out == []


def test_windows_are_shuffled_by_seed_and_cover_their_stretches() -> None:
    stretches = [Window(numbered(Path(str(i)), 400), 7, 400) for i in range(3)]
    first, again, other = (
        [
            (w.recording.lines, w.start, w.stop)
            for w in shuffled_windows(stretches, 96, np.random.default_rng(seed))
        ]
        for seed in (1, 1, 2)
    )
    assert first == again != other
    assert len(first) == 12
    assert all(stop - start == 96 and start >= 7 and stop <= 400 for _, start, stop in first)
    short = shuffled_windows([Window(numbered(Path("a"), 40), 0, 40)], 96, np.random.default_rng(0))
    assert [(w.start, w.stop) for w in short] == [(0, 40)]


def starts(source: RecordedWalks, config: DataConfig, count: int, worker: int = 0) -> list[int]:
    stream = source.stream(config, CAMERA, worker, 1 + worker)
    return [episode.origin.first_frame for episode in islice(stream, count)]


def test_a_stream_is_endless_and_follows_its_seed(
    recorded: tuple[Path, list[Observation]],
) -> None:
    source = RecordedWalks(find(recorded[0]))
    config = DataConfig(ticks=32)
    first = starts(source, config, 6)
    assert first == starts(source, config, 6)
    assert len(set(first)) > 1
    assert len(starts(source, config, 2, worker=1)) == 2  # though there is one window only
    held = source.held_out(config, CAMERA, 2)
    assert [len(episode) for episode in held] == [33]


def test_a_pool_serves_recordings(recorded: tuple[Path, list[Observation]]) -> None:
    config = DataConfig(ticks=32, pool=2, first=1)
    pool = EpisodePool(config, CAMERA, 1, RecordedWalks(find(recorded[0])))
    try:
        for _ in range(3):
            assert pool.refresh(wait=True)
        assert (pool.rendered, len(pool.episodes)) == (3, 2)
        start = pool.episodes[0].origin.first_frame
        assert_shows(pool.episodes[0], recorded[1][start : start + 33], start)
    finally:
        pool.close()
