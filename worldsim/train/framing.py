"""The part of a recorded picture that the model's camera would see, on the model's pixel grid."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from worldsim.camera import Intrinsics
from worldsim.errors import EpisodeError

EDGE_PX = 0.5  # by so little a picture may be too small: half a pixel's view


@dataclass(frozen=True, slots=True)
class Framing:
    """From one camera's pictures to those of another at the same place, which sees no more.

    Both look along the middle of their pictures, so the part is centred, and depths along the view
    axis stay as they are.
    """

    recorded: Intrinsics
    wanted: Intrinsics

    @property
    def box(self) -> tuple[float, float, float, float]:  # left, top, right, bottom, recorded pixels
        """The part that is kept."""
        recorded, wanted = self.recorded, self.wanted
        height = 2.0 * recorded.focal_px * math.tan(math.radians(wanted.fov_y_deg) / 2)
        width = height * wanted.width / wanted.height
        left, top = (recorded.width - width) / 2, (recorded.height - height) / 2
        return left, top, left + width, top + height

    def require_enough(self, where: str) -> None:
        """Raise EpisodeError if the recorded camera sees less than the wanted one."""
        left, top, right, bottom = self.box
        if min(left, top) < -EDGE_PX:
            recorded = self.recorded
            raise EpisodeError(
                f"pictures in {where} that show at least what the model sees, {right - left:.0f}x"
                f"{bottom - top:.0f} of their pixels",
                f"{recorded.width}x{recorded.height} at {recorded.fov_y_deg:g} degrees vertically",
                "Record with a wider camera, or train a preset that sees less.",
            )

    def colours(
        self,
        rgb: NDArray[np.uint8],  # [h, w, 3]
    ) -> NDArray[np.uint8]:  # [H, W, 3]
        """The part, averaged over areas."""
        if self.recorded == self.wanted:
            return rgb
        left, top, right, bottom = self.box
        width, height = self.recorded.width, self.recorded.height
        box = (max(left, 0.0), max(top, 0.0), min(right, width), min(bottom, height))
        size = (self.wanted.width, self.wanted.height)
        return np.array(Image.fromarray(rgb).resize(size, Image.Resampling.HAMMING, box))

    def depths(
        self,
        depth: NDArray[np.float32],  # [T, h, w] metres
    ) -> NDArray[np.float32]:  # [T, H, W] metres
        """The part, from the nearest pixels: a mean of two depths is a place where nothing is."""
        left, top, right, bottom = self.box
        rows = _nearest(top, bottom, self.wanted.height, self.recorded.height)
        columns = _nearest(left, right, self.wanted.width, self.recorded.width)
        return depth[:, rows[:, None], columns]


def _nearest(low: float, high: float, count: int, size: int) -> NDArray[np.int64]:  # [count]
    """Of `count` equal cells from low to high, the pixels that their middles lie in."""
    middles = low + (np.arange(count) + 0.5) * (high - low) / count
    return np.floor(middles).astype(np.int64).clip(0, size - 1)
