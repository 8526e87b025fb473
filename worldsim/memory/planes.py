"""Depth maps as planar patches in inverse depth, and what becomes of them in another view.

Inverse depth `w = 1/depth` is affine in pixel coordinates on a plane, and 0 for the sky:
w = level + slope_x X + slope_y Y, with X right and Y down from the middle of the picture, pixels.
With the ray r = (X/f, -Y/f, -1), the point P = r / w lies on the plane n . P = 1 with
n = (f slope_x, -f slope_y, -level). A motion P' = R P + t gives P' w = R r + w t, and the same
plane seen from the new camera is n' = R n / (1 + (R n) . t); the denominator is the ratio of the
two eyes' distances from the plane, and negative where the new eye is behind it.
Shape letters as in `worldsim.types`; P is the number of pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from worldsim.camera import Intrinsics
from worldsim.kernels.splat import Surfels, positive
from worldsim.types import SKY_DEPTH_M

NEAR_M = 0.05  # nearer surfaces are treated as being this far away
EMPTY_W = 0.99 / NEAR_M  # a pixel that is nearer still shows nothing, and hides what is behind
MIN_SCALE = 0.02  # smallest ratio of depths in two cameras; less is beside or behind the eye
SLOPE_LIMIT = 0.5  # a patch's relative change of inverse depth over one pixel
EDGE_STEP = 0.2  # relative step of inverse depth that makes a silhouette
FLYING_STEP = 1.25  # this many times nearer than one side and farther than the other: no surface
RIM, FRINGE, FLYING = 1, 2, 3  # near side and far side of a silhouette, and between the two
FOOTPRINT_PX = 0.1  # overlap of neighbouring footprints, so that surfaces stay closed


@dataclass(frozen=True, slots=True)
class Planes:
    """Source frames as planar patches, one a pixel."""

    patch: Tensor  # [B, K, 3, P] slope_x and slope_y of w per pixel, level of w
    w: Tensor  # [B, K, P] 1/m, 0 = sky
    nearest: Tensor  # [B, K, P] largest w of the 3x3 pixels around
    doubt: Tensor  # [B, K, P] float32: 0 clear of silhouettes, else RIM, FRINGE or FLYING

    def worlds(self, part: slice) -> Planes:
        """A part of the batch."""
        return Planes(self.patch[part], self.w[part], self.nearest[part], self.doubt[part])


def joined(parts: Sequence[Planes], dim: int) -> Planes:
    """Worlds (dim 0) or sources (dim 1) one after the other."""
    names = [field.name for field in fields(Planes)]
    return Planes(*(torch.cat([getattr(part, name) for part in parts], dim) for name in names))


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
    flying = torch.maximum(flying, positive(w - EMPTY_W) * FLYING)
    doubt = torch.maximum(torch.maximum(rim, fringe), flying)
    height, width = depth.shape[-2:]
    x, y = centred_pixels(height, width, depth.device)
    patch = torch.stack((slope_x, slope_y, w - slope_x * x - slope_y * y[:, None]), dim=2)
    return Planes(patch.flatten(3), *(part.flatten(2) for part in (w, nearest, doubt)))


def centred_pixels(
    height: int, width: int, device: torch.device
) -> tuple[Tensor, Tensor]:  # [W] rightwards, [H] downwards: pixel centres from the middle
    x = torch.arange(width, device=device) + (0.5 - width / 2)
    return x, torch.arange(height, device=device) + (0.5 - height / 2)


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


def rotated(
    rotation: Tensor,  # [..., 3, 3]
    vectors: Tensor,  # [..., 3, P]
) -> Tensor:  # [..., 3, P]
    """The product of the two, elementwise: faster on a CPU, and the same bits in any batch."""
    first, second, third = rotation[..., None].unbind(-2)
    x, y, z = (vectors[..., i : i + 1, :] for i in range(3))
    return (first * x).addcmul_(second, y).addcmul_(third, z)


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
    focal, w = intrinsics.focal_px, planes.w
    tx, ty, tz = target_from_source[..., :3, 3, None].unbind(2)  # [B, K, 1] each
    qx, qy, qz = rotated(target_from_source[..., :3, :3], rays_3P).unbind(2)  # [B, K, P] each
    behind = torch.addcmul(qz, w, tz)  # minus the depth in the target over that in the source
    shrink = behind.clamp(max=-MIN_SCALE).reciprocal_().neg_()
    x = torch.addcmul(qx, w, tx).mul_(shrink).mul_(focal).add_(intrinsics.width / 2)
    y = torch.addcmul(qy, w, ty).mul_(shrink).mul_(-focal).add_(intrinsics.height / 2)
    w_target = w * shrink

    turned = rotated(_turned(target_from_source, focal), planes.patch)
    slope_x, slope_y, facing = turned.unbind(2)
    facing = facing + 1.0
    drawn = positive(-MIN_SCALE - behind).mul_(positive(facing)).mul_(positive(w))
    drawn = drawn * valid[..., None]
    flatter = facing.clamp_(min=1e-3).reciprocal_()
    limit = SLOPE_LIMIT * w_target
    slope_x = (slope_x * flatter).clamp_(min=-limit, max=limit)
    slope_y = (slope_y * flatter).clamp_(min=-limit, max=limit)
    radius = (0.5 * shrink).add_(FOOTPRINT_PX + 1).mul_(drawn).sub_(1)
    parts = (x, y, w_target, slope_x, slope_y, radius)
    return Surfels(*(part.flatten(1) for part in parts))


def _turned(
    b_from_a: Tensor,  # [B, K, 4, 4]
    focal: float,
) -> Tensor:  # [B, K, 3, 3] takes a patch to its slopes and distance ratio in b
    """Patch to slope_x * facing, slope_y * facing and facing - 1, all linear in the patch."""
    normal = b_from_a.new_tensor((focal, -focal, -1.0))
    turned = b_from_a[..., :3, :3] * normal  # n' before its division
    facing = (b_from_a[..., :3, 3, None] * turned).sum(-2)
    return torch.stack((turned[..., 0, :] / focal, turned[..., 1, :] / -focal, facing), dim=-2)
