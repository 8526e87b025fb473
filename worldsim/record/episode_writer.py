"""Writes the files of one episode, in the caller's thread. `Recorder` runs it on another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from worldsim.record.depth import DepthWriter
from worldsim.record.format import (
    DEPTH_NAME,
    INFO_NAME,
    TICKS_NAME,
    VIDEO_NAME,
    EpisodeInfo,
    Tick,
    encode_info,
    encode_tick,
    frame_hash,
)
from worldsim.record.output import claim_folder, replace_file, unwritable
from worldsim.record.video import PixelFormat, VideoWriter
from worldsim.types import Action, Observation, StepResult


class EpisodeWriter:
    """Appends frames to a new episode folder. Every call can raise OutputError.

    A line describes a frame and the action taken at it, so it is written one call later than
    the frame.
    """

    def __init__(self, folder: Path, info: EpisodeInfo, pixel_format: PixelFormat) -> None:
        claim_folder(folder)
        self.folder = folder
        size = info.intrinsics
        self._video = VideoWriter(
            folder / VIDEO_NAME, width=size.width, height=size.height, pixel_format=pixel_format
        )
        self._info = replace(
            info, codec=self._video.codec, pixel_format=self._video.pixel_format, frames=None
        )
        replace_file(folder / INFO_NAME, encode_info(self._info))
        self._depth = DepthWriter(folder / DEPTH_NAME) if info.depth else None
        self._lines = _open_lines(folder / TICKS_NAME)
        self._previous = Action()
        self._pending: Tick | None = None
        self.frames = 0

    def append(self, action: Action | None, result: StepResult) -> None:
        """Add the frame that `action` led to; None at frame 0."""
        if self._pending is not None and action is not None:
            self._write_line(replace(self._pending, action=action))
            self._previous = action
        self._write_frame(result.observation)
        self._pending = Tick(
            tick=self.frames,
            pose=result.observation.pose,
            frame_hash=frame_hash(result.observation.rgb),
            reward=result.reward,
            terminated=result.terminated,
        )
        self.frames += 1

    def close(self, *, complete: bool) -> None:
        """Finish every file; `complete` decides what `episode.json` says."""
        if self._pending is not None:
            self._write_line(self._pending)
        self._lines.close()
        if self._depth is not None:
            self._depth.close()
        self._video.close()
        if complete:
            done = replace(self._info, frames=self.frames)
            replace_file(self.folder / INFO_NAME, encode_info(done))

    def _write_frame(self, seen: Observation) -> None:
        self._video.append(seen.rgb)
        if self._depth is not None:
            self._depth.append(seen.depth)

    def _write_line(self, tick: Tick) -> None:
        try:
            self._lines.write(encode_tick(tick, self._previous))
        except OSError as error:
            raise unwritable(self.folder / TICKS_NAME, error) from error


def _open_lines(path: Path) -> BinaryIO:
    """Unbuffered: a line is with the system, safe from a kill, when `write` returns."""
    try:
        return path.open("xb", buffering=0)
    except OSError as error:
        raise unwritable(path, error) from error
