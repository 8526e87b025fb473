"""A recording to train on: its checks, and the lines between any two of its frames.

Two kinds are read, ours (`worldsim.record.episode`) and pairs NAME.mp4 and NAME.jsonl as VPT's. In
both, line t belongs to frame t: it may hold that frame's pose, and holds the action taken at it,
which leads to frame t+1.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worldsim.camera import Intrinsics
from worldsim.envs.blocks.blocks import Block
from worldsim.envs.blocks.physics import Body, advance_body
from worldsim.errors import EpisodeError, WorldsimError
from worldsim.record.depth import CHUNK_FRAMES, count_depth
from worldsim.record.episode import Episode
from worldsim.record.format import DEPTH_NAME, TICKS_NAME, VIDEO_NAME, decode_tick
from worldsim.record.video import VideoInfo, inspect_video
from worldsim.record.vpt import from_vpt, pose_from_vpt
from worldsim.types import TICK_HZ, Action, Pose

MIN_FRAMES = 33  # in a row, to cut clips with their past from
MAX_MOVE_M = 4.0  # a tick; more is another place, not a move
RATE_TOLERANCE = 0.01
CUT_SHORT = "their recorders were killed; they are used up to the last frame that every file has"
NO_DEPTH = "no depth; theirs is a simple stage (level ground, a backdrop, sky)"
NO_POSES = "no poses; theirs are reckoned from the actions, as if on level ground"


@dataclass(frozen=True, slots=True)
class Line:
    """What one line says."""

    pose: Pose | None  # at its frame
    action: Action | None  # taken at it; None at an episode's end
    in_menu: bool = False  # the frame shows a menu, and the mouse moves a cursor
    tick: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """A recording that passed the checks. It holds no frame, and of its lines only places."""

    lines: Path
    video: Path
    depth: Path | None  # folder of depth maps; a VPT recording has none
    intrinsics: Intrinsics
    offsets: NDArray[np.int64]  # [L+1] where the lines begin, in bytes, and where the last one ends
    stretches: tuple[range, ...]  # frames in a row that can be used, MIN_FRAMES or more
    reckoned: NDArray[np.float32] | None = None  # [L, 5] poses, where the lines have none
    notes: tuple[str, ...] = ()  # what is to be told about it

    def between(self, start: int, stop: int) -> list[Line]:
        """The lines of the frames `start <= n < stop`. Raises EpisodeError for a damaged one."""
        with self.lines.open("rb") as file:
            file.seek(int(self.offsets[start]))
            data = file.read(int(self.offsets[stop] - self.offsets[start]))
        decode = decode_own if self.depth is not None else decode_vpt
        rows = data.rstrip(b"\n").split(b"\n")
        return [decode(row, start + n, self.lines) for n, row in enumerate(rows)]

    def poses(self, start: int, lines: Sequence[Line]) -> tuple[Pose, ...]:
        """Where the eye is at the frames of consecutive lines, the first of them `start`."""
        if self.reckoned is not None:
            rows = self.reckoned[start : start + len(lines)].tolist()
            return tuple(Pose(*row) for row in rows)
        return tuple(line.pose for line in lines if line.pose is not None)


def open_episode(folder: Path) -> Recording:
    """One of our episodes. EpisodeError or ActionError, naming file and line, if unusable."""
    episode, path = Episode.open(folder), folder / TICKS_NAME
    lines = [Line(tick.pose, tick.action) for tick in episode.ticks]
    if not episode.info.depth:
        raise EpisodeError(
            f"depth in {folder}", "an episode without", "Record it again with --depth."
        )
    _require_depth(folder / DEPTH_NAME, len(lines))
    video = folder / VIDEO_NAME
    info = inspect_video(video)
    _require_size(info, episode.info.intrinsics, video)
    _require_frames(info, video, len(lines))
    return Recording(
        path,
        video,
        folder / DEPTH_NAME,
        episode.info.intrinsics,
        _offsets(path.read_bytes())[: len(lines) + 1],
        _stretches(lines, path),
        notes=() if episode.info.complete else (CUT_SHORT,),
    )


def open_vpt(path: Path, fov_y_deg: float) -> Recording:
    """A pair NAME.mp4 and NAME.jsonl. EpisodeError, naming file and line, if unusable."""
    data, video = path.read_bytes(), path.with_suffix(".mp4")
    rows = data.removesuffix(b"\n").split(b"\n") if data else []
    lines = [decode_vpt(row, number, path) for number, row in enumerate(rows)]
    _require_ticks_in_order(lines, path)
    info = inspect_video(video)
    _require_frames(info, video, len(lines))
    if len(info.times_s) > len(lines) + 1:
        raise EpisodeError(
            f"a line for each of the {len(info.times_s)} frames of {video}",
            f"{len(lines)} lines in {path}",
            "The end of the file is missing; copy it again.",
        )
    stretches = _stretches(lines, path)
    reckoned = reckon(lines) if lines[0].pose is None else None
    return Recording(
        path,
        video,
        None,
        Intrinsics(width=info.width, height=info.height, fov_y_deg=fov_y_deg),
        _offsets(data if data.endswith(b"\n") else data + b"\n"),
        stretches,
        reckoned,
        (NO_DEPTH,) if reckoned is None else (NO_DEPTH, NO_POSES),
    )


def decode_own(row: bytes, number: int, path: Path) -> Line:
    """Line `number`, from 0, of our format."""
    tick = decode_tick(row, number, path)
    return Line(tick.pose, tick.action)


def decode_vpt(row: bytes, number: int, path: Path) -> Line:
    """Line `number`, from 0, of a VPT recording. Raises EpisodeError naming it if damaged."""
    try:
        record = json.loads(row)
        tick = record.get("tick")
        return Line(
            pose_from_vpt(record),
            from_vpt(record),
            bool(record.get("isGuiOpen")),
            None if tick is None else int(tick),
        )
    except (ValueError, KeyError, TypeError, AttributeError, WorldsimError) as error:
        raise EpisodeError(
            f"mouse, keyboard and a whole pose or none on line {number + 1} of {path}",
            f"{type(error).__name__}: {error}",
            "The file is damaged or cut off; copy it again.",
        ) from error


def reckon(lines: Sequence[Line]) -> NDArray[np.float32]:  # [L, 5] as the fields of Pose
    """Where actions lead on level ground without walls, from the origin and a level view.

    What is done in menus moves nobody.
    """
    body = Body(0.0, 0.0, 0.0)
    poses = []
    for line in lines:
        poses.append(astuple(body.eye))
        action = Action() if line.action is None or line.in_menu else line.action
        body = advance_body(body, action, _level_ground)
    return np.array(poses, dtype=np.float32)


def _level_ground(x: int, y: int, z: int) -> int:  # noqa: ARG001 - a world is asked by place
    return int(Block.STONE if y < 0 else Block.AIR)


def _offsets(data: bytes) -> NDArray[np.int64]:  # [L+1]
    """Where each whole line begins, and where the last one ends."""
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n")) + 1
    return np.concatenate(([0], ends)).astype(np.int64)


def _require_ticks_in_order(lines: Sequence[Line], path: Path) -> None:
    """Raise EpisodeError at the first line whose tick does not follow the one before."""
    for number, (before, line) in enumerate(pairwise(lines), start=2):
        if before.tick is None or line.tick is None:
            continue
        if line.tick != before.tick + 1:
            raise EpisodeError(
                f"tick {before.tick + 1} on line {number} of {path}",
                f"tick {line.tick}: a gap",
                "Split the recording there.",
            )


def _require_size(info: VideoInfo, camera: Intrinsics, path: Path) -> None:
    """Raise EpisodeError unless the video is of its camera's size."""
    if (info.width, info.height) != (camera.width, camera.height):
        raise EpisodeError(
            f"frames of {camera.width}x{camera.height} in {path}, as its episode says",
            f"{info.width}x{info.height}",
            "Put back the video that was recorded.",
        )


