"""The blocks of one world: generated regions under an overlay of edits, seen through windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

HEIGHT: Final = 64  # below y = 0 everything is stone, from y = HEIGHT up everything is air
WINDOW: Final = 80  # blocks along x and z of a window
WINDOW_STEP: Final = 8  # window centres are multiples of this


@dataclass(frozen=True, slots=True)
class VoxelWindow:
    """The blocks around one place, as a renderer needs them.

    `version` is unique within the process for each content and origin: two windows of equal
    version are the same, so an uploaded one need not be uploaded again.
    """

    blocks: NDArray[np.uint8]  # [WINDOW, HEIGHT, WINDOW] ids at x, y, z; C-contiguous, read-only
    origin: tuple[int, int, int]  # the world position of blocks[0, 0, 0]; y is 0
    version: int
