"""Planes in dreamed depths: what is almost flat is flat, and silhouettes stay.

A dreamed depth is off by a per cent or two, each pixel by its own. That is no matter where it was
dreamed; but from a step ahead its points no longer lie side by side, the next frame is made of what
is left, and flat ground grew into dunes within fifty frames. Inverse depth is affine on a plane. So
each pixel takes the value of the plane that fits best, of the squares that contain it: the one that
lies on its own side of a silhouette. Of true depths this moves a pixel by 0.2 % (mean).
Sources: Haralick & Watson 1981, "A facet model for image data"; Kuwahara et al. 1976, "Processing
of RI-angiocardiographic images", for the choice among the squares.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

REACH_PX = 2  # from the middle of a square to its sides
UNEVEN = 0.05  # a plane from which a square's inverse depths stray farther than this is none
PER_M = 5e-3  # and so much more, in 1/m: near the sky, a small difference means nothing
MOST_MOVED = 0.25  # of its inverse depth; what is farther off its plane stands alone
NO_PLANE = 1e9


class Facets(NamedTuple):
    """The plane of each pixel: inverse depth there, and how it changes from pixel to pixel."""

    w: Tensor  # [B, 1, H, W] 1/m
    slope_x: Tensor  # [B, 1, H, W] rightwards
    slope_y: Tensor  # [B, 1, H, W] downwards
    is_flat: Tensor  # [B, 1, H, W] bool; elsewhere there is no plane


def facets_of(
    w: Tensor,  # [B, 1, H, W] inverse depth
) -> Facets:
    """The best of nine squares around each pixel, which has to be in them."""
    planes = F.pad(_planes(w), (2 * REACH_PX,) * 4, value=NO_PLANE)
    height, width = w.shape[-2:]
    best, unevenness = (
        torch.zeros_like(planes[:, :3, :height, :width]),
        torch.full_like(w, NO_PLANE),
    )
    for down, right in itertools.product((0, REACH_PX, 2 * REACH_PX), repeat=2):
        there = planes[..., down : down + height, right : right + width]
        level, slope_x, slope_y, uneven = there.split(1, dim=1)
        here = level + (REACH_PX - right) * slope_x + (REACH_PX - down) * slope_y
        best = torch.where(uneven < unevenness, torch.cat((here, there[:, 1:3]), dim=1), best)
        unevenness = torch.minimum(uneven, unevenness)
    flat, slope_x, slope_y = best.split(1, dim=1)
    is_flat = (unevenness < UNEVEN) & ((flat - w).abs() < MOST_MOVED * w) & (flat > 0)
    return Facets(flat, slope_x, slope_y, is_flat)


def _planes(
    w: Tensor,  # [B, 1, H, W] inverse depth
) -> Tensor:  # [B, 4, H - 2 R, W - 2 R] level in the middle, slopes a pixel, unevenness
    """The plane of each square that lies within the picture, by least squares."""
    steps = torch.arange(-REACH_PX, REACH_PX + 1, device=w.device, dtype=w.dtype)
    side = len(steps)
    area, spread = side * side, side * float(steps.square().sum())
    mean = torch.full((side, side), 1.0 / area, device=w.device, dtype=w.dtype)
    across = steps.expand(side, side) / spread
    fitted = F.conv2d(w, torch.stack((mean, across, across.T))[:, None])
    level, slope_x, slope_y = fitted.split(1, dim=1)
    square = F.conv2d(w.square(), mean[None, None])
    of_slopes = (slope_x.square() + slope_y.square()) * (spread / area)
    strayed = (square - level.square() - of_slopes).clamp(min=0.0).sqrt()
    return torch.cat((level, slope_x, slope_y, strayed / (level + PER_M)), dim=1)
