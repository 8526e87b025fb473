"""A recording as a world: whatever is done in it, what comes next is what came then."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from worldsim.camera import Intrinsics
from worldsim.errors import EpisodeError
from worldsim.record.episode import Episode
from worldsim.types import SKY_DEPTH_M, Action, Observation, StepResult


class RecordedWorld:
    """The video of an episode, frame by frame, for recordings that cannot be run again.

    Its depth is unknown: all of it far away. Its state is the number of the frame.
    """

    def __init__(self, episode: Episode) -> None:
        self._episode = episode
        self._frames: Iterator[NDArray[np.uint8]] = iter(())
        self._number = 0
        self._rgb = np.zeros((0, 0, 3), np.uint8)

    @property
    def intrinsics(self) -> Intrinsics:
        return self._episode.info.intrinsics

    def reset(self, *, seed: int | None = None, scene: str | None = None) -> Observation:  # noqa: ARG002  # there is one world
        self._seek(0)
        return self.observe()

    def step(self, action: Action) -> StepResult:  # noqa: ARG002  # it was taken long ago
        """The next frame. Raises EpisodeError after the last."""
        self._read(self._number + 1)
        tick = self._episode.ticks[self._number]
        return StepResult(self.observe(), tick.reward, tick.terminated)

    def observe(self) -> Observation:
        far = np.full(self._rgb.shape[:2], SKY_DEPTH_M, np.float32)
        return Observation(self._rgb, far, self._episode.poses[self._number])

    def get_state(self) -> bytes:
        return str(self._number).encode()

    def set_state(self, state: bytes) -> None:
        self._seek(int(state))

    def close(self) -> None:
        self._frames = iter(())

    def _seek(self, number: int) -> None:
        self._frames = self._episode.frames(number)
        self._read(number)

    def _read(self, number: int) -> None:
        rgb = next(self._frames, None)
        if rgb is None:
            raise EpisodeError(
                f"frame {number} in {self._episode.folder}",
                f"{len(self._episode)} frames",
                "The video is damaged; record the episode again.",
            )
        self._rgb, self._number = rgb, number
