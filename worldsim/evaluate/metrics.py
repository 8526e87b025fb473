"""Picture metrics, as pure functions of uint8 frames: PSNR, SSIM, sharpness, flying pixels."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from worldsim.errors import ConfigError

PEAK = 255.0
SSIM_WINDOW = 11
SSIM_SIGMA = 1.5
FLYING_LEVELS = 24  # grey levels by which a lone pixel must stand out from all its neighbours


def psnr(
    frame: NDArray[np.uint8],  # [H, W, 3]
    truth: NDArray[np.uint8],  # [H, W, 3]
    mask: NDArray[np.bool_] | None = None,  # [H, W] the pixels that count; all without it
) -> float:
    """Peak signal-to-noise ratio in dB: infinite for equal pictures, NaN for an empty mask."""
    _require_alike(frame, truth)
    error = (frame.astype(np.float64) - truth) ** 2
    if mask is not None:
        error = error[mask]
    if error.size == 0:
        return math.nan
    mean = float(error.mean())
    return math.inf if mean == 0.0 else 10.0 * math.log10(PEAK**2 / mean)


def ssim(
    frame: NDArray[np.uint8],  # [H, W, 3]
    truth: NDArray[np.uint8],  # [H, W, 3]
) -> float:
    """Structural similarity, 1 for equal pictures, over windows that lie inside the frame.

    Source: Wang et al. 2004 (Image quality assessment), eq. 13, 11x11 Gaussian of sigma 1.5.
    """
    _require_alike(frame, truth)
    if min(frame.shape[:2]) < SSIM_WINDOW:
        raise ConfigError(
            f"frames of at least {SSIM_WINDOW}x{SSIM_WINDOW} pixels",
            f"{frame.shape[1]}x{frame.shape[0]}",
            "Measure SSIM on larger frames.",
        )
    x, y = _planes(frame), _planes(truth)
    mean_x, mean_y = _blur(x), _blur(y)
    var_x = _blur(x * x) - mean_x**2
    var_y = _blur(y * y) - mean_y**2
    cov = _blur(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2
    likeness = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * cov + c2) / (var_x + var_y + c2)
    return float((likeness * structure).mean())


def sharpness(
    frame: NDArray[np.uint8],  # [H, W, 3]
    mask: NDArray[np.bool_] | None = None,  # [H, W] the pixels that count; all without it
) -> float:
    """Mean magnitude of the luminance gradient, in grey levels a pixel; NaN for an empty mask.

    A gradient is taken between a pixel, its right and its lower neighbour; all three must lie in
    the mask.
    """
    grey = frame.astype(np.float32) @ np.array((0.299, 0.587, 0.114), dtype=np.float32)
    across = grey[:-1, 1:] - grey[:-1, :-1]
    down = grey[1:, :-1] - grey[:-1, :-1]
    slope = np.hypot(across, down)
    if mask is not None:
        slope = slope[mask[:-1, :-1] & mask[:-1, 1:] & mask[1:, :-1]]
    return float(slope.mean()) if slope.size else math.nan


def flying_rate(
    frame: NDArray[np.uint8],  # [H, W, 3]
    levels: int = FLYING_LEVELS,
) -> float:
    """The fraction of inner pixels that differ from each of their 8 neighbours by > `levels`.

    Two pixels differ by the largest difference among their channels.
    """
    image = frame.astype(np.int16)
    height, width = image.shape[:2]
    inner = image[1:-1, 1:-1]
    if inner.size == 0:
        return 0.0
    alone = np.ones(inner.shape[:2], dtype=bool)
    for dy in (0, 1, 2):
        for dx in (0, 1, 2):
            if (dy, dx) == (1, 1):
                continue
            neighbour = image[dy : height - 2 + dy, dx : width - 2 + dx]
            alone &= np.abs(inner - neighbour).max(axis=-1) > levels
    return float(alone.mean())


def depth_error(
    depth: NDArray[np.float32],  # [H, W] metres
    truth: NDArray[np.float32],  # [H, W] metres
    mask: NDArray[np.bool_],  # [H, W] the pixels that count
) -> float:
    """Median relative depth error over a mask; NaN for an empty mask."""
    if not mask.any():
        return math.nan
    return float(np.median(np.abs(depth[mask] - truth[mask]) / truth[mask]))


def _require_alike(frame: NDArray[np.uint8], truth: NDArray[np.uint8]) -> None:
    for image in (frame, truth):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape != truth.shape:
            raise ConfigError(
                "two uint8 pictures [H, W, 3] of one size",
                f"{frame.dtype} {frame.shape} and {truth.dtype} {truth.shape}",
                "Render both with the same intrinsics.",
            )


def _planes(
    frame: NDArray[np.uint8],  # [H, W, 3]
) -> Tensor:  # [3, 1, H, W] float64
    return rearrange(torch.from_numpy(frame.astype(np.float64)), "h w c -> c 1 h w")


def _blur(
    planes: Tensor,  # [C, 1, H, W]
) -> Tensor:  # [C, 1, H-10, W-10]
    offsets = torch.arange(SSIM_WINDOW, dtype=planes.dtype) - SSIM_WINDOW // 2
    kernel = torch.exp(-(offsets**2) / (2 * SSIM_SIGMA**2))
    kernel = kernel / kernel.sum()
    across = F.conv2d(planes, rearrange(kernel, "k -> 1 1 1 k"))
    return F.conv2d(across, rearrange(kernel, "k -> 1 1 k 1"))
