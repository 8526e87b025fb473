"""Splatting: the nearest surface that small planar patches ("surfels") cover at every pixel.

A surfel at `(x, y)` with inverse depth `w` lies on a plane, and inverse depth is affine in pixel
coordinates on a plane. Its fragment at the pixel centre `c` is therefore exact:

    w(c) = w + w_x (c_x - x) + w_y (c_y - y)        for |c_x - x| <= radius, |c_y - y| <= radius

and the z-buffer keeps `max w`, which is 0 where nothing was drawn. Source: EWA surface splatting
(Zwicker et al. 2001), reduced to the depth of a square footprint of at most 2x2 pixels.
There is no gradient and therefore no registered op: the splat decides which surface is looked
up, and nothing upstream of it is trained.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

MAX_RADIUS_PX = 1.0  # a footprint reaches the four pixel centres around the surfel, no more


@dataclass(frozen=True, slots=True)
class Surfels:
    """Points with the plane that they lie on, in the pixel coordinates of one view."""

    x: Tensor  # [B, P] float32 pixels, right
    y: Tensor  # [B, P] float32 pixels, down
    inverse_depth: Tensor  # [B, P] float32 1/m
    slope_x: Tensor  # [B, P] float32 change of inverse depth per pixel to the right
    slope_y: Tensor  # [B, P] float32 change of inverse depth per pixel down
    radius: Tensor  # [B, P] float32 half the side of the footprint in pixels; < 0: not drawn


def splat_reference(
    surfels: Surfels,
    *,
    height: int,
    width: int,
    ceiling: Tensor | None = None,  # [B, H, W] fragments with more than this inverse depth are lost
) -> Tensor:  # [B, H, W] inverse depth of the nearest fragment, 0 where there is none
    """The z-buffer in plain torch: four candidate pixels per surfel, then a scattered maximum."""
    stride = width + 2  # a margin of one pixel catches what falls outside
    left = (surfels.x - 0.5).clamp(-1, width - 1).floor()
    top = (surfels.y - 0.5).clamp(-1, height - 1).floor()
    corner = ((top + 1) * stride + left + 1).long()
    buffer = surfels.x.new_zeros(len(corner), (height + 2) * stride)
    for step_y in (0, 1):
        dy = (top - surfels.y).add_(0.5 + step_y)
        covers_y = positive(surfels.radius - dy.abs())
        at_row = torch.addcmul(surfels.inverse_depth, surfels.slope_y, dy)
        for step_x in (0, 1):
            dx = (left - surfels.x).add_(0.5 + step_x)
            covered = positive(surfels.radius - dx.abs()).mul_(covers_y)
            fragment = torch.addcmul(at_row, surfels.slope_x, dx).mul_(covered)
            pixel = corner + (step_y * stride + step_x)
            if ceiling is not None:
                limit = F.pad(ceiling, (1, 1, 1, 1)).flatten(1).gather(1, pixel)
                fragment *= positive(limit - fragment)
            buffer.scatter_reduce_(1, pixel, fragment, "amax")
    return buffer.view(-1, height + 2, stride)[:, 1:-1, 1:-1].contiguous()


def positive(
    value: Tensor,  # [...] float32
) -> Tensor:  # [...] float32, 1 where value > 0, else 0
    """A mask as a number: comparisons and selections cost a CPU four times a product."""
    return (value * 1e30).clamp_(0.0, 1.0)


def splat(
    surfels: Surfels,
    *,
    height: int,
    width: int,
    ceiling: Tensor | None = None,  # [B, H, W] 1/m
) -> Tensor:  # [B, H, W] inverse depth of the nearest fragment, 0 where there is none
    """Draws surfels into a z-buffer of inverse depth; the nearest wins.

    With `ceiling`, fragments nearer than it are ignored: drawing again under the first result
    peels off the next layer. A footprint covers at most the four pixel centres around its point,
    so a radius above `MAX_RADIUS_PX` acts like it. Not differentiable.
    """
    return splat_reference(surfels, height=height, width=width, ceiling=ceiling)
