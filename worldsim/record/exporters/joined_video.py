"""Videos one after another in one mp4 file, packet by packet: no frame is coded again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError

from worldsim.errors import EpisodeError
from worldsim.record.episode import Episode
from worldsim.record.format import VIDEO_NAME
from worldsim.types import TICK_HZ


@dataclass(frozen=True, slots=True)
class Coding:
    """What must be equal for packets of two videos to share a file."""

    codec: str
    width: int
    height: int
    pixel_format: str | None
    header: bytes | None


def video_coding(episode: Episode) -> Coding:
    """How the frames of an episode are coded."""
    with _opened(episode) as container:
        return _coding(container)


class JoinedVideo:
    """A new mp4 file of episodes coded alike; frame n of the file is at n/20 s.

    Raises OSError if the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.frames = 0
        self.bytes = 0
        self.coding: Coding | None = None
        self._container = av.open(str(path), "w", format="mp4", options={"movflags": "faststart"})
        self._stream: av.VideoStream | None = None

    def append(self, episode: Episode) -> None:
        """Add all frames of an episode. EpisodeError if its video has fewer."""
        with _opened(episode) as source:
            if self._stream is None:
                self.coding = _coding(source)
                self._stream = self._container.add_stream_from_template(source.streams.video[0])
            assert self.coding == _coding(source)
            before = self.frames
            for packet in islice(_packets(source, episode), len(episode)):
                self._write(packet, self._stream)
        if self.frames - before < len(episode):
            raise _damaged(episode, f"{self.frames - before}")

    def close(self) -> None:
        self._container.close()

    def _write(self, packet: av.Packet, stream: av.VideoStream) -> None:
        packet.time_base = Fraction(1, TICK_HZ)
        packet.pts = packet.dts = self.frames
        packet.duration = 1
        packet.stream = stream
        self.bytes += packet.size
        self._container.mux_one(packet)
        self.frames += 1


def write_video(episode: Episode, path: Path) -> None:
    """The frames of one episode as an ordinary mp4 file."""
    video = JoinedVideo(path)
    try:
        video.append(episode)
    finally:
        video.close()


def _opened(episode: Episode) -> InputContainer:
    try:
        container = av.open(str(episode.folder / VIDEO_NAME))
    except (FFmpegError, EOFError) as error:
        raise _damaged(episode, str(error)) from error
    if not container.streams.video:
        container.close()
        raise _damaged(episode, "no video stream")
    return container


def _packets(source: InputContainer, episode: Episode) -> Iterator[av.Packet]:
    try:
        for packet in source.demux(source.streams.video[0]):
            if packet.size:
                yield packet
    except (FFmpegError, EOFError) as error:
        raise _damaged(episode, str(error)) from error


def _coding(container: InputContainer) -> Coding:
    context = container.streams.video[0].codec_context
    header = context.extradata
    return Coding(
        context.name,
        context.width,
        context.height,
        context.pix_fmt,
        None if header is None else bytes(header),
    )


def _damaged(episode: Episode, got: str) -> EpisodeError:
    return EpisodeError(
        f"{len(episode)} frames in {episode.folder / VIDEO_NAME}",
        got,
        "The file is damaged; record the episode again.",
    )
