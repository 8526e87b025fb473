"""Frames to and from `video.mp4`, one packet a frame, in a file that survives a kill.

The mp4 is fragmented: a fragment is complete on disk as soon as the next one starts, and one
starts at least every `GOP_FRAMES` frames. There are no frames that depend on later ones, so
packet n is frame n.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Literal, get_args

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from numpy.typing import NDArray

from worldsim.errors import ConfigError, EpisodeError, OutputError
from worldsim.types import TICK_HZ

logger = logging.getLogger(__name__)

PixelFormat = Literal["yuv444p", "yuv420p"]
PIXEL_FORMATS: tuple[str, ...] = get_args(PixelFormat)

GOP_FRAMES = 10
_CONTAINER = {
    "movflags": "frag_keyframe+empty_moov+default_base_moof",
    "flush_packets": "1",
}
# yuv444p is coded without loss: what remains is the rounding of RGB to YUV, 2 levels at most.
# In yuv420p the error of halved chroma (~36 dB on blocks) dominates whatever is spent.
_X264_CRF = {"yuv444p": "0", "yuv420p": "16"}
_MPEG4_QSCALE = "2"


@cache
def choose_codec() -> str:
    """The encoder of this installation: `libx264`, else `mpeg4` (which has yuv420p only)."""
    if "libx264" in av.codecs_available:
        return "libx264"
    logger.warning("this build of PyAV has no libx264; recording with mpeg4 in yuv420p")
    return "mpeg4"


class VideoWriter:
    """Appends frames to a new mp4 file.

    Raises OutputError if the file cannot be written and ConfigError if the size is odd and the
    pixel format halves the chroma.
    """

    def __init__(
        self, path: Path, *, width: int, height: int, pixel_format: PixelFormat = "yuv444p"
    ) -> None:
        self.codec = choose_codec()
        self.pixel_format = pixel_format if self.codec == "libx264" else "yuv420p"
        if self.pixel_format == "yuv420p" and (width % 2 or height % 2):
            raise ConfigError(
                "an even width and height for yuv420p", f"{width}x{height}", "Use yuv444p."
            )
        self._path, self._count = path, 0
        try:
            self._container = av.open(str(path), "w", format="mp4", options=dict(_CONTAINER))
            stream = self._container.add_stream(self.codec, rate=TICK_HZ)
        except FFmpegError as error:
            raise _unwritable(path, error) from error
        assert isinstance(stream, av.VideoStream)
        self._stream = stream
        self._configure(width, height)

    def _configure(self, width: int, height: int) -> None:
        context = self._stream.codec_context
        context.width, context.height, context.pix_fmt = width, height, self.pixel_format
        context.time_base = Fraction(1, TICK_HZ)
        context.gop_size = GOP_FRAMES
        context.max_b_frames = 0
        if self.codec == "libx264":
            crf = _X264_CRF[self.pixel_format]
            context.options = {"crf": crf, "preset": "veryfast", "tune": "zerolatency"}
        else:
            context.options = {"qscale": _MPEG4_QSCALE}

    def append(
        self,
        rgb: NDArray[np.uint8],  # [H, W, 3]
    ) -> None:
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
        frame.pts, frame.time_base = self._count, Fraction(1, TICK_HZ)
        self._write(frame)
        self._count += 1

    def close(self) -> None:
        self._write(None)
        try:
            self._container.close()
        except FFmpegError as error:
            raise _unwritable(self._path, error) from error

    def _write(self, frame: av.VideoFrame | None) -> None:
        try:
            self._container.mux(self._stream.encode(frame))
        except FFmpegError as error:
            raise _unwritable(self._path, error) from error


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a video says about itself without being decoded."""

    width: int
    height: int
    times_s: NDArray[np.float64]  # [T] when each whole frame is shown, in order


def inspect_video(path: Path) -> VideoInfo:
    """Size and frame times of a video. Raises EpisodeError if there is none to read."""
    with _Reader(path) as reader:
        if reader.stream is None or reader.stream.time_base is None:
            raise EpisodeError(
                f"a video in {path}", "nothing that can be read", "Make or copy the file again."
            )
        size, base = (reader.stream.width, reader.stream.height), reader.stream.time_base
        packets = itertools.takewhile(lambda packet: not packet.is_corrupt, reader.packets())
        times = sorted(float(packet.pts * base) for packet in packets if packet.pts is not None)
    return VideoInfo(*size, np.array(times))


def count_frames(path: Path) -> int:
    """Whole frames in a video, also in one whose writer was killed. Nothing is decoded."""
    count = 0
    with _Reader(path) as reader:
        for packet in reader.packets():
            if packet.is_corrupt:
                break
            count += 1
    return count


def read_frames(
    path: Path,
    start: int = 0,
    stop: int | None = None,
) -> Iterator[NDArray[np.uint8]]:  # [H, W, 3] each
    """The frames `start <= n < stop`, found by seeking to the keyframe before `start`.

    Raises EpisodeError if the video has fewer than `stop` frames, or one before it cannot be
    decoded.
    """
    end = start
    with _Reader(path) as reader:
        for index, frame in reader.decoded(start):
            if index > end or (stop is not None and index >= stop):
                break
            if index == end:
                yield frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
                end = index + 1
    if stop is not None and end < stop:
        raise EpisodeError(
            f"{stop} frames in {path}", f"{end}", "The file is damaged; record it again."
        )


class _Reader:
    """An open video, or an empty one if the file holds no stream yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stream: av.VideoStream | None = None
        self._container: InputContainer | None = None
        try:
            self._container = av.open(str(path), "r")
        except FileNotFoundError as error:
            raise EpisodeError(
                f"a video at {path}", "no such file", "Check the episode's folder."
            ) from error
        except (FFmpegError, EOFError):
            return
        streams = self._container.streams.video
        self.stream = streams[0] if streams else None

    def __enter__(self) -> _Reader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._container is not None:
            self._container.close()

    def packets(self) -> Iterator[av.Packet]:
        """Packets up to the end, or up to where the writer was killed."""
        if self._container is None or self.stream is None:
            return
        try:
            for packet in self._container.demux(self.stream):
                if packet.size:
                    yield packet
        except (FFmpegError, EOFError):
            return

    def decoded(self, start: int) -> Iterator[tuple[int, av.VideoFrame]]:
        """Frames with their numbers, from the last keyframe before `start`; none after damage."""
        if self._container is None or self.stream is None or self.stream.time_base is None:
            return
        base, first_pts = self.stream.time_base, self.stream.start_time or 0
        if start:
            self._container.seek(first_pts + int(start / TICK_HZ / base), stream=self.stream)
        try:
            for frame in self._container.decode(self.stream):
                if frame.is_corrupt:  # a decoder goes on, with pictures of its own invention
                    return
                yield round(((frame.pts or first_pts) - first_pts) * base * TICK_HZ), frame
        except (FFmpegError, EOFError):
            return


def _unwritable(path: Path, error: FFmpegError) -> OutputError:
    return OutputError(
        f"to write {path}",
        str(error.strerror or error),
        "Choose a folder that you may write to, on a disk with free space.",
    )
