"""Records an episode on a thread of its own, so that recording does not cost the game a frame."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

from worldsim.camera import Intrinsics
from worldsim.errors import ConfigError, EpisodeError, OutputError
from worldsim.record.episode_writer import EpisodeWriter
from worldsim.record.format import EpisodeInfo, WorldInfo, software_versions
from worldsim.record.video import GOP_FRAMES, PIXEL_FORMATS, PixelFormat
from worldsim.types import TICK_HZ, Action, Observation, StepResult

_POLL_S = 0.05  # how often a caller waiting for the queue looks whether the writer still lives
_MAX_QUEUE = TICK_HZ - GOP_FRAMES - 1


@dataclass(frozen=True, kw_only=True)
class RecorderConfig:
    """How an episode is written.

    `queue_frames` may wait for the writer before `append` waits too. A kill loses those, the
    one being written and the video's last fragment: together one second at most.
    """

    pixel_format: PixelFormat = "yuv444p"
    depth: bool = False
    script: str | None = None
    queue_frames: int = 8

    def __post_init__(self) -> None:
        if self.pixel_format not in PIXEL_FORMATS:
            raise ConfigError(
                f"pixel_format among {list(PIXEL_FORMATS)}",
                repr(self.pixel_format),
                "yuv444p is for training, yuv420p for sharing.",
            )
        if not 1 <= self.queue_frames <= _MAX_QUEUE:
            raise ConfigError(
                f"queue_frames from 1 to {_MAX_QUEUE}",
                repr(self.queue_frames),
                "A longer queue would lose more than a second if the process is killed.",
            )


@dataclass(frozen=True, slots=True)
class _Step:
    """What travels to the writer: a frame, and the action that led to it (None at frame 0)."""

    action: Action | None
    result: StepResult


@dataclass(frozen=True, slots=True)
class _End:
    complete: bool


class Recorder:
    """Records one episode into `folder`, which must be new or empty.

    Every call can raise OutputError: the folder is occupied or cannot be written to, or writing
    failed since the last call. `append` waits while the queue is full; no frame is dropped.
    As a context manager it completes the episode, or leaves it marked incomplete (readable all
    the same) if the block raised.

        with Recorder(folder, info, intrinsics, first=world.reset(seed=7)) as recorder:
            recorder.append(action, world.step(action))
    """

    def __init__(
        self,
        folder: str | Path,
        world: WorldInfo,
        intrinsics: Intrinsics,
        *,
        first: Observation,
        config: RecorderConfig | None = None,
    ) -> None:
        config = config or RecorderConfig()
        self._info = EpisodeInfo(
            world=world,
            intrinsics=intrinsics,
            depth=config.depth,
            script=config.script,
            software=software_versions(),
        )
        self._writer = EpisodeWriter(Path(folder), self._info, config.pixel_format)
        self._queue: queue.Queue[_Step | _End] = queue.Queue(config.queue_frames)
        self._error: OutputError | None = None
        self._wrote_all = False
        self._closed = False
        self._thread = threading.Thread(target=self._write_all, name="recorder", daemon=True)
        self._thread.start()
        self.frames = 0
        self._enqueue(None, StepResult(first))

    @property
    def folder(self) -> Path:
        return self._writer.folder

    def append(self, action: Action, result: StepResult) -> None:
        """Record that `action`, taken at the last recorded frame, led to `result`."""
        if self._closed:
            raise OutputError("an open recorder", "a closed one", "Make a new Recorder.")
        self._enqueue(action, result)

    def close(self) -> None:
        """Write what is queued and mark the episode complete. May be called twice."""
        if not self._closed:
            self._finish(complete=True)
            if not self._wrote_all:
                raise self._failure()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        elif not self._closed:
            self._finish(complete=False)

    def _enqueue(self, action: Action | None, result: StepResult) -> None:
        seen = self._own_copy(result.observation)
        if not self._put(_Step(action, replace(result, observation=seen))):
            raise self._failure()
        self.frames += 1

    def _own_copy(self, seen: Observation) -> Observation:
        """Worlds may draw into the same buffer again while the writer is still reading it."""
        depth = seen.depth.copy() if self._info.depth else seen.depth
        size = (self._info.intrinsics.height, self._info.intrinsics.width)
        if seen.rgb.shape != (*size, 3) or (self._info.depth and depth.shape != size):
            raise EpisodeError(
                f"frames {size[1]} wide and {size[0]} high, as in the intrinsics",
                f"rgb of shape {seen.rgb.shape}, depth of shape {seen.depth.shape}",
                "Give the recorder the intrinsics of the world that it records.",
            )
        return Observation(seen.rgb.copy(), depth, seen.pose)

    def _put(self, item: _Step | _End) -> bool:
        """Wait for a place in the queue; False if the writer has ended and none will come."""
        while self._thread.is_alive():
            try:
                self._queue.put(item, timeout=_POLL_S)
            except queue.Full:
                continue
            return True
        return False

    def _finish(self, *, complete: bool) -> None:
        self._closed = True
        self._put(_End(complete))
        self._thread.join()

    def _failure(self) -> OutputError:
        return self._error or OutputError(
            f"the writer of {self.folder} to run", "its thread has ended", "See the log for why."
        )

    def _write_all(self) -> None:
        """The writer thread: until the end is asked for, or writing fails."""
        try:
            item = self._queue.get()
            while isinstance(item, _Step):
                self._writer.append(item.action, item.result)
                item = self._queue.get()
            self._writer.close(complete=item.complete)
            self._wrote_all = True
        except OutputError as error:
            self._error = error
