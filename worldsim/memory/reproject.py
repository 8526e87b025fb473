"""The geometry hint: recalled RGB-D frames, seen again from a new camera.

Image-based rendering in two stages, so that colours are resampled once and never blended.

1. Depth forward: each source pixel becomes a planar surfel and is splatted into the target view.
   Everything is done in inverse depth `w = 1/depth`, which is affine on planes and 0 for the sky.
2. Colour backward: each target pixel asks every source what it sees at that point. A source
   supports the point (same depth), looks through it (carves it), or is occluded (no vote). The
   best supporter gives the colour. Where a point is carved, the next layer behind it is tried.

Camera algebra: pixel ray r = (x, y, -1), point P = r / w, source plane n . P = 1 with n . r = w.
For a motion P' = R P + t this gives P' w = R r + w t, and the same plane seen from the new camera
n' = R n / (1 + (R n) . t), whose denominator is the ratio of the two distances from the plane.
Shape letters as in `worldsim.types`; P is the number of pixels, M a subset of them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from worldsim.camera import Intrinsics, invert_rigid, pixel_rays
from worldsim.errors import ConfigError
from worldsim.kernels.splat import MAX_RADIUS_PX, Surfels, splat
from worldsim.types import SKY_DEPTH_M

NEAR_M = 0.05  # nearer surfaces are treated as being this far away
MIN_SCALE = 0.02  # smallest ratio of depths between two cameras; less is beside or behind the eye
SLOPE_LIMIT = 0.5  # a surfel's relative change of inverse depth over one pixel
EDGE_STEP = 0.12  # relative step of inverse depth that makes a silhouette
FOOTPRINT_PX = 0.2  # overlap of neighbouring footprints, so that surfaces stay closed
LAYER_STEP = 0.07  # how far behind the first layer the second one starts, relative
SUPPORT_RELATIVE, SUPPORT_M = 0.04, 0.05  # depths this close are the same surface
CARVE_RELATIVE, CARVE_M = 0.10, 0.10  # depths beyond this are seen through
SKY_TOLERANCE = 5e-4  # 1/m; below this inverse depth a point cannot be told from the sky
CPU_CHUNK = 2  # worlds at a time on a CPU, so that intermediates stay in its cache


@dataclass(frozen=True, slots=True)
class Sources:
    """K recalled frames for each of B targets."""

    rgb: Tensor  # [B, K, 3, H, W] float32 in [-1, 1]
    depth: Tensor  # [B, K, H, W] float32 metres, SKY_DEPTH_M where sky
    world_from_camera: Tensor  # [B, K, 4, 4] float32
    trust: Tensor  # [B, K] float32 in (0, 1]; 1 = a real frame
    age: Tensor  # [B, K] float32, larger is older
    valid: Tensor  # [B, K] bool, False for padding

    def __post_init__(self) -> None:
        if self.rgb.ndim != 5 or self.rgb.shape[:2] + self.rgb.shape[3:] != self.depth.shape:
            raise ConfigError(
                "rgb [B, K, 3, H, W] beside depth [B, K, H, W]",
                f"{tuple(self.rgb.shape)} and {tuple(self.depth.shape)}",
                "Stack the recalled frames of each world along the second axis.",
            )


@dataclass(frozen=True, slots=True)
class Hint:
    """What memory shows at the target pose."""

    rgb: Tensor  # [B, 3, H, W] float32 in [-1, 1], 0 where unknown
    depth: Tensor  # [B, H, W] float32 metres, SKY_DEPTH_M where sky, 0 where unknown
    confidence: Tensor  # [B, H, W] float32 in [0, 1], 0 = unknown


@dataclass(frozen=True, slots=True)
class _Planes:
    """The source frames as planar patches in inverse depth, flattened over pixels."""

    w: Tensor  # [B, K, P] 1/m, 0 = sky
    slope_x: Tensor  # [B, K, P] per pixel right
    slope_y: Tensor  # [B, K, P] per pixel down
    nearest: Tensor  # [B, K, P] largest w of the 3x3 pixels around
    fringe: Tensor  # [B, K, P] bool, beside a nearer surface or between two: depth, colour suspect


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What the sources say about one hypothesis per pixel."""

    confidence: Tensor  # [B, M] 0 = unsupported or carved
    x: Tensor  # [B, M] pixel in the best source
    y: Tensor  # [B, M]
    w: Tensor  # [B, M] inverse depth as the best source should see it
    source: Tensor  # [B, M] int64 index of the best source


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
    resolution. Source: image-based rendering with per-pixel source selection, after Buehler et
    al. 2001 (Unstructured Lumigraph Rendering); free-space carving after Kutulakos & Seitz 2000.
    """
    batch = sources.depth.shape[0]
    if sources.depth.device.type != "cpu" or batch <= CPU_CHUNK:
        return _reproject(sources, target_world_from_camera, intrinsics)
    hints = [
        _reproject(
            Sources(*(getattr(sources, f.name)[i : i + CPU_CHUNK] for f in fields(Sources))),
            target_world_from_camera[i : i + CPU_CHUNK],
            intrinsics,
        )
        for i in range(0, batch, CPU_CHUNK)
    ]
    return Hint(*(torch.cat([getattr(hint, f.name) for hint in hints]) for f in fields(Hint)))


def _reproject(
    sources: Sources,
    target_world_from_camera: Tensor,  # [B, 4, 4]
    intrinsics: Intrinsics,
) -> Hint:
    height, width = intrinsics.height, intrinsics.width
    rays_3P = rearrange(pixel_rays(intrinsics, sources.depth.device), "h w c -> c (h w)")
    target_from_source = invert_rigid(target_world_from_camera)[:, None] @ sources.world_from_camera
    source_from_target = invert_rigid(target_from_source)

    planes = fit_planes(sources.depth, intrinsics)
    surfels = _move(planes, target_from_source, rays_3P, sources.valid, intrinsics)
    rotated_BK3P = source_from_target[..., :3, :3] @ rays_3P

    first = close_holes(splat(surfels, height=height, width=width))
    verdict = _judge(first.flatten(1), rotated_BK3P, source_from_target, planes, sources, intrinsics)
    return _colour(first.flatten(1), verdict, planes, sources, intrinsics)
