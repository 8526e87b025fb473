"""The episode format, version 1, and its reader.

An episode is a folder:

    episode.json    what was recorded: world, start, camera, schema, versions, counts
    actions.jsonl   one line a frame; line t holds frame t's pose, reward and hash, and the action
                    taken at it
    video.mp4       the frames, 20 a second
    depth/          optional depth maps (see `worldsim.record.depth`)

T actions make T+1 frames and T+1 lines: `actions[t]` is applied at frame t and yields frame
t+1. Frame 0 is the view after reset; the last line's action is null. `frame_hash` is taken of
the frame before video compression.

The folder has its final name from the start. `episode.json` says `"complete": false` until the
recorder closes it; an episode left incomplete by a kill opens all the same, cut to the frames
that every file has. At most the last second is lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worldsim.errors import EpisodeError
from worldsim.record.depth import count_depth, read_depth
from worldsim.record.format import (
    DEPTH_NAME,
    TICKS_NAME,
    VIDEO_NAME,
    EpisodeInfo,
    Tick,
    decode_tick,
    read_info,
)
from worldsim.record.video import count_frames, read_frames
from worldsim.types import Action, Clip, Observation, Pose


@dataclass(frozen=True)
class Episode:
    """An episode on disk. Frames are read from the video when asked for.

    `len(episode)` counts frames; there is one action less.
    """

    folder: Path
    info: EpisodeInfo
    ticks: tuple[Tick, ...]

    @classmethod
    def open(cls, folder: str | Path) -> Episode:
        """Open a complete episode, or what a killed recorder left of one.

        Raises EpisodeError if the folder is no episode, or a complete one lacks lines; and
        ActionError if it was recorded with another action schema.
        """
        folder = Path(folder)
        info = read_info(folder)
        ticks = _read_ticks(folder / TICKS_NAME)
        if info.frames is not None:
            if len(ticks) != info.frames:
                raise EpisodeError(
                    f"{info.frames} whole lines in {folder / TICKS_NAME}",
                    f"{len(ticks)}",
                    "The file is damaged; record the episode again.",
                )
            return cls(folder, info, tuple(ticks))
        return cls(folder, info, tuple(_common_prefix(folder, info, ticks)))

    def __len__(self) -> int:
        return len(self.ticks)

    @property
    def actions(self) -> tuple[Action, ...]:
        return tuple(tick.action for tick in self.ticks[:-1] if tick.action is not None)

    @property
    def poses(self) -> tuple[Pose, ...]:
        return tuple(tick.pose for tick in self.ticks)

    def frames(
        self, start: int = 0, stop: int | None = None
    ) -> Iterator[NDArray[np.uint8]]:  # [H, W, 3] each
        """Decode the frames `start <= n < stop`, seeking first."""
        start, stop, _ = slice(start, stop).indices(len(self))
        if start < stop:
            yield from read_frames(self.folder / VIDEO_NAME, start, stop)

    def depth(
        self, start: int = 0, stop: int | None = None
    ) -> NDArray[np.float32]:  # [T, H, W] metres
        """Depth maps; EpisodeError if the episode was recorded without."""
        start, stop, _ = slice(start, stop).indices(len(self))
        if not self.info.depth:
            raise EpisodeError(
                f"depth in {self.folder}", "an episode without", "Record it with depth on."
            )
        return read_depth(self.folder / DEPTH_NAME, start, stop)

    def clip(self, start: int = 0, stop: int | None = None) -> Clip:
        """Consecutive observations with depth, and the actions between them."""
        start, stop, _ = slice(start, stop).indices(len(self))
        depth = self.depth(start, stop)
        observations = tuple(
            Observation(rgb, depth[n], self.ticks[start + n].pose)
            for n, rgb in enumerate(self.frames(start, stop))
        )
        return Clip(observations, self.actions[start : stop - 1])


def _read_ticks(path: Path) -> list[Tick]:
    """Whole lines in order; a last line without its newline was cut by a kill and is left out."""
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    return [decode_tick(line, number, path) for number, line in enumerate(lines)]


def _common_prefix(folder: Path, info: EpisodeInfo, ticks: list[Tick]) -> list[Tick]:
    """What lines, video and depth of a killed recording have in common; ends without action."""
    video = folder / VIDEO_NAME
    counts = [len(ticks), count_frames(video) if video.exists() else 0]
    if info.depth:
        counts.append(count_depth(folder / DEPTH_NAME))
    kept = ticks[: min(counts)]
    return [*kept[:-1], replace(kept[-1], action=None)] if kept else []
