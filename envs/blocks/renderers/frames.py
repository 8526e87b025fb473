"""What a renderer is given and what it gives back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from worldsim.camera import Intrinsics
from worldsim.envs.blocks.voxels import VoxelWindow
from worldsim.errors import ConfigError
from worldsim.types import Pose

DEFAULT_DAY = 0.4  # a late morning; 0.25 is sunrise, 0.5 noon, 0.75 sunset
SUPERSAMPLES = (1, 2)  # colour rays along each side of a pixel


@dataclass(frozen=True, slots=True, kw_only=True)
class Squeezed(Intrinsics):
    """A camera whose picture is as wide as that of another aspect: its pixels are not square.

    For renderers only: whatever else takes `Intrinsics` expects square pixels.
    """

    aspect: float  # width over height of what is seen

    @property
    def focal_x_px(self) -> float:
        return self.focal_px * self.width / (self.height * self.aspect)


@dataclass(frozen=True, slots=True)
class Frames:
    """A batch of rendered views, owned by the caller."""

    rgb: NDArray[np.uint8]  # [B, H, W, 3]
    depth: NDArray[np.float32]  # [B, H, W] metres along the view axis, SKY_DEPTH_M where sky
    labels: NDArray[np.uint8]  # [B, H, W] block ids, 0 where sky

    def __len__(self) -> int:
        return len(self.rgb)


class Renderer(Protocol):
    """Draws views of block worlds; every implementation gives the same picture."""

    def render(
        self,
        windows: Sequence[VoxelWindow],
        poses: Sequence[Pose],
        day: Sequence[float],
        intrinsics: Intrinsics,
    ) -> Frames: ...

    def close(self) -> None: ...


def require_matching(
    windows: Sequence[VoxelWindow], poses: Sequence[Pose], day: Sequence[float]
) -> None:
    """Raise ConfigError unless there is one window and one day phase for each pose."""
    if not len(windows) == len(poses) == len(day):
        raise ConfigError(
            "as many windows and day phases as poses",
            f"{len(windows)} windows, {len(poses)} poses, {len(day)} day phases",
            "Repeat the window and the day phase for each pose.",
        )


def require_supersample(supersample: int) -> None:
    """Raise ConfigError unless the renderers know this number of rays."""
    if supersample not in SUPERSAMPLES:
        raise ConfigError(
            f"supersample to be one of {SUPERSAMPLES}",
            f"{supersample!r}",
            "Use 2 for smooth edges or 1 for speed.",
        )
