"""Imports: others' recordings become whole episodes, or a typed error and nothing half done."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from fakes_record import FakeMaker

from worldsim.errors import ActionError, ConfigError, EpisodeError, OutputError
from worldsim.record import rollout
from worldsim.record.dataset import finished_episodes
from worldsim.record.episode import Episode
from worldsim.record.exporters import command as exporting
from worldsim.record.exporters.command import ExportConfig
from worldsim.record.importers import command
from worldsim.record.importers.command import ImportConfig
from worldsim.record.rollout import RecordConfig

TICKS = 11


def take_in(source: Path, out: Path, name: str, **options) -> list[Episode]:
    assert command.run(ImportConfig(folder=source, format=name, out=out, **options)) == 0
    return [Episode.open(folder) for folder in finished_episodes(out).values()]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("recorded") / "set"
    config = RecordConfig(out=out, script="wander", ticks=TICKS, episodes=3)
    assert rollout.run(config, make=FakeMaker()) == 0
    return out


@pytest.fixture(scope="module")
def originals(recorded) -> list[Episode]:
    return [Episode.open(folder) for folder in finished_episodes(recorded).values()]


@pytest.fixture
def lerobot(recorded, tmp_path) -> Path:
    pytest.importorskip("pyarrow")
    out = tmp_path / "lerobot"
    exporting.run(ExportConfig(folder=recorded, format="lerobot", out=out))
    return out


@pytest.fixture
def vpt(recorded, tmp_path) -> Path:
    """Our own recordings under VPT's names: their lines have VPT's fields too."""
    out = tmp_path / "vpt"
    out.mkdir()
    for number, folder in finished_episodes(recorded).items():
        shutil.copy(folder / "video.mp4", out / f"player-{number}.mp4")
        shutil.copy(folder / "actions.jsonl", out / f"player-{number}.jsonl")
    return out


def edit_lines(path: Path, **changes) -> None:
    """Set fields of every line; a callable gets the line's number and record."""
    records = [json.loads(line) for line in path.open()]
    for n, record in enumerate(records):
        for key, value in changes.items():
            record[key] = value(n, record) if callable(value) else value
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def assert_same_frames(ours: Episode, theirs: Episode) -> None:
    for a, b in zip(ours.frames(), theirs.frames(), strict=True):
        assert np.abs(a.astype(int) - b).max() <= 3


def same_actions(ours: Episode, theirs: Episode) -> bool:
    turns = [[(a.yaw_deg, a.pitch_deg) for a in episode.actions] for episode in (ours, theirs)]
    buttons = [
        [{**vars_of(a), "yaw_deg": 0, "pitch_deg": 0} for a in episode.actions]
        for episode in (ours, theirs)
    ]
    return buttons[0] == buttons[1] and np.allclose(*turns, atol=1e-4)


def vars_of(action) -> dict:
    return {name: getattr(action, name) for name in action.__slots__}


def test_lerobot_comes_back_as_it_was_recorded(lerobot, originals, tmp_path):
    back = take_in(lerobot, tmp_path / "back", "lerobot")
    assert len(back) == len(originals)
    for ours, theirs in zip(originals, back, strict=True):
        assert same_actions(ours, theirs)
        assert_same_frames(ours, theirs)
        assert [t.reward for t in theirs.ticks] == [t.reward for t in ours.ticks]
        assert theirs.info.world == ours.info.world
        assert theirs.info.intrinsics == ours.info.intrinsics
        for a, b in zip(ours.poses, theirs.poses, strict=True):
            assert b.yaw_deg == pytest.approx(a.yaw_deg, abs=1e-4)
            assert b.z == pytest.approx(a.z, abs=1e-5)


def test_vpt_lines_become_the_actions_they_were_made_from(vpt, originals, tmp_path):
    back = take_in(vpt, tmp_path / "back", "vpt")
    for ours, theirs in zip(originals, back, strict=True):
        assert same_actions(ours, theirs)
        assert_same_frames(ours, theirs)
        assert theirs.info.world.kind == "vpt"
        assert theirs.info.intrinsics.fov_y_deg == 70.0
        first, last = ours.poses[0], ours.poses[-1]
        turned = (last.yaw_deg - first.yaw_deg + 180) % 360 - 180
        assert theirs.poses[-1].yaw_deg == pytest.approx(turned, abs=1e-4)


def test_minecrafts_poses_become_ours(vpt, tmp_path):
    place = {"xpos": 1.0, "ypos": 64.0, "zpos": 3.0, "yaw": -90.0, "pitch": 20.0}
    edit_lines(vpt / "player-0.jsonl", **place)
    pose = take_in(vpt, tmp_path / "back", "vpt")[0].poses[0]
    assert (pose.x, pose.y, pose.z) == (1.0, 64.0 + 1.62, 3.0)
    assert (pose.yaw_deg, pose.pitch_deg) == (90.0, 20.0)  # east, which is +x


