"""How a small frame is made large, as the player likes it: sharpened or not, smooth or in squares.

Sharpening is an unsharp mask on the frame itself, before it is enlarged. That is nearly the picture
that sharpening the enlarged one by a wider mask gives, at a hundredth of its cost, and once a frame
instead of once a refresh; so both presenters share it, and no shader has to do it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from worldsim.play.warp import letterbox

MASK_PX = 1.0
MASK_PERCENT = 150  # at full sharpness


@dataclass(frozen=True, slots=True)
class Finish:
    """What is done to a frame besides the warp."""

    sharpness: float = 0.0  # from 0 to 1
    squares: bool = False  # each pixel a square of whole pixels of the screen


def sharpened(
    rgb: NDArray[np.uint8],  # [H, W, 3]
    sharpness: float,
) -> NDArray[np.uint8]:  # [H, W, 3]
    if sharpness == 0.0:
        return rgb
    mask = ImageFilter.UnsharpMask(MASK_PX, round(MASK_PERCENT * sharpness), threshold=0)
    return np.asarray(Image.fromarray(rgb).filter(mask))


def place(
    window: tuple[int, int], frame: tuple[int, int], finish: Finish
) -> tuple[int, int, int, int]:  # left, top, width, height
    """Where a frame goes in a window: as large as fits, centred; whole multiples for squares."""
    (width, height), (across, down) = window, frame
    factor = min(width // across, height // down)
    if not finish.squares or factor < 1:  # smaller than the frame
        return letterbox(window, across / down)
    fitted, tall = across * factor, down * factor
    return (width - fitted) // 2, (height - tall) // 2, fitted, tall
