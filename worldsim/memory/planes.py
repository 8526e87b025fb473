"""Depth maps as planar patches in inverse depth, and what becomes of them in another view.

Inverse depth `w = 1/depth` is affine in pixel coordinates on a plane, and 0 for the sky.
Pixel ray r = (x, y, -1), point P = r / w, source plane n . P = 1 with n . r = w. For a motion
P' = R P + t this gives P' w = R r + w t, and the same plane seen from the new camera is
n' = R n / (1 + (R n) . t); the denominator is the ratio of the two eyes' distances from the plane
and negative where the new eye is behind it.
Shape letters as in `worldsim.types`; P is the number of pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from worldsim.camera import Intrinsics
from worldsim.kernels.splat import MAX_RADIUS_PX, Surfels, positive
from worldsim.types import SKY_DEPTH_M

NEAR_M = 0.05  # nearer surfaces are treated as being this far away
MIN_SCALE = 0.02  # smallest ratio of depths in two cameras; less is beside or behind the eye
SLOPE_LIMIT = 0.5  # a patch's relative change of inverse depth over one pixel
EDGE_STEP = 0.2  # relative step of inverse depth that makes a silhouette
FLYING_STEP = 1.25  # this many times nearer than one side and farther than the other: no surface
RIM, FRINGE, FLYING = 1, 2, 3  # near side and far side of a silhouette, and between the two
FOOTPRINT_PX = 0.1  # overlap of neighbouring footprints, so that surfaces stay closed


@dataclass(frozen=True, slots=True)
class Planes:
    """Source frames as planar patches, one a pixel."""

    w: Tensor  # [B, K, P] 1/m, 0 = sky
    slope_x: Tensor  # [B, K, P] change of w per pixel to the right
    slope_y: Tensor  # [B, K, P] change of w per pixel down
    nearest: Tensor  # [B, K, P] largest w of the 3x3 pixels around
    doubt: Tensor  # [B, K, P] float32: 0 clear of silhouettes, else RIM, FRINGE or FLYING


def inverse_depth(
    depth: Tensor,  # [...] metres
) -> Tensor:  # [...] 1/m, 0 for the sky
    w = depth.clamp(min=NEAR_M).reciprocal()
    return w.masked_fill_(depth >= 0.5 * SKY_DEPTH_M, 0.0)


def fit_planes(
    depth: Tensor,  # [B, K, H, W] metres
) -> Planes:
    """Fits a plane to every pixel: of its two one-sided slopes, the flatter one.

    So a slope never reaches across a silhouette. Colours beside a silhouette are mixtures of its
    two sides; on its far side the depth is doubtful too; between the sides there is no surface.
    """
    w = inverse_depth(depth)
    limit = SLOPE_LIMIT * w
    slope_x = _flatter(w.diff(dim=-1), -1).clamp(min=-limit, max=limit)
    slope_y = _flatter(w.diff(dim=-2), -2).clamp(min=-limit, max=limit)
    nearest = around(torch.maximum, w)
    farthest = around(torch.minimum, w)
    # On a plane the 3x3 pixels around reach exactly from w - slope to w + slope.
    slope, step = slope_x.abs() + slope_y.abs(), EDGE_STEP * w
    rim = positive(w - slope - step - farthest) * RIM
    fringe = positive(nearest - w - slope - step) * FRINGE
    flying = positive(nearest - FLYING_STEP * w) * positive(w - FLYING_STEP * farthest) * FLYING
    doubt = torch.maximum(torch.maximum(rim, fringe), flying)
    return Planes(*(part.flatten(2) for part in (w, slope_x, slope_y, nearest, doubt)))


def _flatter(
    step: Tensor,  # [..., n-1] differences along dim
    dim: int,
) -> Tensor:  # [..., n] of the differences to both neighbours the smaller one
    last = step.shape[dim] - 1
    forward = torch.cat((step, step.narrow(dim, last, 1)), dim)
    backward = torch.cat((step.narrow(dim, 0, 1), step), dim)
    return torch.where(forward.abs() < backward.abs(), forward, backward)


def around(
    extreme: Callable[[Tensor, Tensor], Tensor],
    w: Tensor,  # [..., H, W]
) -> Tensor:  # [..., H, W] the extreme of the 3x3 pixels around
    """Separable and elementwise: several times faster on a CPU than a pooling layer."""
    for dim in (-1, -2):
        last = w.shape[dim] - 1
        pairs = extreme(w.narrow(dim, 0, last), w.narrow(dim, 1, last))
        right = torch.cat((pairs, pairs.narrow(dim, last - 1, 1)), dim)
        left = torch.cat((pairs.narrow(dim, 0, 1), pairs), dim)
        w = extreme(left, right)
    return w


def plane_normals(
    planes: Planes,
    rays_3P: Tensor,  # [3, P] pixel rays with z = -1
    focal_px: float,
) -> Tensor:  # [B, K, 3, P] n with n . r = w on every ray r of the patch
    a = planes.slope_x * focal_px
    b = planes.slope_y * -focal_px
    c = a * rays_3P[0] + b * rays_3P[1] - planes.w
    return torch.stack((a, b, c), dim=2)


def surfels_in_view(
    planes: Planes,
    target_from_source: Tensor,  # [B, K, 4, 4]
    rays_3P: Tensor,  # [3, P]
    valid: Tensor,  # [B, K] bool
    intrinsics: Intrinsics,
) -> Surfels:  # [B, K*P]
    """The patches of all sources in the pixel coordinates of the target view.

    Sky and patches seen from behind or from beside are not drawn (radius -1).
    """
    rotation = target_from_source[..., :3, :3]  # [B, K, 3, 3]
    tx, ty, tz = target_from_source[..., :3, 3, None].unbind(2)  # [B, K, 1] each
    qx, qy, qz = (rotation @ rays_3P).unbind(2)  # [B, K, P] each
    scale = -(qz + planes.w * tz)  # depth in the target over depth in the source
    shrink = scale.clamp(min=MIN_SCALE).reciprocal()
    focal = intrinsics.focal_px
    x = (qx + planes.w * tx) * shrink * focal + intrinsics.width / 2
    y = (qy + planes.w * ty) * shrink * -focal + intrinsics.height / 2
    w = planes.w * shrink

    nx, ny, nz = (rotation @ plane_normals(planes, rays_3P, focal)).unbind(2)
    facing = 1.0 + nx * tx + ny * ty + nz * tz
    per_px = (facing.clamp(min=1e-3) * focal).reciprocal()
    limit = SLOPE_LIMIT * w
    drawn = positive(scale - MIN_SCALE) * positive(facing) * positive(planes.w) * valid[..., None]
    radius = (0.5 * shrink + FOOTPRINT_PX).clamp(max=MAX_RADIUS_PX)
    parts = (
        x,
        y,
        w,
        (nx * per_px).clamp(min=-limit, max=limit),
        (ny * -per_px).clamp(min=-limit, max=limit),
        (radius + 1) * drawn - 1,
    )
    return Surfels(*(part.flatten(1) for part in parts))
