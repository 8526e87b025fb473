"""Episodes: what was recorded comes back, also from the remains of a killed recorder."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeWorld

from worldsim.errors import ActionError, ConfigError, EpisodeError
from worldsim.record import video
from worldsim.record.contact_sheet import contact_sheet, evenly_spaced, save_png
from worldsim.record.episode import Episode
from worldsim.record.format import WorldInfo, frame_hash
from worldsim.record.recorder import Recorder, RecorderConfig
from worldsim.record.video import VideoWriter, count_frames, read_frames
from worldsim.types import Action

INFO = WorldInfo(kind="real", version="1", seed=7, scene="meadow")
ACTIONS = tuple(
    Action(forward=t % 3 == 0, attack=t % 5 == 0, yaw_deg=float(np.sin(t)), pitch_deg=0.1 * (t % 2))
    for t in range(44)
)


def record(folder: Path, config: RecorderConfig | None = None, world: FakeWorld | None = None):
    """Record `ACTIONS`; the observations, copied."""
    world = world or FakeWorld()
    seen = [world.reset(seed=7, scene="meadow")]
    frames = [seen[0].rgb.copy()]
    with Recorder(folder, INFO, world.intrinsics, first=seen[0], config=config) as recorder:
        for action in ACTIONS:
            result = world.step(action)
            recorder.append(action, result)
            frames.append(result.observation.rgb.copy())
    return frames


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("episode")
    frames = record(folder, RecorderConfig(depth=True, script="stroll"))
    return folder, frames


def test_an_episode_of_t_actions_has_t_plus_1_frames_lines_and_poses(recorded):
    episode = Episode.open(recorded[0])
    assert episode.actions == ACTIONS
    assert len(episode) == len(episode.poses) == len(list(episode.frames())) == len(ACTIONS) + 1
    assert episode.ticks[-1].action is None
    assert episode.info.complete


def test_line_t_holds_the_action_that_led_from_frame_t_to_frame_t_plus_1(recorded):
    episode = Episode.open(recorded[0])
    for before, after in zip(episode.ticks, episode.ticks[1:], strict=False):
        turned = before.pose.turned(before.action.yaw_deg, before.action.pitch_deg)
        assert after.pose.yaw_deg == turned.yaw_deg
        assert after.reward == 0.5 * before.action.forward


def test_frames_of_the_training_format_come_back_within_two_levels(recorded):
    folder, frames = recorded
    for seen, original in zip(Episode.open(folder).frames(), frames, strict=True):
        assert np.abs(seen.astype(int) - original).max() <= 2


def test_hashes_are_of_the_frames_before_compression(recorded):
    folder, frames = recorded
    assert [t.frame_hash for t in Episode.open(folder).ticks] == [frame_hash(f) for f in frames]


def test_any_range_of_frames_equals_that_part_of_all_frames(recorded):
    episode = Episode.open(recorded[0])
    every = list(episode.frames())
    for start, stop in ((0, 1), (9, 11), (10, 30), (37, 45), (44, 45), (-3, None), (5, 5)):
        part = list(episode.frames(start, stop))
        assert len(part) == len(every[start:stop])
        assert all(np.array_equal(a, b) for a, b in zip(part, every[start:stop], strict=True))


def test_depth_comes_back_within_the_precision_of_float16(recorded):
    depth = Episode.open(recorded[0]).depth(7, 25)
    expected = 2.0 + np.arange(40) / 40
    for n in range(18):
        np.testing.assert_allclose(depth[n, :, 0], expected + (7 + n) / 8, rtol=5e-4)


def test_a_clip_joins_frames_depth_poses_and_the_actions_between(recorded):
    episode = Episode.open(recorded[0])
    clip = episode.clip(3, 8)
    assert clip.actions == ACTIONS[3:7]
    assert [o.pose for o in clip.observations] == list(episode.poses[3:8])


def test_info_survives_the_way_to_disk(recorded):
    info = Episode.open(recorded[0]).info
    assert info.world == INFO
    assert info.intrinsics == FakeWorld().intrinsics
    assert info.script == "stroll"
    assert {"worldsim", "torch", "python", "av"} <= set(info.software)


def test_lines_can_be_read_as_vpt_records(recorded):
    lines = [json.loads(line) for line in (recorded[0] / "actions.jsonl").open()]
    for line, action in zip(lines, ACTIONS, strict=False):
        assert line["mouse"]["dx"] * 360 / 2400 == pytest.approx(action.yaw_deg)
        assert ("key.keyboard.w" in line["keyboard"]["keys"]) == action.forward
        assert (0 in line["mouse"]["buttons"]) == action.attack
    assert lines[0]["keyboard"]["newKeys"] == ["key.keyboard.w"]
    assert lines[-1]["action"] is None
    assert lines[-1]["keyboard"]["keys"] == []


def test_sharing_format_records_what_every_player_shows(tmp_path):
    record(tmp_path / "e", RecorderConfig(pixel_format="yuv420p"))
    assert Episode.open(tmp_path / "e").info.pixel_format == "yuv420p"


def test_odd_sizes_need_the_training_format(tmp_path):
    record(tmp_path / "odd", world=FakeWorld(width=33, height=21))
    assert len(Episode.open(tmp_path / "odd")) == len(ACTIONS) + 1
    with pytest.raises(ConfigError, match="even"):
        VideoWriter(tmp_path / "v.mp4", width=33, height=21, pixel_format="yuv420p")


def test_without_h264_mpeg4_is_used_and_the_episode_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(video, "choose_codec", lambda: "mpeg4")
    frames = record(tmp_path / "e")
    episode = Episode.open(tmp_path / "e")
    assert (episode.info.codec, episode.info.pixel_format) == ("mpeg4", "yuv420p")
    assert len(list(episode.frames())) == len(frames)


@pytest.fixture(scope="module")
def killed(recorded, tmp_path_factory):
    """The episode as it would be had its recorder been killed, with every file still whole."""
    folder = tmp_path_factory.mktemp("killed") / "e"
    shutil.copytree(recorded[0], folder)
    info = json.loads((folder / "episode.json").read_text())
    (folder / "episode.json").write_text(json.dumps({**info, "complete": False, "frames": None}))
    return folder


def test_a_video_cut_at_any_byte_opens_as_a_prefix_of_the_same_frames(killed, tmp_path):
    whole = (killed / "video.mp4").read_bytes()
    every = list(read_frames(killed / "video.mp4"))
    rng = random.Random(0)
    for cut in (0, 1, 50, 700, 800, *(rng.randrange(len(whole)) for _ in range(25))):
        path = tmp_path / "cut.mp4"
        path.write_bytes(whole[:cut])
        count = count_frames(path)
        part = list(read_frames(path, 0, count)) if count else []
        assert all(np.array_equal(a, b) for a, b in zip(part, every[:count], strict=True))


def test_an_incomplete_episode_is_cut_to_what_every_file_has(killed, tmp_path):
    lines = (killed / "actions.jsonl").read_bytes()
    for name, cut, frames in (("lines", 0.5, None), ("depth", None, 40), ("json", 0.02, 0)):
        folder = tmp_path / name
        shutil.copytree(killed, folder)
        if cut is None:
            (folder / "depth" / "00000040.npz").unlink()
        else:
            (folder / "actions.jsonl").write_bytes(lines[: int(len(lines) * cut)])
        episode = Episode.open(folder)
        assert not episode.info.complete
        assert len(list(episode.frames())) == len(episode.poses) == len(episode)
        assert frames is None or len(episode) == frames
        assert len(episode.actions) == max(len(episode) - 1, 0)


def test_an_episode_killed_before_its_first_fragment_opens_empty(killed, tmp_path):
    folder = tmp_path / "e"
    folder.mkdir()
    shutil.copy(killed / "episode.json", folder)
    assert len(Episode.open(folder)) == 0
    assert list(Episode.open(folder).frames()) == []


def edited(folder: Path, target: Path, **changes: object) -> Path:
    shutil.copytree(folder, target)
    info = json.loads((folder / "episode.json").read_text())
    (target / "episode.json").write_text(json.dumps({**info, **changes}))
    return target


def test_folders_that_are_no_episodes_are_refused_by_name(recorded, tmp_path):
    with pytest.raises(EpisodeError, match=r"no readable episode\.json"):
        Episode.open(tmp_path)
    (tmp_path / "episode.json").write_text("{")
    with pytest.raises(EpisodeError, match="JSON"):
        Episode.open(tmp_path)
    with pytest.raises(EpisodeError, match="version 1"):
        Episode.open(edited(recorded[0], tmp_path / "newer", version=2))
    with pytest.raises(EpisodeError, match="every field"):
        Episode.open(edited(recorded[0], tmp_path / "poor", intrinsics={"focal": 1}))


def test_another_action_schema_is_an_error_that_shows_both_lists(recorded, tmp_path):
    folder = edited(recorded[0], tmp_path / "e", action_schema={"names": ["fly"]})
    with pytest.raises(ActionError, match=r"forward.*fly"):
        Episode.open(folder)


def test_a_complete_episode_that_lost_lines_or_frames_is_an_error(recorded, tmp_path):
    folder = tmp_path / "e"
    shutil.copytree(recorded[0], folder)
    data = (folder / "video.mp4").read_bytes()
    (folder / "video.mp4").write_bytes(data[: len(data) // 2])
    with pytest.raises(EpisodeError, match="45 frames"):
        list(Episode.open(folder).frames())
    lines = (folder / "actions.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "actions.jsonl").write_bytes(b"".join(lines[:-1]))
    with pytest.raises(EpisodeError, match="45 whole lines"):
        Episode.open(folder)
    (folder / "actions.jsonl").write_bytes(b"".join([*lines[:5], b"{}\n", *lines[6:]]))
    with pytest.raises(EpisodeError, match="tick 5 on line 6"):
        Episode.open(folder)


def test_asking_for_depth_that_was_not_recorded_is_an_error(tmp_path):
    record(tmp_path / "e")
    with pytest.raises(EpisodeError, match="depth"):
        Episode.open(tmp_path / "e").depth()


def test_a_contact_sheet_shows_every_frame_and_is_saved_whole(recorded, tmp_path):
    frames = recorded[1]
    chosen = evenly_spaced(len(frames), 5)
    assert chosen == [0, 11, 22, 33, 44]
    row = [frames[i] for i in chosen]
    sheet = contact_sheet([row, row[:2]], ["true", "dreamed"], columns=[str(i) for i in chosen])
    plain = contact_sheet([row])
    assert sheet.shape[0] > 2 * 40 and sheet.shape[1] == plain.shape[1]
    assert np.array_equal(plain[2:42, 2:66], frames[0])
    save_png(sheet, tmp_path / "sheet.png")
    assert [p.name for p in tmp_path.iterdir()] == ["sheet.png"]


def test_contact_sheets_refuse_frames_of_different_sizes_and_missing_labels():
    small, large = np.zeros((4, 4, 3), np.uint8), np.zeros((5, 4, 3), np.uint8)
    with pytest.raises(ConfigError, match="one size"):
        contact_sheet([[small, large]])
    with pytest.raises(ConfigError, match="2 labels"):
        contact_sheet([[small], [small]], ["only one"])
