"""Asking source frames about points of a target view: support, contradiction, or no vote.

A source supports a point when it sees a surface at the point's depth; it contradicts the point
when it sees farther through it (in all 3x3 pixels around, so that silhouettes do not count); it
has no vote when something nearer hides the point from it. A contradiction kills the point when it
comes from a frame that, real or touched by a hand, is newer than every supporter: the world was
edited; or, where all supporters are dreams, when it comes from a frame more trusted than they are,
or, dreamed too, older than all: what was dreamed later must agree with what had been shown. Source:
free-space carving, after Kutulakos & Seitz 2000 (A Theory of Shape by Space Carving); the choice of
one view per pixel after Buehler et al. 2001 (Unstructured Lumigraph).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from worldsim.camera import Intrinsics
from worldsim.kernels.splat import positive
from worldsim.memory.hint import Sources
from worldsim.memory.planes import MIN_SCALE, Planes

SUPPORT_RELATIVE, SUPPORT_M = 0.06, 0.05  # depths this close are the same surface
CARVE_RELATIVE, CARVE_M = 0.05, 0.05  # depths beyond this are seen through
SKY_TOLERANCE = 5e-4  # 1/m; below this inverse depth a point cannot be told from the sky
CLEAR_M = 20.0  # a sky tells that nothing is nearer than this; what is farther, fog may hide ...
SAME_PLACE_M = 3.0  # ... but not from an eye this near to where it was seen
MORE_TRUSTED = 1.25  # a frame trusted this many times more overrules all supporters
AS_TRUSTED = 0.7  # a newer frame overrules them with this share of their trust
DECIDES_FROM = 0.7  # a frame trusted more is sure: no dream, unless a hand was part of it
OLD_VOTE = 0.5  # weight of a contradiction that is older than the newest supporter
REAL_TRUST = 0.99  # frames trusted more than this are real
TRUST_SCORE, SHARP_SCORE, DOUBT_SCORE, AGE_SCORE = 8.0, 3.0, -0.3, -0.25
FAR_SCORE, FAR_M = -3.0, 2.0  # of a real frame seen from elsewhere, half of it at this distance
BORDER_PX = 0.5  # how far outside of a picture its border pixels still serve
FAR = 1e6  # larger than every score, age and inverse depth


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the sources say about one hypothesis per target pixel."""

    confidence: Tensor  # [B, M] in [0, 1], 0 = unsupported or carved
    source: Tensor  # [B, M] int64, the best supporter
    x: Tensor  # [B, M] where it sees the point, pixels from the middle
    y: Tensor  # [B, M]
    w: Tensor  # [B, M] inverse depth it sees the point at


@dataclass(frozen=True, slots=True)
class _Sightings:
    """Where the points fall in each source and what is seen there."""

    x: Tensor  # [B, K, M] pixels from the middle, rightwards
    y: Tensor  # [B, K, M]
    w: Tensor  # [B, K, M] the point's inverse depth in the source
    support: Tensor  # [B, K, M] 1 or 0
    through: Tensor  # [B, K, M] 1 where the pixel sees farther than the point, else 0
    carve: Tensor  # [B, K, M] 1 where all 3x3 pixels do, else 0
    sharpness: Tensor  # [B, K, M] source pixels per target pixel along one side
    doubt: Tensor  # [B, K, M] how near to a silhouette, as in Planes


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
    trust_of_supporters = trust * seen.support
    best_trust = trust_of_supporters.amax(1, keepdim=True)
    newest = (age + FAR * (1 - seen.support)).amin(1, keepdim=True)
    is_newer = positive(newest - age)
    carved = _carved(seen, trust, age, best_trust, is_newer).amax(1)
    votes = trust_of_supporters.sum(1)
    # Dreams have no say about what is real, or was touched by a hand.
    say = trust * torch.maximum(positive(trust - DECIDES_FROM), positive(DECIDES_FROM - best_trust))
    against = (seen.carve * say * (OLD_VOTE + (1 - OLD_VOTE) * is_newer)).sum(1)

    distance = translation.norm(dim=-1)[..., None]
    best = _score(seen, trust, age, distance).max(dim=1, keepdim=True).indices
    x, y, w_seen, sharpness = (
        part.gather(1, best)[:, 0] for part in (seen.x, seen.y, seen.w, seen.sharpness)
    )
    share = votes / (votes + against + 1e-6) * best_trust[:, 0]
    confidence = share * (1 - carved) * (1.5 * sharpness).clamp(0.25, 1.0)
    return Verdict(confidence, best[:, 0], x, y, w_seen)