def _require_frames(info: VideoInfo, path: Path, count: int) -> None:
    """Raise EpisodeError unless the video has `count` whole frames, one a tick."""
    if len(info.times_s) < count:
        raise EpisodeError(
            f"{count} whole frames in {path}, one more than actions",
            f"{len(info.times_s)}",
            "The video is damaged or cut off; record or copy it again.",
        )
    steps = np.diff(info.times_s[:count]) * TICK_HZ
    if len(steps) and abs(np.median(steps) - 1.0) > RATE_TOLERANCE:
        raise EpisodeError(
            f"{TICK_HZ} frames a second in {path}",
            f"{TICK_HZ / max(float(np.median(steps)), 1e-6):.3g}",
            "Record at that rate: actions belong to frames.",
        )
    if len(steps) and np.abs(steps - 1.0).max() > 0.5:
        gap = int(np.abs(steps - 1.0).argmax())
        raise EpisodeError(
            f"frames of {path} at an even pace",
            f"{steps[gap]:.3g} ticks between the frames {gap} and {gap + 1}",
            "Frames were dropped; record it again.",
        )


def _require_depth(folder: Path, count: int) -> None:
    """Raise EpisodeError unless there are `count` depth maps, by their files' names."""
    names = [folder / f"{first:08d}.npz" for first in range(0, count, CHUNK_FRAMES)]
    missing = next((name for name in names if not name.is_file()), None)
    found = count_depth(folder) if missing is None else 0
    if missing is not None or found < count:
        raise EpisodeError(
            f"{count} depth maps in {folder}",
            f"{found}" if missing is None else f"no {missing.name}",
            "Files are missing; record it again with --depth.",
        )


