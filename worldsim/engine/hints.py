"""From remembered RGB-D frames to the model's hint channels; training and play share this."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from worldsim.camera import Intrinsics, project, unproject
from worldsim.kernels.threads import one_thread
from worldsim.memory.hint import Sources
from worldsim.memory.planes import Planes, around, fit_planes
from worldsim.memory.reproject import reproject
from worldsim.model.picture import decode_depth, encode_depth
from worldsim.model.traced import traced

TRUST_REAL = 1.0
TRUST_DREAM = 0.6  # too little to contradict a real frame
TRUST_TOUCHED = 0.75  # of a dream just after the hand acted: enough to, the world was changed
TRUST_LAST = 0.3  # a dreamed last frame, resampled by nature, counts where nothing else does
IMAGINED = 0.05  # confidence of what was never seen, but imagined coarsely
NEAREST_M = 0.05  # nearer points, and those behind the camera, are not in view; from twice on, all
SAME_RELATIVE, SAME_PER_M = 0.1, 0.005  # inverse depths this close are the same surface
SAME_SOFTNESS = 0.1  # how gradually, so that rounding decides nothing
LITTLE = 0.25  # a share of a mix up to this counts as none, and from 1 - LITTLE on as all of it
RIM_PX = 0.25  # width of the last frame's border in which trust fades
HIDDEN = 0.05  # trust in a colour where the last frame shows another surface
FILL_SIDE_PX = 6  # the pyramid that fills unknown pixels ends below this side


@dataclass(frozen=True, slots=True)
class Remembered:
    """K remembered pictures for each of B targets."""

    pictures: Tensor  # [B, K, 4, H, W] in [-1, 1]
    poses: Tensor  # [B, K, 4, 4] world_from_camera
    trust: Tensor  # [B, K]
    age: Tensor  # [B, K] larger is older
    valid: Tensor  # [B, K] bool
    planes: Planes | None = None  # of the pictures' depths, where they are known already
    mixed: bool = True  # False where all of them are dreams, or none is


@dataclass(frozen=True, slots=True)
class Shown:
    """One frame as a source of hints."""

    picture: Tensor  # [4, H, W] in [-1, 1]
    planes: Planes  # of one source of one world


@traced
def show(picture: Tensor) -> Shown:
    """Fit the planes of a picture, as `make_hint` would."""
    return Shown(picture, fit_planes(decode_depth(picture[None, None, 3])))


def trust_of_last(is_real: bool) -> float:
    """How far the last frame is trusted as a source: a real one is as good as any keyframe."""
    return TRUST_REAL if is_real else TRUST_LAST


def make_hint(
    remembered: Remembered,
    target_poses: Tensor,  # [B, 4, 4] world_from_camera
    intrinsics: Intrinsics,
) -> tuple[Tensor, Tensor]:  # [B, 4, H, W] and [B, 1, H, W]
    """What memory shows at the target poses, as a picture and its confidence, 0 where unknown.

    Unknown pixels are filled smoothly from their surroundings: the model's residual then has to
    invent detail, not the mean (left empty, 250 training steps in, holes stayed grey and spread).
    """
    if len(target_poses) > 1:
        return _make_hint(remembered, target_poses, intrinsics)
    with one_thread():
        return _hint_of_one(remembered, target_poses, intrinsics)


def _make_hint(
    remembered: Remembered,
    target_poses: Tensor,  # [B, 4, 4]
    intrinsics: Intrinsics,
) -> tuple[Tensor, Tensor]:  # [B, 4, H, W] and [B, 1, H, W]
    sources = Sources(
        rgb=remembered.pictures[:, :, :3],
        depth=decode_depth(remembered.pictures[:, :, 3]),
        world_from_camera=remembered.poses,
        trust=remembered.trust,
        age=remembered.age,
        valid=remembered.valid,
    )
    hint = reproject(sources, target_poses, intrinsics, remembered.planes, mixed=remembered.mixed)
    picture = torch.cat((hint.rgb, encode_depth(hint.depth)[:, None]), dim=1)
    confidence = hint.confidence[:, None]
    return fill_unknown(picture, (confidence > 0).to(picture.dtype)), confidence


_hint_of_one = traced(_make_hint)


def with_imagined(
    hint: Tensor,  # [B, 4, H, W]
    confidence: Tensor,  # [B, 1, H, W]
    imagined: Tensor,  # [B, 4, h, w] a coarse picture of the same view
) -> tuple[Tensor, Tensor]:  # [B, 4, H, W] and [B, 1, H, W]
    """Fills what memory does not know with what was imagined there, and says so."""
    size = hint.shape[-2:]
    fine = F.interpolate(imagined, size=size, mode="bilinear", align_corners=False)
    known = confidence > 0
    return torch.where(known, hint, fine), torch.where(known, confidence, IMAGINED)


@traced
def moved_along(
    last: Tensor,  # [B, 4, H, W] the frame before
    last_poses: Tensor,  # [B, 4, 4] world_from_camera
    trust: Tensor,  # [B] of that frame, 0 for none
    hint: Tensor,  # [B, 4, H, W] what is to be seen now, whole
    poses: Tensor,  # [B, 4, 4] world_from_camera
    camera: Intrinsics,
) -> tuple[Tensor, Tensor]:  # [B, 4, H, W] and [B, 1, H, W]
    """The last frame, moved backward along the hint's surfaces; and how far it can be trusted.

    Its colours are mixed across silhouettes, as antialiasing mixed them, which the hint avoids. A
    mixed pixel moves with the nearer of its surfaces, so each takes the nearest depth around it.
    Bicubic sampling keeps them sharp. Source: Karis 2014, "High-quality temporal supersampling",
    on the motion of edges.
    """
    nearest = around(torch.maximum, hint[:, 3])
    points = unproject(decode_depth(nearest), poses, camera)
    pixels, depth = project(points, last_poses, camera)
    size = pixels.new_tensor((camera.width, camera.height))
    rim = torch.minimum(pixels, size - pixels).amin(dim=-1) / RIM_PX
    inside = rim.clamp(0.0, 1.0) * (depth / NEAREST_M - 1.0).clamp(0.0, 1.0)
    grid = (2.0 * pixels / size - 1.0).clamp(-2.0, 2.0)
    colour = F.grid_sample(
        last[:, :3], grid, mode="bicubic", padding_mode="border", align_corners=False
    )
    there = 1.0 / depth.clamp(min=NEAREST_M)
    share = _share_that_shows(there, 1.0 / decode_depth(last[:, 3]), pixels)
    agrees = ((share - LITTLE) / (1.0 - 2.0 * LITTLE)).clamp(HIDDEN, 1.0)
    confidence = trust[:, None, None] * inside * agrees
    return torch.cat((colour, hint[:, 3:]), dim=1), confidence[:, None]


def _share_that_shows(
    inverse: Tensor,  # [B, H, W] of the points' depths
    shown: Tensor,  # [B, h, w] inverse depths of a picture
    pixels: Tensor,  # [B, H, W, 2] where in it the points are
) -> Tensor:  # [B, H, W] from 0 to 1
    """How much of each bilinear mix is of the point's own surface.

    The nearest pixel alone would decide by rounding wherever a point falls between two.
    """
    (height, width), flat = shown.shape[1:], shown.flatten(1)
    corner = pixels - 0.5
    first = corner.floor()
    share = corner - first
    reach = SAME_RELATIVE * inverse + SAME_PER_M
    total = torch.zeros_like(inverse)
    for right, below in ((0, 0), (1, 0), (0, 1), (1, 1)):
        column = (first[..., 0] + right).clamp(0, width - 1).long()
        row = (first[..., 1] + below).clamp(0, height - 1).long()
        seen = flat.gather(1, (row * width + column).flatten(1)).view_as(inverse)
        agrees = ((1.0 - (seen - inverse).abs() / reach) / SAME_SOFTNESS + 1.0).clamp(0.0, 1.0)
        weight = (share - 1 + right).abs()[..., 0] * (share - 1 + below).abs()[..., 1]
        total += weight * agrees
    return total


def fill_unknown(
    picture: Tensor,  # [B, C, H, W]
    known: Tensor,  # [B, 1, H, W] 1 or 0
) -> Tensor:  # [B, C, H, W]
    """Unknown pixels from the means of ever larger neighbourhoods (push-pull; Gortler et al. 1996).

    A picture of which nothing is known is 0 everywhere.
    """
    total, height, width = picture * known, *picture.shape[-2:]
    mean = total / known.clamp(min=1e-6)
    if min(height, width) < FILL_SIDE_PX or height % 2 or width % 2:
        weight = known.sum(dim=(2, 3), keepdim=True)
        rest = total.sum(dim=(2, 3), keepdim=True) / weight.clamp(min=1e-6)
    else:
        share = F.avg_pool2d(known, 2)
        half = F.avg_pool2d(total, 2) / share.clamp(min=1e-6)
        coarse = fill_unknown(half, (share > 0).to(picture.dtype))
        rest = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
    return torch.where(known > 0, mean, rest)