def _carved(
    seen: _Sightings,
    trust: Tensor,  # [B, K, 1]
    age: Tensor,  # [B, K, 1]
    best_trust: Tensor,  # [B, 1, M] of the supporters
    is_newer: Tensor,  # [B, K, M] than all of them, 1 or 0
) -> Tensor:  # [B, K, M] 1 where a source alone denies a point, else 0
    """Among dreams the elder is right: what has been shown stays as it was.

    Against what is real or touched only what is newer and trusted counts, or a placed block would
    give way to the frame from before it.
    """
    oldest = (age * seen.support).amax(1, keepdim=True)
    is_elder = positive(age - oldest) * (1 - positive(best_trust - trust))
    are_dreams = positive(DECIDES_FROM - best_trust)
    is_edit = is_newer * positive(trust - (AS_TRUSTED * best_trust).clamp(min=DECIDES_FROM))
    knows_better = torch.maximum(is_elder, positive(trust - MORE_TRUSTED * best_trust))
    overrules = torch.maximum(is_edit, knows_better * are_dreams)
    decides = is_newer * positive(trust - REAL_TRUST)
    return torch.maximum(seen.carve * overrules, seen.through * decides)


def _score(
    seen: _Sightings,
    trust: Tensor,  # [B, K, 1]
    age: Tensor,  # [B, K, 1]
    distance: Tensor,  # [B, K, 1] metres between the two eyes
) -> Tensor:  # [B, K, M] how good a view of the point each source has
    """Real frames from nearby first: textures and fog differ least there.

    Among dreamed frames the nearest is the newest, a copy of copies, and has no advantage.
    """
    oldest = age.amax(1, keepdim=True).clamp(min=1e-6)
    from_afar = distance / (distance + FAR_M) * positive(trust - REAL_TRUST)
    frame_score = TRUST_SCORE * trust + AGE_SCORE * age / oldest + FAR_SCORE * from_afar - FAR
    doubt_score = DOUBT_SCORE * seen.doubt.clamp(max=1)
    # Best are as many pixels as the target has: more would flicker, and were seen from too near,
    # where fog is thinner.
    fit = torch.minimum(seen.sharpness, (seen.sharpness + 1e-6).rsqrt())
    return frame_score + SHARP_SCORE * fit + doubt_score + FAR * seen.support


def _look_up(
    w: Tensor,  # [B, M]
    rotated: Tensor,  # [B, K, 3, M]
    translation: Tensor,  # [B, K, 3]
    planes: Planes,
    valid: Tensor,  # [B, K] bool
    intrinsics: Intrinsics,
) -> _Sightings:
    focal, half_w, half_h = intrinsics.focal_px, intrinsics.width / 2, intrinsics.height / 2
    tx, ty, tz = translation[..., None].unbind(2)  # [B, K, 1] each
    qx, qy, qz = rotated.unbind(2)  # [B, K, M] each
    w_target = w[:, None]
    behind = torch.addcmul(qz, w_target, tz)  # minus the source's depth over the target's
    shrink = behind.clamp(max=-MIN_SCALE).reciprocal_().neg_()
    x = torch.addcmul(qx, w_target, tx).mul_(shrink).mul_(focal)
    y = torch.addcmul(qy, w_target, ty).mul_(shrink).mul_(-focal)
    index = pixel_index(x, y, intrinsics)
    outside = (x.abs() - (half_w + BORDER_PX)).clamp_(min=0)
    outside = outside.add_((y.abs() - (half_h + BORDER_PX)).clamp_(min=0))
    blind = outside.add_((behind + MIN_SCALE).clamp_(min=0)).add_(~valid[..., None]).mul_(FAR)

    slope_x, slope_y, level = (part.gather(2, index) for part in planes.patch.unbind(2))
    w_seen = torch.addcmul(level, slope_x, x).addcmul_(slope_y, y)
    w_point = w_target * shrink
    tolerance = (SUPPORT_M * w_point).add_(SUPPORT_RELATIVE).mul_(w_point).add_(SKY_TOLERANCE)
    support = positive(tolerance.sub_((w_seen - w_point).abs_()).sub_(blind))
    farther = (-CARVE_M * w_point).add_(1 - CARVE_RELATIVE).mul_(w_point).sub_(SKY_TOLERANCE)
    farther = farther.sub_(blind)
    fog = positive(translation.norm(dim=-1)[..., None] - SAME_PLACE_M) / CLEAR_M
    through = positive(farther - torch.maximum(w_seen, fog))
    carve = positive(farther.sub_(torch.maximum(planes.nearest.gather(2, index), fog)))

    facing = torch.addcmul(level * tz, slope_x, -focal * tx).addcmul_(slope_y, focal * ty).add_(1.0)
    # A patch covers shrink**3 / facing source pixels a target pixel.
    sharpness = (shrink**3).div_(facing.clamp_(min=0.01)).sqrt_()
    doubt = planes.doubt.gather(2, index)
    return _Sightings(x, y, w_point, support, through, carve, sharpness, doubt)


def pixel_index(
    x: Tensor,  # [...] pixels right of the middle
    y: Tensor,  # [...] pixels below it
    intrinsics: Intrinsics,
) -> Tensor:  # [...] int64, row after row; the nearest pixel for points outside
    width, height = intrinsics.width, intrinsics.height
    column = (x + width / 2).clamp_(0, width - 1).floor_()
    row = (y + height / 2).clamp_(0, height - 1).floor_()
    return row.mul_(width).add_(column).long()
