"""Asking source frames about points of a target view: support, contradiction, or no vote.

A source supports a point when it sees a surface at the point's depth; it contradicts the point
when it sees farther through it (in all 3x3 pixels around, so that silhouettes do not count); it
has no vote when something nearer hides the point from it. A contradiction kills the point when it
comes from a frame more trusted than every supporter, or newer than every supporter: the world was
edited. Source: free-space carving, after Kutulakos & Seitz 2000 (A Theory of Shape by Space
Carving); the choice of one view per pixel after Buehler et al. 2001 (Unstructured Lumigraph).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from worldsim.camera import Intrinsics
from worldsim.memory.hint import Sources
from worldsim.memory.planes import MIN_SCALE, Planes

SUPPORT_RELATIVE, SUPPORT_M = 0.06, 0.05  # depths this close are the same surface
CARVE_RELATIVE, CARVE_M = 0.10, 0.10  # depths beyond this are seen through
SKY_TOLERANCE = 5e-4  # 1/m; below this inverse depth a point cannot be told from the sky
MORE_TRUSTED = 1.25  # a frame trusted this many times more overrules all supporters
AS_TRUSTED = 0.5  # a newer frame overrules them with this share of their trust
OLD_VOTE = 0.5  # weight of a contradiction that is older than the newest supporter
TRUST_SCORE = 4.0  # one unit of trust outweighs a 16-fold resolution
DOUBT_SCORE = -2.0
AGE_SCORE = -0.25
SHARP_OCTAVES = (-2.0, 0.0)  # more source pixels than target pixels are no gain


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the sources say about one hypothesis per target pixel."""

    confidence: Tensor  # [B, M] in [0, 1], 0 = unsupported or carved
    source: Tensor  # [B, M] int64, the best supporter
    x: Tensor  # [B, M] where it sees the point, pixels
    y: Tensor  # [B, M]
    w: Tensor  # [B, M] inverse depth it sees the point at


@dataclass(frozen=True, slots=True)
class _Sightings:
    """Where the points fall in each source and what is seen there."""

    x: Tensor  # [B, K, M] pixels
    y: Tensor  # [B, K, M]
    w: Tensor  # [B, K, M] the point's inverse depth in the source
    support: Tensor  # [B, K, M] bool
    carve: Tensor  # [B, K, M] bool
    octaves: Tensor  # [B, K, M] log2 of source pixels per target pixel, along one side
    doubt: Tensor  # [B, K, M] uint8


def judge(
    w: Tensor,  # [B, M] inverse depth of the hypothetical points
    rotated: Tensor,  # [B, K, 3, M] their target rays, turned into the axes of each source
    translation: Tensor,  # [B, K, 3] target eye in each source's axes
    planes: Planes,
    sources: Sources,
    intrinsics: Intrinsics,
) -> Verdict:
    """Lets all sources vote on one point per pixel and picks the best supporter."""
    seen = _look_up(w, rotated, translation, planes, sources.valid, intrinsics)
    trust, age = sources.trust[..., None], sources.age[..., None]  # [B, K, 1]
    score = _score(seen, trust, age).masked_fill_(~seen.support, -torch.inf)
    best_score, best = score.max(dim=1, keepdim=True)
    best_trust = (trust * seen.support).amax(1, keepdim=True)
    newest = torch.where(seen.support, age, torch.inf).amin(1, keepdim=True)
    is_newer = age < newest
    overrules = (is_newer & (trust >= AS_TRUSTED * best_trust)) | (
        trust > MORE_TRUSTED * best_trust
    )
    alive = (best_score > -torch.inf) & ~(seen.carve & overrules).any(1, keepdim=True)

    votes = (trust * seen.support).sum(1)
    against = (torch.where(is_newer, trust, OLD_VOTE * trust) * seen.carve).sum(1)
    sharpness = (seen.octaves.gather(1, best)[:, 0] + 0.6).clamp(-2.0, 0.0).exp2()
    confidence = votes / (votes + against + 1e-6) * best_trust[:, 0] * sharpness
    return Verdict(
        confidence * alive[:, 0],
        best[:, 0],
        *(part.gather(1, best)[:, 0] for part in (seen.x, seen.y, seen.w)),
    )


def _score(
    seen: _Sightings,
    trust: Tensor,  # [B, K, 1]
    age: Tensor,  # [B, K, 1]
) -> Tensor:  # [B, K, M] how good a view of the point each source has
    oldest = age.amax(1, keepdim=True).clamp(min=1e-6)
    frame_score = TRUST_SCORE * trust + AGE_SCORE * age / oldest
    return frame_score + seen.octaves.clamp(*SHARP_OCTAVES) + DOUBT_SCORE * (seen.doubt > 0)


def _look_up(
    w: Tensor,  # [B, M]
    rotated: Tensor,  # [B, K, 3, M]
    translation: Tensor,  # [B, K, 3]
    planes: Planes,
    valid: Tensor,  # [B, K] bool
    intrinsics: Intrinsics,
) -> _Sightings:
    tx, ty, tz = translation[..., None].unbind(2)  # [B, K, 1] each
    qx, qy, qz = rotated.unbind(2)  # [B, K, M] each
    w_target = w[:, None]
    scale = -(qz + w_target * tz)  # depth in the source over depth in the target
    shrink = scale.clamp(min=MIN_SCALE).reciprocal()
    ray_x, ray_y = (qx + w_target * tx) * shrink, (qy + w_target * ty) * shrink
    focal, width, height = intrinsics.focal_px, intrinsics.width, intrinsics.height
    x, y = ray_x * focal + width / 2, ray_y * -focal + height / 2
    column, row = x.floor(), y.floor()
    inside = (scale > MIN_SCALE) & (column >= 0) & (column < width) & (row >= 0) & (row < height)
    inside = inside & valid[..., None]
    index = (row.clamp(0, height - 1) * width + column.clamp(0, width - 1)).long()

    slope_x, slope_y = planes.slope_x.gather(2, index), planes.slope_y.gather(2, index)
    w_seen = planes.w.gather(2, index) + slope_x * (x - column - 0.5) + slope_y * (y - row - 0.5)
    w_point = w_target * shrink
    squared = w_point * w_point
    tolerance = SUPPORT_RELATIVE * w_point + SUPPORT_M * squared + SKY_TOLERANCE
    support = inside & ((w_seen - w_point).abs() < tolerance)
    seen_through = (1 - CARVE_RELATIVE) * w_point - CARVE_M * squared - SKY_TOLERANCE
    carve = inside & (planes.nearest.gather(2, index) < seen_through)

    a, b = slope_x * focal, slope_y * -focal
    facing = 1.0 - (a * tx + b * ty + (a * ray_x + b * ray_y - w_seen) * tz)
    # A patch covers facing**-1 * scale**-3 source pixels a target pixel.
    octaves = -0.5 * (facing.clamp(min=0.01) * scale.clamp(min=MIN_SCALE) ** 3).log2()
    return _Sightings(x, y, w_point, support, carve, octaves, planes.doubt.gather(2, index))
