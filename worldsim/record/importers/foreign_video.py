"""Frames out of videos that others have written: any codec, any start, scaled on the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from numpy.typing import NDArray

from worldsim.errors import EpisodeError
from worldsim.types import TICK_S


@dataclass(frozen=True, slots=True)
class VideoPart:
    """`count` consecutive frames of a video, the first one at `start_s`."""

    path: Path
    start_s: float
    count: int

    def frames(
        self,
        size: tuple[int, int],  # width, height
    ) -> Iterator[NDArray[np.uint8]]:  # [H, W, 3] each
        """The frames, as many as there are; EpisodeError if the video cannot be decoded."""
        width, height = size
        with _opened(self.path) as container:
            try:
                for frame in islice(_from(container, self.start_s), self.count):
                    scaled = frame.reformat(
                        width=width, height=height, format="rgb24", interpolation="AREA"
                    )
                    yield scaled.to_ndarray().astype(np.uint8, copy=False)
            except (FFmpegError, EOFError) as error:
                raise _unreadable(self.path, str(error)) from error


def probe_size(part: VideoPart) -> tuple[int, int]:
    """Width and height of a video."""
    with _opened(part.path) as container:
        context = container.streams.video[0].codec_context
        return context.width, context.height


def _from(container: InputContainer, start_s: float) -> Iterator[av.VideoFrame]:
    """Frames from a time on: seeking lands on a keyframe before it."""
    stream = container.streams.video[0]
    if start_s > 0 and stream.time_base is not None:
        container.seek(int(start_s / stream.time_base), stream=stream)
    for frame in container.decode(stream):
        if start_s <= 0 or (frame.time or 0.0) > start_s - TICK_S / 2:
            yield frame


def _opened(path: Path) -> InputContainer:
    try:
        container = av.open(str(path))
    except (FFmpegError, EOFError) as error:
        raise _unreadable(path, str(error)) from error
    if not container.streams.video:
        container.close()
        raise _unreadable(path, "a file without video")
    return container


def _unreadable(path: Path, got: str) -> EpisodeError:
    return EpisodeError(f"a video in {path}", got, "The file is damaged; leave the episode out.")
