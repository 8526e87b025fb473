"""The depth parallax: a frame seen from a place a little beside its own.

Each pixel of the view looks for the point of the frame that lies on its ray. The frame's depth
where the turn alone leads tells how far along the ray to look. This is the first round of a search
(Bowles et al. 2012, Iterative Image Warping). A stride is short, so further rounds gain nothing on
smooth ground, and at the edges of what is near they tear; what was hidden shows stretched.

    u ~ H v + w s      v: view, u: frame, both from -1 to 1 and up positive, homogeneous
    w = (H v)_z / (depth(H v) - s_z)

H is the rotation warp, s the shift in the same units. The fragment shader
(assets/shaders/warp.frag) evaluates the same.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

NEAREST_M = 0.1  # nothing is drawn nearer to the eye than this


def shift_ndc(
    shift: NDArray[np.float64],  # [3] metres, the frame's camera axes
    aspect: float,
    fov_y_deg: float,
) -> NDArray[np.float64]:  # [3] in units of a picture from -1 to 1, then metres ahead
    tangent = math.tan(math.radians(fov_y_deg) / 2)
    return shift / np.array((aspect * tangent, tangent, -1.0))


def parallax(
    depth: NDArray[np.float32],  # [H, W] metres along the frame's view axis
    homography: NDArray[np.float64],  # [3, 3] as of `frame_from_view_ndc`
    shift: NDArray[np.float64],  # [3] as of `shift_ndc`
    size: tuple[int, int],  # width and height of the picture to be warped
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:  # [h, w] pixels right, [h, w] pixels down
    """How much further from each view pixel to its source, on top of what the turn does.

    It is found on the frame's own grid, which costs a ninth of the enlarged one's, and enlarged.
    """
    height, width = depth.shape
    x, y = _grid(width, height)
    a, b, ahead = (row[0] * x + (row[1] * y + row[2]) for row in homography.astype(np.float32))
    np.maximum(ahead, 1e-4, out=ahead)
    right, up, forward = (float(part) for part in shift)
    u, v = a / ahead, b / ahead
    known = depth.ravel().take(_index(u, v, width, height))
    nearness = ahead / np.maximum(known - np.float32(forward), np.float32(NEAREST_M))
    below = np.maximum(ahead + nearness * np.float32(forward), np.float32(1e-4))
    u -= (a + nearness * np.float32(right)) / below
    v -= (b + nearness * np.float32(up)) / below
    return _enlarged(u * (-size[0] / 2), size), _enlarged(v * (size[1] / 2), size)


@lru_cache(maxsize=2)
def _grid(
    width: int, height: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:  # [W], [H, 1] pixel centres from -1 to 1
    x = (np.arange(width, dtype=np.float32) + 0.5) * (2 / width) - 1
    y = 1 - (np.arange(height, dtype=np.float32)[:, None] + 0.5) * (2 / height)
    return x, y


def _index(
    u: NDArray[np.float32],  # [H, W]
    v: NDArray[np.float32],  # [H, W]
    width: int,
    height: int,
) -> NDArray[np.intp]:  # [H, W] of the nearest pixel in a flattened frame
    column = np.clip((u + 1) * (width / 2), 0, width - 1).astype(np.intp)
    row = np.clip((1 - v) * (height / 2), 0, height - 1).astype(np.intp)
    return row * width + column


def _enlarged(
    values: NDArray[np.float32],  # [H, W]
    size: tuple[int, int],
) -> NDArray[np.float32]:  # [h, w]
    return np.asarray(Image.fromarray(values).resize(size, Image.Resampling.BILINEAR))
