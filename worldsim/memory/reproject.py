"""The geometry hint: recalled RGB-D frames, seen again from a new camera.

Image-based rendering in two stages, so that colours are resampled once and never blended:
depth forward (`planes`, `kernels.splat`), then colour backward from the best source (`judge`).
Where a dream stands in front of what was really seen, that is asked first; where a point of the
nearest layer is carved or unsupported, the layer behind it is tried.
Shape letters as in `worldsim.types`; P is the number of pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from worldsim.camera import Intrinsics, invert_rigid, pixel_rays
from worldsim.kernels.splat import Surfels, positive, splat
from worldsim.kernels.threads import one_thread
from worldsim.memory.hint import Hint, Sources
from worldsim.memory.judge import DECIDES_FROM, FAR, Verdict, judge
from worldsim.memory.planes import (
    FLYING,
    FRINGE,
    Planes,
    around,
    fit_planes,
    rotated,
    surfels_in_view,
)
from worldsim.precision import full_precision
from worldsim.types import SKY_DEPTH_M

__all__ = ["Hint", "Sources", "reproject"]

LAYER_STEP = 0.07  # how far behind the first layer the second one starts, relative
COARSER = 4  # each of the coarser pictures than the one before
COARSE_SCALES = (4, 16)  # fine pixels along one side of theirs
HOLE_STEP = 1.1  # a pixel this many times farther than its neighbours may be a hole
HOLE_NEIGHBOURS = 5  # of 8 that must be nearer
SPECK_RELATIVE, SPECK_PER_M = 0.2, 0.004  # inverse depths farther apart are not one surface
CROWD_PX, CROWDED = 8, 0.12  # side of a square, and the share of specks in it that is too much
NOTHING = -1.0  # in place of the inverse depth where nothing is seen
PREVAILS = (
    0.4  # confidence from which on what was really seen is shown, whatever was dreamed before it
)
DOUBT_WEIGHT = 0.2  # of a colour tap beside a silhouette
CPU_CHUNK = 2  # worlds at a time on a CPU, so that intermediates stay in its cache


@torch.no_grad()
@full_precision
def reproject(
    sources: Sources,
    target_world_from_camera: Tensor,  # [B, 4, 4] float32
    intrinsics: Intrinsics,
    planes: Planes | None = None,
    *,
    mixed: bool = True,
) -> Hint:
    """Shows recalled frames from a new pose; a pure function, on the device of its inputs.

    Newer frames win where the world was edited: what they look through is dropped, and what they
    see in front hides the rest. Confidence is the best supporter's trust times the trust-weighted
    share of votes for the point, reduced where the source saw it at less than 2/3 of the target's
    resolution. Pixels without confidence are 0 in all outputs.

    Args:
        planes: the `fit_planes` of the sources' depths spare that work where they are known.
        mixed: sources that are all dreams, or none of which is one, spare work, too.
    """
    batch = sources.depth.shape[0]
    if sources.depth.device.type != "cpu":
        return _reproject(sources, planes, target_world_from_camera, intrinsics, mixed=mixed)
    parts = [slice(start, start + CPU_CHUNK) for start in range(0, batch, CPU_CHUNK)]
    with one_thread():
        hints = [
            _reproject(
                sources.worlds(part),
                planes and planes.worlds(part),
                target_world_from_camera[part],
                intrinsics,
                mixed=mixed,
            )
            for part in parts
        ]
    return Hint(
        torch.cat([hint.rgb for hint in hints]),
        torch.cat([hint.depth for hint in hints]),
        torch.cat([hint.confidence for hint in hints]),
    )


def _reproject(
    sources: Sources,
    planes: Planes | None,
    target_world_from_camera: Tensor,  # [B, 4, 4]
    intrinsics: Intrinsics,
    *,
    mixed: bool,
) -> Hint:
    height, width = intrinsics.height, intrinsics.width
    rays_3P = rearrange(pixel_rays(intrinsics, sources.depth.device), "h w c -> c (h w)")
    target_from_source = invert_rigid(target_world_from_camera)[:, None] @ sources.world_from_camera
    source_from_target = invert_rigid(target_from_source)
    rays = rotated(source_from_target[..., :3, :3], rays_3P)  # [B, K, 3, P]
    translation = source_from_target[..., :3, 3]

    planes = planes or fit_planes(sources.depth)
    inquiry = _Inquiry(rays, translation, planes, sources, intrinsics)
    surfels = surfels_in_view(planes, target_from_source, rays_3P, sources.valid, intrinsics)
    clear = _drawn(surfels, positive(FRINGE - planes.doubt.flatten(1)))
    nearest = _nearest(clear, height, width)
    layer = _Layer(nearest, inquiry.about(nearest))
    if mixed:
        layer = _with_sure_surfaces(layer, clear, inquiry)
    layer = _with_those_behind(layer, surfels, inquiry)
    return _render(layer, planes, sources, intrinsics)


@dataclass(frozen=True, slots=True)
class _Inquiry:
    """What the surfaces of a view are judged by."""

    rays: Tensor  # [B, K, 3, P] of the target, in the axes of each source
    translation: Tensor  # [B, K, 3]
    planes: Planes
    sources: Sources
    intrinsics: Intrinsics

    def about(
        self,
        w: Tensor,  # [B, M] inverse depth
        pixels: Tensor | None = None,  # [B, M] int64; all without it
    ) -> Verdict:
        rays = self.rays
        if pixels is not None:
            rays = rays.gather(3, pixels[:, None, None].expand(-1, *rays.shape[1:3], -1))
        return judge(w, rays, self.translation, self.planes, self.sources, self.intrinsics)


@dataclass(frozen=True, slots=True)
class _Layer:
    """A surface for each pixel of the target view, and what the sources say about it."""

    w: Tensor  # [B, P] inverse depth, 0 where there is none
    verdict: Verdict

    def revised(
        self,
        pixels: Tensor,  # [B, M] int64
        w: Tensor,  # [B, M]
        verdict: Verdict,  # of M
        stays: Tensor,  # [B, M] bool: of these pixels, where all is left as it was
    ) -> _Layer:
        def either(old: Tensor, new: Tensor) -> Tensor:
            return old.scatter(1, pixels, torch.where(stays, old.gather(1, pixels), new))

        names = [field.name for field in fields(Verdict)]
        parts = (either(getattr(self.verdict, name), getattr(verdict, name)) for name in names)
        return _Layer(either(self.w, w), Verdict(*parts))


def _with_sure_surfaces(layer: _Layer, surfels: Surfels, inquiry: _Inquiry) -> _Layer:
    """Shows what was really seen, or touched by a hand, through the dreams that hide it.

    They were made up where nobody had looked, by one who did not know what stands behind.
    """
    height, width = inquiry.intrinsics.height, inquiry.intrinsics.width
    trust = inquiry.sources.trust[..., None].expand(-1, -1, height * width).flatten(1)
    is_sure = (trust > DECIDES_FROM) & (surfels.radius > 0)
    sure = _picked(_drawn(surfels, is_sure.to(trust.dtype)), compact(is_sure))
    w = _nearest(sure, height, width)
    is_hidden = (w > 0) & (w < (1 - LAYER_STEP) * layer.w)
    pixels = compact(is_hidden)
    w = w.gather(1, pixels)
    verdict = inquiry.about(w, pixels)
    stays = (verdict.confidence < PREVAILS) | ~is_hidden.gather(1, pixels)
    return layer.revised(pixels, w, verdict, stays)


def _with_those_behind(layer: _Layer, surfels: Surfels, inquiry: _Inquiry) -> _Layer:
    """Where a surface did not stand, what lies behind it."""
    again = compact(layer.verdict.confidence <= 0)
    behind = _second_layer(surfels, inquiry.planes, layer.w, again, inquiry.intrinsics)
    stood = layer.verdict.confidence.gather(1, again) > 0
    return layer.revised(again, behind, inquiry.about(behind, again), stood)


def _nearest(
    surfels: Surfels,  # [B, N]
    height: int,
    width: int,
) -> Tensor:  # [B, P] inverse depth, 0 where there is none
    points = _drawn(surfels, 1 - positive(surfels.radius - COARSE_SCALES[0]))
    fine = close_holes(splat(points, height=height, width=width))
    return _without_gaps(fine, surfels).flatten(1)


def _without_gaps(
    w: Tensor,  # [B, H, W] inverse depth of the surfels, drawn as points
    surfels: Surfels,
) -> Tensor:  # [B, H, W]
    """Draws what is seen so near that its source's pixels lie far apart, whole.

    Between its points one would see what stands behind. Coarser pictures take larger footprints;
    bilinear in inverse depth, they are exact on planes.
    """
    wide = _picked(surfels, compact(surfels.radius > COARSE_SCALES[0] / COARSER))
    for scale in COARSE_SCALES:
        most = scale if scale < COARSE_SCALES[-1] else FAR
        taken = positive(wide.radius - scale / COARSER) * positive(most - wide.radius)
        whole = _drawn_coarsely(_drawn(wide, taken), scale, w.shape[1:])
        w = torch.where(w < (1 - LAYER_STEP) * whole, whole, w)
    return w


def _drawn_coarsely(
    surfels: Surfels, scale: int, size: Sequence[int]
) -> Tensor:  # [B, H, W] inverse depth, 0 where there is none
    height, width = (-(-side // scale) for side in size)
    coarse = splat(_coarser(surfels, scale), height=height, width=width)
    both = torch.stack((coarse, positive(coarse)), dim=1)
    inside = F.interpolate(both[:, 1:], scale_factor=scale)[:, 0]
    total, share = F.interpolate(
        both, scale_factor=scale, mode="bilinear", align_corners=False
    ).unbind(1)
    return (inside * total / share.clamp(min=1e-6))[:, : size[0], : size[1]]


def _coarser(surfels: Surfels, scale: int) -> Surfels:
    """The same patches in a picture of larger pixels."""
    return Surfels(
        surfels.x / scale,
        surfels.y / scale,
        surfels.inverse_depth,
        surfels.slope_x * scale,
        surfels.slope_y * scale,
        surfels.radius / scale,
    )


def _second_layer(
    surfels: Surfels,  # [B, K*P]
    planes: Planes,
    nearest: Tensor,  # [B, P] inverse depth of the first layer
    again: Tensor,  # [B, M] the pixels where it did not stand
    intrinsics: Intrinsics,
) -> Tensor:  # [B, M] inverse depth
    """What lies behind a first layer that failed.

    A gap is offered the fringes that it lacked, else the surface around it: where no source sees
    the sky through it, it was only seen too coarsely.
    """
    height, width = intrinsics.height, intrinsics.width
    failed = torch.zeros_like(nearest).scatter_(1, again, 1.0)
    reach = around(torch.maximum, F.pad(failed.view(-1, height, width), (1, 1, 1, 1)))
    column = surfels.x.clamp(-1, width).floor() + 1
    row = surfels.y.clamp(-1, height).floor() + 1
    is_near = reach.flatten(1).gather(1, (row * (width + 2) + column).long())
    is_near = is_near * positive(surfels.radius) * positive(FLYING - planes.doubt.flatten(1))
    ceiling = torch.where(nearest > 0, (1 - LAYER_STEP) * nearest, torch.inf)
    layer = splat(
        _picked(_drawn(surfels, is_near), compact(is_near > 0)),
        height=height,
        width=width,
        ceiling=ceiling.view(-1, height, width),
    )
    layer = layer.flatten(1)
    beside = _farthest_around(nearest.view(-1, height, width)).flatten(1)
    return torch.where((layer > 0) | (nearest > 0), layer, beside).gather(1, again)


def compact(
    mask: Tensor,  # [B, P] bool
) -> Tensor:  # [B, M] int64 where it is true, padded with zeros to the fullest row
    """For work that is idempotent: a padded 0 may repeat a pixel or add one that needs no work."""
    if len(mask) == 1:
        return mask[0].nonzero()[None, :, 0]
    place = mask.cumsum(1)
    most = int(place[:, -1].max()) if mask.shape[1] else 0
    place = torch.where(mask, place - 1, most)
    everywhere = torch.arange(mask.shape[1], device=mask.device).expand_as(place)
    return place.new_zeros(len(mask), most + 1).scatter_(1, place, everywhere)[:, :most]


def _picked(surfels: Surfels, index: Tensor) -> Surfels:  # index [B, M]
    parts = (getattr(surfels, field.name).gather(1, index) for field in fields(Surfels))
    return Surfels(*parts)


def _drawn(surfels: Surfels, mask: Tensor) -> Surfels:  # mask [B, P] 1 or 0
    return replace(surfels, radius=(surfels.radius + 1) * mask - 1)


def _farthest_around(
    w: Tensor,  # [B, H, W] inverse depth
) -> Tensor:  # [B, H, W] smallest of the 3x3 pixels around that is not 0, else 0
    smallest = around(torch.minimum, w + FAR * (1 - positive(w)))
    return smallest * positive(0.5 * FAR - smallest)


def close_holes(
    w: Tensor,  # [B, H, W] inverse depth
) -> Tensor:  # [B, H, W]
    """Gives a pixel that most neighbours are nearer than the farthest of their depths."""
    around_w = F.unfold(F.pad(w[:, None], (1, 1, 1, 1), mode="replicate"), 3)  # [B, 9, P]
    centre = w.flatten(1)
    nearer = positive(around_w - HOLE_STEP * centre[:, None])
    is_hole = positive(nearer.sum(1) - (HOLE_NEIGHBOURS - 0.5))
    farthest = (around_w + FAR * (1 - nearer)).amin(1)
    return (centre + is_hole * (farthest - centre)).view_as(w)


def _render(
    layer: _Layer,
    planes: Planes,
    sources: Sources,
    intrinsics: Intrinsics,
) -> Hint:
    w, verdict = layer.w, layer.verdict
    rgb = _sample_colour(verdict, planes, sources.rgb, intrinsics)
    confidence = verdict.confidence * _holds_together(w, verdict.confidence, intrinsics)
    known = confidence > 0
    depth = torch.where(w > 1 / SKY_DEPTH_M, w.clamp(min=1 / SKY_DEPTH_M).reciprocal(), SKY_DEPTH_M)
    shape = {"h": intrinsics.height, "w": intrinsics.width}
    return Hint(
        rearrange(rgb * known[:, None], "b c (h w) -> b c h w", **shape),
        rearrange(depth * known, "b (h w) -> b h w", **shape),
        rearrange(confidence, "b (h w) -> b h w", **shape),
    )


def _holds_together(
    w: Tensor,  # [B, P] inverse depth in the target view
    confidence: Tensor,  # [B, P]
    intrinsics: Intrinsics,
) -> Tensor:  # [B, P] 1, but 0 for specks and where there are many
    """What is seen so near that its source's pixels lie far apart, or where sources disagree.

    A speck is a pixel around which others show another surface or nothing. Where many are, not
    one of the pixels can be believed, and the whole is better imagined anew.
    """
    seen = torch.where(confidence > 0, w, NOTHING).view(-1, intrinsics.height, intrinsics.width)
    wide = F.pad(seen[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    beside = (wide[:, 1:-1, :-2], wide[:, 1:-1, 2:], wide[:, :-2, 1:-1], wide[:, 2:, 1:-1])
    reach = SPECK_RELATIVE * seen.abs() + SPECK_PER_M
    others = torch.stack([positive((one - seen).abs_() - reach) for one in beside]).sum(0)
    is_alone = positive(others - 3.5)
    is_odd = positive(others - 2.5) * positive(confidence).view_as(seen)
    crowd = F.avg_pool2d(is_odd[:, None], CROWD_PX, ceil_mode=True)
    together = F.interpolate(positive(CROWDED - crowd), scale_factor=CROWD_PX)[:, 0]
    together = together[:, : intrinsics.height, : intrinsics.width]
    return ((1 - is_alone) * together).flatten(1)


def _sample_colour(
    verdict: Verdict,
    planes: Planes,
    rgb: Tensor,  # [B, K, 3, H, W]
    intrinsics: Intrinsics,
) -> Tensor:  # [B, 3, P]
    """Bilinear colour from each pixel's best source, of taps on the same surface only."""
    height, width = intrinsics.height, intrinsics.width
    pixels = height * width
    left = (verdict.x + (width / 2 - 0.5)).clamp_(0, width - 1)
    top = (verdict.y + (height / 2 - 0.5)).clamp_(0, height - 1)
    column, row = left.floor().clamp_(max=width - 2), top.floor().clamp_(max=height - 2)
    right_share, lower_share = left - column, top - row
    corner = (row * width + column).long()
    tolerance = (0.1 * verdict.w).add_(0.1).mul_(verdict.w).add_(1e-3)
    patch, doubt, colours = planes.patch.flatten(1), planes.doubt.flatten(1), rgb.flatten(1)
    total = torch.full_like(left, 1e-9)
    colour = left.new_zeros(3, *left.shape)
    for step_y, share_y in ((0, 1 - lower_share), (1, lower_share)):
        for step_x, share_x in ((0, 1 - right_share), (1, right_share)):
            pixel = corner + (step_y * width + step_x)
            first = torch.add(pixel, verdict.source, alpha=3 * pixels)
            slope_x, slope_y, level = (patch.gather(1, first + c * pixels) for c in range(3))
            w_seen = level.addcmul_(slope_x, verdict.x).addcmul_(slope_y, verdict.y)
            same_surface = positive(tolerance - w_seen.sub_(verdict.w).abs_())
            mixed = doubt.gather(1, pixel + verdict.source * pixels).clamp_(max=1)
            share = (share_x * share_y).add_(1e-6)
            weight = mixed.mul_(DOUBT_WEIGHT - 1).add_(1).mul_(same_surface).mul_(share)
            total += weight
            for c in range(3):
                colour[c].addcmul_(weight, colours.gather(1, first + c * pixels))
    return (colour / total).transpose(0, 1)
