"""Splatting: the nearest surface that small planar patches ("surfels") cover at every pixel.

A surfel at `(x, y)` with inverse depth `w` lies on a plane, and inverse depth is affine in pixel
coordinates on a plane. Its fragment at the pixel centre `c` is therefore exact:

    w(c) = w + w_x (c_x - x) + w_y (c_y - y)        for |c_x - x| < radius, |c_y - y| < radius

and the z-buffer keeps `max w`, which is 0 where nothing was drawn. Source: EWA surface splatting
(Zwicker et al. 2001), reduced to the depth of a square footprint of at most 2x2 pixels.
There is no gradient and therefore no registered op: the splat decides which surface is looked
up, and nothing upstream of it is trained.

Shape letters: B views, P surfels in each, H by W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from worldsim.errors import ConfigError
from worldsim.kernels.dispatch import Implementation, tl, triton, use_triton

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
    ceiling: Tensor | None = None,  # [B, H, W] 1/m
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


if triton is not None:

    @triton.jit
    def _splat_kernel(
        p_x, p_y, p_w, p_slope_x, p_slope_y, p_radius, p_ceiling, p_buffer,
        P, H, W,
        HAS_CEILING: tl.constexpr, BLOCK: tl.constexpr
    ):  # fmt: skip
        i_batch = tl.program_id(1).to(tl.int64)
        i_surfel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        m_surfel = i_surfel < P
        i_in = i_batch * P + i_surfel
        b_x = tl.load(p_x + i_in, mask=m_surfel, other=0.0)
        b_y = tl.load(p_y + i_in, mask=m_surfel, other=0.0)
        b_w = tl.load(p_w + i_in, mask=m_surfel, other=0.0)
        b_slope_x = tl.load(p_slope_x + i_in, mask=m_surfel, other=0.0)
        b_slope_y = tl.load(p_slope_y + i_in, mask=m_surfel, other=0.0)
        b_radius = tl.load(p_radius + i_in, mask=m_surfel, other=-1.0)
        b_left = tl.floor(tl.minimum(tl.maximum(b_x - 0.5, -1.0), W - 1.0))
        b_top = tl.floor(tl.minimum(tl.maximum(b_y - 0.5, -1.0), H - 1.0))
        for corner in tl.static_range(4):
            b_column = b_left + corner % 2
            b_row = b_top + corner // 2
            b_dx = b_column + 0.5 - b_x
            b_dy = b_row + 0.5 - b_y
            b_fragment = b_w + b_slope_y * b_dy + b_slope_x * b_dx
            m_drawn = (tl.abs(b_dx) < b_radius) & (tl.abs(b_dy) < b_radius) & (b_fragment > 0)
            m_drawn = m_drawn & (b_column >= 0) & (b_column < W) & (b_row >= 0) & (b_row < H)
            i_pixel = i_batch * H * W + b_row.to(tl.int64) * W + b_column.to(tl.int64)
            if HAS_CEILING:
                b_limit = tl.load(p_ceiling + i_pixel, mask=m_drawn, other=0.0)
                m_drawn = m_drawn & (b_fragment < b_limit)
            # Positive floats are ordered like their bits, and integer atomics are everywhere.
            tl.atomic_max(p_buffer + i_pixel, b_fragment.to(tl.int32, bitcast=True), mask=m_drawn)


def _launch(
    surfels: Surfels, *, height: int, width: int, ceiling: Tensor | None = None
) -> Tensor:  # [B, H, W]
    B, P = surfels.x.shape
    bits = torch.zeros(B, height, width, dtype=torch.int32, device=surfels.x.device)
    BLOCK = 256
    inputs = [getattr(surfels, field.name).contiguous() for field in fields(Surfels)]
    if B * P > 0:
        _splat_kernel[(triton.cdiv(P, BLOCK), B)](
            *inputs,
            bits if ceiling is None else ceiling.contiguous(),
            bits,
            P,
            height,
            width,
            HAS_CEILING=ceiling is not None,
            BLOCK=BLOCK,
        )
    return bits.view(torch.float32)


def splat(
    surfels: Surfels,
    *,
    height: int,
    width: int,
    ceiling: Tensor | None = None,  # [B, H, W] 1/m
    implementation: Implementation = "auto",
) -> Tensor:  # [B, H, W] inverse depth of the nearest fragment, 0 where there is none
    """Draws surfels into a z-buffer of inverse depth; the nearest wins. Not differentiable.

    Args:
        surfels: Positions, inverse depths, slopes and radii of [B, P] surfels, finite float32. A
            footprint covers at most the four pixel centres around its point, so that a radius
            above `MAX_RADIUS_PX` acts like it.
        height: Of the view, pixels.
        width: Of the view, pixels.
        ceiling: Fragments that are not farther than this are ignored: drawing again under the
            first result peels off the next layer.
        implementation: "auto" takes Triton on CUDA and plain torch elsewhere.

    Source: Zwicker et al. 2001, section 3, for planar patches instead of Gaussians.
    """
    shapes = [getattr(surfels, field.name).shape for field in fields(Surfels)]
    if surfels.x.ndim != 2 or any(shape != shapes[0] for shape in shapes):
        raise ConfigError("surfels of one shape [B, P]", f"{shapes}", "Add the batch dimension.")
    if ceiling is not None and ceiling.shape != (len(surfels.x), height, width):
        raise ConfigError(
            f"ceiling [{len(surfels.x)}, {height}, {width}]",
            f"{tuple(ceiling.shape)}",
            "Give one z-buffer per view.",
        )
    draw = _launch if use_triton("splat", surfels.x.device, implementation) else splat_reference
    return draw(surfels, height=height, width=width, ceiling=ceiling)
