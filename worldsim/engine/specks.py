"""When a dreamed frame has come apart.

Where memory contradicts itself, neighbouring pixels take different sides, and what is made of such
a frame in the next one is worse. Specks tell: points before both of their neighbours, or behind
both. Of a block world's pictures they are at most 0.25 percent (320 frames of 8 walks, 128 x 80
pixels), of dreams as a rule 0.1 to 0.3, of dreams that have come apart 1 to 10.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TORN = 0.006  # share of specks from which on a frame has come apart
STEP_RELATIVE, STEP_PER_M = 0.2, 0.004  # of inverse depth: from here on it is another surface
NEAREST_M = 0.05


def is_torn(
    depth: NDArray[np.floating],  # [H, W] metres
) -> bool:
    """Whether a frame is more specks than a picture of surfaces."""
    inverse = 1.0 / np.maximum(depth, NEAREST_M).astype(np.float32)
    return (_speck_share(inverse) + _speck_share(inverse.T)) / 2.0 > TORN


def _speck_share(
    inverse: NDArray[np.float32],  # [m, n] 1/metres
) -> float:
    """Of the pixels of all rows, but for the first and the last of each."""
    middle = inverse[:, 1:-1]
    reach = STEP_RELATIVE * middle + STEP_PER_M
    before, behind = middle - reach, middle + reach
    first, last = inverse[:, :-2], inverse[:, 2:]
    specks = (before > np.maximum(first, last)) | (behind < np.minimum(first, last))
    return float(specks.mean())
