"""Recorded episodes as a source of training data: read window by window, again and again."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldsim.actions import to_vector
from worldsim.camera import Intrinsics
from worldsim.engine.picture_start import stage_depth
from worldsim.errors import ConfigError, EpisodeError
from worldsim.record.depth import read_depth
from worldsim.record.video import read_frames
from worldsim.train.data import HELD_OUT_TICKS, DataConfig, Episode, Origin, moves_between
from worldsim.train.framing import Framing
from worldsim.train.recording import MIN_FRAMES, Recording
from worldsim.types import Pose

HELD_OUT_SHARE = 8  # one frame of so many is kept from training

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Window:
    """The frames `start <= n < stop` of one recording."""

    recording: Recording
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class RecordedWalks:
    """Episodes cut from recordings; nothing of them is in memory but what was asked for."""

    recordings: tuple[Recording, ...]
    strict: bool = False

    def stream(
        self, config: DataConfig, intrinsics: Intrinsics, worker: int, workers: int
    ) -> Iterator[Episode]:
        """All windows in a shuffled order, then in another one, each time cut a little otherwise.

        A recording that turns out damaged when it is decoded is left out from then on, with a
        warning. Raises EpisodeError instead if the source is strict, and ConfigError when no
        recording is left.
        """
        rng = np.random.default_rng(config.seed)
        spans, _ = split(self.recordings)
        while spans:
            windows = shuffled_windows(spans, config.ticks + 1, rng)
            lost: set[Recording] = set()
            for window in windows[worker::workers] or windows:
                if window.recording not in lost:
                    yield from self._read(window, intrinsics, lost)
            spans = [span for span in spans if span.recording not in lost]
        raise ConfigError(
            "recordings to train on", "none that can be decoded", "See the warnings above."
        )

    def held_out(self, config: DataConfig, intrinsics: Intrinsics, count: int) -> list[Episode]:
        """Windows of the part that is kept from training, or of all if there is too little."""
        spans, kept = split(self.recordings)
        if not kept:
            logger.warning("too few recordings to hold some out; scores are of training data")
        rng = np.random.default_rng(0)
        windows = shuffled_windows(kept or spans, min(config.ticks, HELD_OUT_TICKS) + 1, rng)
        lost: set[Recording] = set()
        return [e for window in windows[:count] for e in self._read(window, intrinsics, lost)]

    def _read(
        self, window: Window, intrinsics: Intrinsics, lost: set[Recording]
    ) -> Iterator[Episode]:
        """The episode of a window; none if it is damaged, and then its recording is lost, too."""
        try:
            yield read_window(window, intrinsics)
        except EpisodeError as error:
            if self.strict:
                raise
            logger.warning("skipped %s from here on: %s", window.recording.video, error)
            lost.add(window.recording)


def read_window(window: Window, intrinsics: Intrinsics) -> Episode:
    """Its frames, as the model's camera would have seen them. EpisodeError if they are damaged."""
    recording, start, stop = window.recording, window.start, window.stop
    framing = Framing(recording.intrinsics, intrinsics)
    lines = recording.between(start, stop)
    actions = [line.action for line in lines[:-1] if line.action is not None]
    poses = recording.poses(start, lines)
    frames = read_frames(recording.video, start, stop)
    rgb = np.stack([framing.colours(frame) for frame in frames])
    return Episode(
        rgb,
        _depth(window, framing, rgb, poses).astype(np.float16),
        poses,
        np.stack([to_vector(action) for action in actions]),
        moves_between(poses),
        origin=Origin(file=str(recording.lines), first_frame=start),
    )


def _depth(
    window: Window,
    framing: Framing,
    rgb: NDArray[np.uint8],  # [T, H, W, 3]
    poses: Sequence[Pose],  # T
) -> NDArray[np.float32]:  # [T, H, W] metres
    """The recorded depth; for VPT, which has none, the simple stage of a started picture."""
    folder, recorded = window.recording.depth, framing.recorded
    if folder is not None:
        depth = read_depth(folder, window.start, window.stop)
        if depth.shape != (len(window), recorded.height, recorded.width):
            raise EpisodeError(
                f"{len(window)} depth maps of {recorded.width}x{recorded.height} from frame "
                f"{window.start} on in {folder}",
                f"an array {depth.shape}",
                "The files are damaged; record it again with --depth.",
            )
        return framing.depths(depth)
    staged = [
        stage_depth(frame, framing.wanted, pose.pitch_deg)
        for frame, pose in zip(rgb, poses, strict=True)
    ]
    return np.stack(staged)


def split(recordings: Sequence[Recording]) -> tuple[list[Window], list[Window]]:
    """Stretches for training, and at the end an eighth of all frames that is held out.

    Nothing is held out where an eighth is too short to cut clips from.
    """
    stretches = [Window(r, run.start, run.stop) for r in recordings for run in r.stretches]
    total = sum(map(len, stretches))
    share = total // HELD_OUT_SHARE
    if share < MIN_FRAMES:
        return stretches, []
    training, held_out, passed = [], [], 0
    for stretch in stretches:
        cut = stretch.start + min(max(total - share - passed, 0), len(stretch))
        training.append(Window(stretch.recording, stretch.start, cut))
        held_out.append(Window(stretch.recording, cut, stretch.stop))
        passed += len(stretch)
    return _long_enough(training), _long_enough(held_out)


def shuffled_windows(
    stretches: Sequence[Window], frames: int, rng: np.random.Generator
) -> list[Window]:
    """Windows of `frames` frames, or whole shorter stretches, cut from random places on."""
    windows = []
    for stretch in stretches:
        count = max(1, len(stretch) // frames)
        slack = max(0, len(stretch) - count * frames)
        first = stretch.start + int(rng.integers(slack + 1))
        starts = range(first, first + count * frames, frames)
        windows += [Window(stretch.recording, n, min(n + frames, stretch.stop)) for n in starts]
    return [windows[int(i)] for i in rng.permutation(len(windows))]


def _long_enough(windows: Sequence[Window]) -> list[Window]:
    return [window for window in windows if len(window) >= MIN_FRAMES]
