"""Damaged recordings are named with file and line, and never trained on."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from recordings import (
    CAMERA,
    TICKS,
    assert_shows,
    edit_info,
    edit_line,
    find,
    read_lines,
    walk,
    whole,
    write_lines,
)

from worldsim.errors import ConfigError, EpisodeError
from worldsim.train.data import DataConfig, EpisodePool
from worldsim.train.recorded import RecordedWalks
from worldsim.train.recording import CUT_SHORT, MIN_FRAMES
from worldsim.types import Observation


@pytest.fixture
def damaged(recorded: tuple[Path, list[Observation]], tmp_path: Path) -> Path:
    """A copy of the episode, to be damaged."""
    return shutil.copytree(recorded[0], tmp_path / "data" / "episode_00000")


@pytest.fixture
def damaged_vpt(recorded_vpt: tuple[Path, list[Observation]], tmp_path: Path) -> Path:
    shutil.copytree(recorded_vpt[0].parent, tmp_path / "data")
    return tmp_path / "data" / "player-1.jsonl"


def other_schema(folder: Path) -> None:
    schema = json.loads((folder / "episode.json").read_text())["action_schema"]
    edit_info(folder, action_schema={**schema, "hash": "0123456789ab"})


def without_pose(folder: Path) -> None:
    edit_line(folder / "actions.jsonl", 5, lambda line: line.pop("pose"))


def with_wild_pose(folder: Path) -> None:
    edit_line(folder / "actions.jsonl", 5, lambda line: line["pose"].update(x=float("nan")))


def with_a_jump(folder: Path) -> None:
    edit_line(folder / "actions.jsonl", 5, lambda line: line["pose"].update(x=50.0))


def without_action(folder: Path) -> None:
    edit_line(folder / "actions.jsonl", 5, lambda line: line.update(action=None))


def with_a_gap(folder: Path) -> None:
    path = folder / "actions.jsonl"
    lines = read_lines(path)
    write_lines(path, [*lines[:5], *lines[6:]])


def truncated_lines(folder: Path) -> None:
    data = (folder / "actions.jsonl").read_bytes()
    (folder / "actions.jsonl").write_bytes(data[: len(data) // 2])


def truncated_video(folder: Path) -> None:
    data = (folder / "video.mp4").read_bytes()
    (folder / "video.mp4").write_bytes(data[: len(data) // 2])


def other_rate(path: Path, rate: int = 30) -> None:
    """Show the same frames at another pace."""
    frames = [o.rgb for o in walk()]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = CAMERA.width, CAMERA.height, "yuv420p"
        for rgb in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(stream.encode(None))


def without_depth(folder: Path) -> None:
    shutil.rmtree(folder / "depth")
    edit_info(folder, depth=False)


OWN_DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "another schema": (other_schema, r"hash 0123456789ab .*episode\.json"),
    "a missing pose": (without_pose, r"line 6 of .*actions\.jsonl.*pose"),
    "a pose that is no number": (with_wild_pose, r"finite numbers on line 6 of .*actions\.jsonl"),
    "a jump to another place": (with_a_jump, r"4 m on line 6 of .*actions\.jsonl.*another place"),
    "a missing action": (without_action, r"an action on line 6 of .*actions\.jsonl"),
    "a gap in the ticks": (with_a_gap, r"tick 5 on line 6 of .*actions\.jsonl; got tick 6"),
    "truncated lines": (truncated_lines, r"64 whole lines in .*actions\.jsonl"),
    "a truncated video": (truncated_video, r"64 whole frames in .*video\.mp4"),
    "no video": (lambda folder: (folder / "video.mp4").unlink(), r"video\.mp4; got no such file"),
    "another rate": (lambda folder: other_rate(folder / "video.mp4"), r"video\.mp4; got 30"),
    "another rate by word": (lambda folder: edit_info(folder, fps=30), r"episode\.json; got 30"),
    "no depth": (without_depth, r"without\. Record it again with --depth"),
    "a lost depth map": (
        lambda folder: (folder / "depth" / "00000010.npz").unlink(),
        r"depth maps in .*00000010\.npz",
    ),
    "a video of another size": (
        lambda folder: edit_info(folder, intrinsics={"width": 32, "height": 48}),
        r"32x48 in .*video\.mp4.*got 64x48",
    ),
    "no description": (lambda folder: (folder / "episode.json").unlink(), r"episode\.json"),
}


@pytest.mark.parametrize("kind", OWN_DAMAGE)
def test_a_damaged_episode_is_named_and_skipped_or_refused(
    kind: str,
    damaged: Path,
    recorded: tuple[Path, list[Observation]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    damage, message = OWN_DAMAGE[kind]
    damage(damaged)
    with pytest.raises(ConfigError, match=f"(?s){message}.*worldsim record"):
        find(damaged.parent)
    caplog.clear()
    (sound,) = find(damaged.parent, recorded[0])
    assert sound.lines.parent == recorded[0]
    (warning,) = caplog.records
    assert warning.levelno == logging.WARNING
    assert str(damaged) in warning.getMessage()
    assert "\n" not in warning.getMessage()
    with pytest.raises(ConfigError, match=f"(?s){message}"):
        find(damaged.parent, recorded[0], strict=True)


def cut_last_line(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - 40])


def lose_lines(path: Path) -> None:
    write_lines(path, read_lines(path)[:-3])


def lose_tick(path: Path) -> None:
    lines = read_lines(path)
    lines[30:] = [{**line, "tick": line["tick"] + 2} for line in lines[30:]]
    write_lines(path, lines)


def lose_frames(path: Path) -> None:
    video = path.with_suffix(".mp4")
    video.write_bytes(video.read_bytes()[:-9000])


VPT_DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a line that was cut off": (cut_last_line, r"line 64 of .*player-1\.jsonl.*JSONDecodeError"),
    "lines that are missing": (lose_lines, r"each of the 64 frames .*61 lines"),
    "a gap in the ticks": (lose_tick, r"tick 130 on line 31 of .*jsonl; got tick 132: a gap"),
    "a missing pose": (
        lambda path: edit_line(path, 9, lambda line: line.pop("xpos")),
        r"a pose on line 10 of .*player-1\.jsonl; got none",
    ),
    "half a pose": (
        lambda path: edit_line(path, 9, lambda line: line.pop("zpos")),
        r"line 10 of .*player-1\.jsonl.*zpos",
    ),
    "fewer frames than lines": (lose_frames, r"64 whole frames in .*player-1\.mp4"),
    "another rate": (lambda path: other_rate(path.with_suffix(".mp4"), 25), r"mp4; got 25"),
    "no video": (lambda path: path.with_suffix(".mp4").unlink(), r"mp4; got no such file"),
    "no lines": (lambda path: path.unlink(), r"player-1\.jsonl; got a video without"),
    "nothing in it": (lambda path: path.write_text(""), r"each of the 64 frames"),
    "no JSON objects": (lambda path: path.write_text("7\n" * 64), r"line 1 of .*jsonl"),
}


@pytest.mark.parametrize("kind", VPT_DAMAGE)
def test_a_damaged_vpt_recording_is_named(kind: str, damaged_vpt: Path) -> None:
    damage, message = VPT_DAMAGE[kind]
    damage(damaged_vpt)
    with pytest.raises(ConfigError, match=f"(?s){message}"):
        find(damaged_vpt.parent)


def test_folders_without_recordings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no recordings at all"):
        find(tmp_path)
    with pytest.raises(ConfigError, match="--recordings"):
        find(tmp_path / "nowhere")


def test_what_a_killed_recorder_left_is_used_and_told(
    damaged: Path, recorded: tuple[Path, list[Observation]], caplog: pytest.LogCaptureFixture
) -> None:
    edit_info(damaged, complete=False, frames=None)
    data = (damaged / "actions.jsonl").read_bytes()
    (damaged / "actions.jsonl").write_bytes(data[: len(data) * 3 // 4])
    (recording,) = find(damaged, strict=True)
    assert MIN_FRAMES < len(whole(recording)) < TICKS
    assert_shows(whole(recording), recorded[1][: len(whole(recording))])
    assert CUT_SHORT in caplog.text
    (damaged / "actions.jsonl").write_bytes(data[: len(data) // 2])
    with pytest.raises(ConfigError, match=f"at least {MIN_FRAMES} frames"):
        find(damaged)


def flip(path: Path) -> None:
    """Damage inside a video that leaves the tables of its packets in place."""
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packet = list(container.demux(video=0))[25]
    assert packet.pos is not None
    data[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
    path.write_bytes(data)


def test_damage_that_only_decoding_shows_is_skipped_with_a_warning(
    damaged: Path, recorded: tuple[Path, list[Observation]], caplog: pytest.LogCaptureFixture
) -> None:
    flip(damaged / "video.mp4")
    both, alone = find(damaged, recorded[0]), find(damaged)
    assert len(both) == 2
    config = DataConfig(ticks=63)
    streamed = islice(RecordedWalks(both).stream(config, CAMERA, 0, 1), 4)
    assert {episode.origin.file for episode in streamed} == {str(recorded[0] / "actions.jsonl")}
    assert "skipped" in caplog.text and str(damaged / "video.mp4") in caplog.text
    with pytest.raises(ConfigError, match="none that can be decoded"):
        next(RecordedWalks(alone).stream(config, CAMERA, 0, 1))
    with pytest.raises(EpisodeError, match=r"video\.mp4"):
        next(RecordedWalks(alone, strict=True).stream(config, CAMERA, 0, 1))


def test_a_depth_map_that_is_missing_inside_a_file_is_found_when_it_is_read(damaged: Path) -> None:
    (recording,) = find(damaged)
    chunk = damaged / "depth" / "00000010.npz"
    with np.load(chunk) as arrays:
        np.savez_compressed(chunk, depth=arrays["depth"][:-1])
    with pytest.raises(EpisodeError, match=r"64 depth maps of 64x48 from frame 0 on in .*depth"):
        whole(recording)


def test_a_pool_raises_what_stops_its_worker(damaged: Path) -> None:
    sound = find(damaged)
    flip(damaged / "video.mp4")
    pool = EpisodePool(DataConfig(ticks=63, first=1), CAMERA, 1, RecordedWalks(sound))
    try:
        with pytest.raises(ConfigError, match="none that can be decoded"):
            pool.refresh(wait=True)
    finally:
        pool.close()
