"""A dreamed frame against the true one: what differs, where it counts, in one picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldsim.evaluate.metrics import psnr
from worldsim.types import Pose

FULL_HEAT = 64.0  # grey levels of difference from which the heat map is at its brightest
# Black, violet, red, orange, pale yellow: brightness grows all the way, also for the colour-blind
_HEAT = np.array(
    [(0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164)], np.float32
)
_UNSEEN = np.array((0.30, 0.42, 0.60), np.float32)  # tint of what the dream was never shown


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TwinShot:
    """Dream and truth after the same actions."""

    picture: NDArray[np.uint8]  # [2H, 2W, 3] dream and truth, below them the heat map
    pose: Pose  # of both
    psnr_db: float  # on the pixels whose surfaces the dream was shown; NaN where there are none
    whole_db: float  # on all pixels
    seen: float  # share of those pixels
    jump_m: float  # how far the dream was from the truth when the twin was opened
    recent_db: tuple[float, ...] = ()  # psnr_db of the latest ticks, oldest first


def compared(
    dream: NDArray[np.uint8],  # [H, W, 3]
    truth: NDArray[np.uint8],  # [H, W, 3]
    seen: NDArray[np.bool_],  # [H, W] the surfaces that the dream was shown
    pose: Pose,
    *,
    jump_m: float,
    before_db: tuple[float, ...] = (),
) -> TwinShot:
    """Both frames, drawn from one pose, with what there is to say about them."""
    seen_db = psnr(dream, truth, seen)
    return TwinShot(
        picture=quartered(dream, truth, heat_map(dream, truth, seen)),
        pose=pose,
        psnr_db=seen_db,
        whole_db=psnr(dream, truth),
        seen=float(seen.mean()),
        jump_m=jump_m,
        recent_db=(*before_db, seen_db),
    )


def heat_map(
    dream: NDArray[np.uint8],  # [H, W, 3]
    truth: NDArray[np.uint8],  # [H, W, 3]
    seen: NDArray[np.bool_],  # [H, W]
) -> NDArray[np.uint8]:  # [H, W, 3]
    """The mean difference of the channels as heat; grey blue where the dream could only guess."""
    difference = np.abs(dream.astype(np.float32) - truth).mean(axis=-1)
    heat = np.clip(difference / FULL_HEAT, 0.0, 1.0)
    stops = np.linspace(0.0, 1.0, len(_HEAT))
    hot = np.stack([np.interp(heat, stops, channel) for channel in _HEAT.T], axis=-1)
    cold = 255 * (0.15 + heat[..., None]) * _UNSEEN
    return np.where(seen[..., None], hot, cold).clip(0, 255).astype(np.uint8)


def quartered(
    upper_left: NDArray[np.uint8],  # [H, W, 3]
    upper_right: NDArray[np.uint8],  # [H, W, 3]
    lower_left: NDArray[np.uint8],  # [H, W, 3]
) -> NDArray[np.uint8]:  # [2H, 2W, 3]
    """Three frames in one picture of the same shape; the fourth quarter stays empty."""
    height, width = upper_left.shape[:2]
    picture = np.full((2 * height, 2 * width, 3), (10, 12, 16), dtype=np.uint8)
    picture[:height, :width] = upper_left
    picture[:height, width:] = upper_right
    picture[height:, :width] = lower_left
    return picture