def _stretches(lines: Sequence[Line], path: Path) -> tuple[range, ...]:
    """The runs of frames outside menus that are long enough; EpisodeError if there is none."""
    usable = np.array([not line.in_menu for line in lines], dtype=np.int8)
    edges = np.flatnonzero(np.diff(usable, prepend=0, append=0))
    runs = [range(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    for run in runs:
        _require_line_by_line(lines, run, path)
    long = tuple(run for run in runs if len(run) >= MIN_FRAMES)
    if not long:
        raise EpisodeError(
            f"at least {MIN_FRAMES} frames in a row of {path} outside menus",
            f"{max(map(len, runs), default=0)}",
            "Record longer.",
        )
    return long


def _require_line_by_line(lines: Sequence[Line], run: range, path: Path) -> None:
    """Raise EpisodeError at the first line without an action, or a finite pose near the last."""
    posed = lines[0].pose is not None
    for n in run:
        line, before = lines[n], lines[max(n - 1, run.start)]
        ends = n == run.stop - 1
        problem = _pose_problem(line.pose, before.pose) if posed else None
        if not posed and line.pose is not None:
            problem = ("no pose, as on line 1", "one")
        elif line.action is None and not ends:
            problem = ("an action", "none")
        if problem is not None:
            expected, got = problem
            raise EpisodeError(f"{expected} on line {n + 1} of {path}", got, "Correct or cut it.")


def _pose_problem(pose: Pose | None, before: Pose | None) -> tuple[str, str] | None:
    """What was expected of a pose and what came, if it is not fit to train on."""
    if pose is None or before is None:
        return "a pose", "none"
    fields = astuple(pose)
    if not all(isinstance(value, (int, float)) and math.isfinite(value) for value in fields):
        return "a pose of finite numbers", f"{fields}"
    moved_m = float(np.linalg.norm(pose.position() - before.position()))
    if moved_m > MAX_MOVE_M:
        return f"a move of at most {MAX_MOVE_M:g} m", f"{moved_m:.1f} m: another place"
    return None