def test_nothing_is_done_while_a_menu_is_open(vpt, tmp_path):
    edit_lines(vpt / "player-0.jsonl", isGuiOpen=True)
    actions = take_in(vpt, tmp_path / "back", "vpt")[0].actions
    assert not any(a.forward or a.yaw_deg for a in actions)


def test_a_stuck_attack_is_let_go_until_it_is_pressed(vpt, tmp_path):
    def mouse(n, record):
        return {**record["mouse"], "buttons": [0], "newButtons": [0] if n in (0, 5) else []}

    edit_lines(vpt / "player-0.jsonl", mouse=mouse)
    actions = take_in(vpt, tmp_path / "back", "vpt")[0].actions
    assert [a.attack for a in actions] == [False] * 5 + [True] * (TICKS - 5)


def test_a_vpt_recording_is_cut_to_what_lines_and_video_share(vpt, tmp_path):
    lines = (vpt / "player-1.jsonl").read_bytes().splitlines(keepends=True)
    (vpt / "player-1.jsonl").write_bytes(b"".join(lines[:7]))
    back = take_in(vpt, tmp_path / "back", "vpt")
    assert [len(episode) for episode in back] == [12, 7, 12]
    assert len(back[1].actions) == 6


def test_frames_are_scaled_when_asked(vpt, tmp_path):
    back = take_in(vpt, tmp_path / "back", "vpt", size=(32, 20), fov_y_deg=50.0)
    assert next(back[0].frames()).shape == (20, 32, 3)
    size = back[0].info.intrinsics
    assert (size.width, size.height, size.fov_y_deg) == (32, 20, 50.0)


def test_an_interrupted_import_goes_on(vpt, tmp_path):
    whole = (vpt / "player-2.jsonl").read_bytes()
    (vpt / "player-2.jsonl").write_text("{}\n")
    out = tmp_path / "back"
    with pytest.raises(EpisodeError, match=r"line 1 of .*player-2"):
        take_in(vpt, out, "vpt")
    assert list(finished_episodes(out)) == [0, 1]
    assert len((out / "metadata.jsonl").read_text().splitlines()) == 2
    (vpt / "player-2.jsonl").write_bytes(whole)
    with pytest.raises(OutputError, match="new or empty"):
        take_in(vpt, out, "vpt")
    assert len(take_in(vpt, out, "vpt", resume=True)) == 3
    assert sorted(p.name for p in out.iterdir() if p.is_file()) == [
        "dataset.json",
        "metadata.jsonl",
    ]


def test_folders_of_another_kind_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(EpisodeError, match=r"NAME\.mp4 beside NAME\.jsonl"):
        take_in(tmp_path / "empty", tmp_path / "out", "vpt")
    pytest.importorskip("pyarrow")
    with pytest.raises(EpisodeError, match=r"info\.json"):
        take_in(tmp_path / "empty", tmp_path / "out", "lerobot")
    assert not (tmp_path / "out").exists()


def edit_info(folder: Path, change) -> None:
    path = folder / "meta" / "info.json"
    info = json.loads(path.read_text())
    change(info)
    path.write_text(json.dumps(info))


def test_a_robot_is_not_taken_for_a_player(lerobot, tmp_path):
    edit_info(lerobot, lambda info: info["features"]["action"].update(names=["shoulder", "elbow"]))
    with pytest.raises(ActionError, match=r"forward.*elbow"):
        take_in(lerobot, tmp_path / "out", "lerobot")


def test_another_version_or_rate_is_refused(lerobot, tmp_path):
    for change in ({"fps": 30}, {"codebase_version": "v2.1"}):
        edit_info(lerobot, lambda info, change=change: info.update(change))
        with pytest.raises(EpisodeError, match="LeRobot's own tools"):
            take_in(lerobot, tmp_path / "out", "lerobot")


def test_damaged_lerobot_files_are_named(lerobot, tmp_path):
    (video,) = lerobot.glob("videos/*/*/*.mp4")
    video.write_bytes(b"nothing")
    with pytest.raises(EpisodeError, match=r"a video in .*file-000\.mp4"):
        take_in(lerobot, tmp_path / "out", "lerobot")
    assert not finished_episodes(tmp_path / "out")
    (data,) = lerobot.glob("data/*/*.parquet")
    data.write_bytes(b"nothing")
    with pytest.raises(EpisodeError, match=r"a parquet file in .*file-000\.parquet"):
        take_in(lerobot, tmp_path / "out", "lerobot", resume=True)


def test_import_configs_refuse_bad_values(tmp_path):
    for options in ({"size": (0, 5)}, {"fov_y_deg": 300.0}):
        with pytest.raises(ConfigError):
            ImportConfig(folder=tmp_path, format="vpt", out=tmp_path, **options)
