"""The geometry hint: recalled RGB-D frames, seen again from a new camera.

Image-based rendering in two stages, so that colours are resampled once and never blended:
depth forward (`planes`, `kernels.splat`), then colour backward from the best source (`judge`).
Where a point of the nearest layer is carved or unsupported, the layer behind it is tried.
Shape letters as in `worldsim.types`; P is the number of pixels.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from worldsim.camera import Intrinsics, invert_rigid, pixel_rays
from worldsim.kernels.splat import Surfels, splat
from worldsim.memory.hint import Hint, Sources
from worldsim.memory.judge import Verdict, judge
from worldsim.memory.planes import FLYING, FRINGE, Planes, fit_planes, surfels_in_view
from worldsim.types import SKY_DEPTH_M

__all__ = ["Hint", "Sources", "reproject"]

LAYER_STEP = 0.07  # how far behind the first layer the second one starts, relative
HOLE_STEP = 1.1  # a pixel this many times farther than its neighbours may be a hole
HOLE_NEIGHBOURS = 5  # of 8 that must be nearer
DOUBT_WEIGHT = 0.2  # of a colour tap beside a silhouette
CPU_CHUNK = 2  # worlds at a time on a CPU, so that intermediates stay in its cache


@torch.no_grad()
def reproject(
    sources: Sources,
    target_world_from_camera: Tensor,  # [B, 4, 4] float32
    intrinsics: Intrinsics,
) -> Hint:
    """Shows recalled frames from a new pose; a pure function, on the device of its inputs.

    Newer frames win where the world was edited: what they look through is dropped, and what they
    see in front hides the rest. Confidence is the best supporter's trust times the trust-weighted
    share of votes for the point, reduced where the source saw it at less than 2/3 of the target's
    resolution. Pixels without confidence are 0 in all outputs.
    """
    batch = sources.depth.shape[0]
    if sources.depth.device.type != "cpu" or batch <= CPU_CHUNK:
        return _reproject(sources, target_world_from_camera, intrinsics)
    parts = [slice(start, start + CPU_CHUNK) for start in range(0, batch, CPU_CHUNK)]
    hints = [
        _reproject(sources.worlds(part), target_world_from_camera[part], intrinsics)
        for part in parts
    ]
    return Hint(
        torch.cat([hint.rgb for hint in hints]),
        torch.cat([hint.depth for hint in hints]),
        torch.cat([hint.confidence for hint in hints]),
    )


def _reproject(
    sources: Sources,
    target_world_from_camera: Tensor,  # [B, 4, 4]
    intrinsics: Intrinsics,
) -> Hint:
    height, width = intrinsics.height, intrinsics.width
    rays_3P = rearrange(pixel_rays(intrinsics, sources.depth.device), "h w c -> c (h w)")
    target_from_source = invert_rigid(target_world_from_camera)[:, None] @ sources.world_from_camera
    source_from_target = invert_rigid(target_from_source)
    rotated = source_from_target[..., :3, :3] @ rays_3P  # [B, K, 3, P]
    translation = source_from_target[..., :3, 3]

    planes = fit_planes(sources.depth)
    surfels = surfels_in_view(planes, target_from_source, rays_3P, sources.valid, intrinsics)
    doubt = planes.doubt.flatten(1)
    nearest = close_holes(splat(_below(FRINGE, doubt, surfels), height=height, width=width))
    # A gap's second chance is the fringes, which are not drawn at first.
    ceiling = torch.where(nearest > 0, (1 - LAYER_STEP) * nearest, torch.inf)
    surfels = _below(FLYING, doubt, surfels)
    behind = splat(surfels, height=height, width=width, ceiling=ceiling)
    first, second = (
        judge(layer.flatten(1), rotated, translation, planes, sources, intrinsics)
        for layer in (nearest, behind)
    )
    w = torch.where(first.confidence > 0, nearest.flatten(1), behind.flatten(1))
    return _render(w, _either(first, second), planes, sources, intrinsics)


def _below(limit: int, doubt: Tensor, surfels: Surfels) -> Surfels:
    """Only the surfels with less doubt than the limit."""
    return replace(surfels, radius=surfels.radius.masked_fill(doubt >= limit, -1.0))


def close_holes(
    w: Tensor,  # [B, H, W] inverse depth
) -> Tensor:  # [B, H, W]
    """Gives a pixel that most neighbours are nearer than the farthest of their depths."""
    around = F.unfold(F.pad(w[:, None], (1, 1, 1, 1), mode="replicate"), 3)  # [B, 9, P]
    nearer = around > HOLE_STEP * w.flatten(1)[:, None]
    is_hole = nearer.sum(1) >= HOLE_NEIGHBOURS
    farthest = torch.where(nearer, around, torch.inf).amin(1)
    return torch.where(is_hole, farthest, w.flatten(1)).view_as(w)


def _either(first: Verdict, second: Verdict) -> Verdict:
    """The first verdict where it stands, else the second."""
    stands = first.confidence > 0
    return Verdict(
        torch.where(stands, first.confidence, second.confidence),
        torch.where(stands, first.source, second.source),
        torch.where(stands, first.x, second.x),
        torch.where(stands, first.y, second.y),
        torch.where(stands, first.w, second.w),
    )


def _render(
    w: Tensor,  # [B, P] inverse depth in the target view
    verdict: Verdict,
    planes: Planes,
    sources: Sources,
    intrinsics: Intrinsics,
) -> Hint:
    rgb = _sample_colour(verdict, planes, sources.rgb.flatten(3), intrinsics)
    known = verdict.confidence > 0
    depth = torch.where(w > 1 / SKY_DEPTH_M, w.clamp(min=1 / SKY_DEPTH_M).reciprocal(), SKY_DEPTH_M)
    shape = {"h": intrinsics.height, "w": intrinsics.width}
    return Hint(
        rearrange(rgb * known[:, None], "b c (h w) -> b c h w", **shape),
        rearrange(depth * known, "b (h w) -> b h w", **shape),
        rearrange(verdict.confidence, "b (h w) -> b h w", **shape),
    )


def _sample_colour(
    verdict: Verdict,
    planes: Planes,
    rgb: Tensor,  # [B, K, 3, P]
    intrinsics: Intrinsics,
) -> Tensor:  # [B, 3, P]
    """Bilinear colour from each pixel's best source, of taps on the same surface only."""
    height, width = intrinsics.height, intrinsics.width
    pixels = height * width
    rgb_B3F = rearrange(rgb, "b k c p -> b c (k p)")
    w, slope_x, slope_y = (part.flatten(1) for part in (planes.w, planes.slope_x, planes.slope_y))
    left, top = (verdict.x - 0.5).floor(), (verdict.y - 0.5).floor()
    tolerance = 0.1 * verdict.w + 0.1 * verdict.w**2 + 1e-3
    doubt = planes.doubt.flatten(1)
    colour: Tensor | float = 0.0
    total: Tensor | float = 1e-9
    for step_y in (0, 1):
        row = (top + step_y).clamp(0, height - 1)
        dy = verdict.y - 0.5 - row
        for step_x in (0, 1):
            column = (left + step_x).clamp(0, width - 1)
            dx = verdict.x - 0.5 - column
            index = verdict.source * pixels + (row * width + column).long()
            seen = (
                w.gather(1, index) + slope_x.gather(1, index) * dx + slope_y.gather(1, index) * dy
            )
            weight = (1 - dx.abs()).clamp(min=1e-6) * (1 - dy.abs()).clamp(min=1e-6)
            weight = weight * ((seen - verdict.w).abs() < tolerance)
            weight = weight * torch.where(doubt.gather(1, index) > 0, DOUBT_WEIGHT, 1.0)
            taps = rgb_B3F.gather(2, index[:, None].expand(-1, 3, -1))
            colour = colour + weight[:, None] * taps
            total = total + weight
    return colour / total[:, None]  # type: ignore[index]
