"""Dreamed surfaces settle on the lattice of a world of cells.

Errors of a dreamed depth add up from frame to frame: ground rises and sinks, walls bend. Where
surfaces can only lie on whole metres, each frame's error is corrected before it is built on, as in
a code of few words. A facet that faces an axis of the world, roughly, and lies near a whole metre
along it is moved there: of true depths in the block world nine in ten, by 0.1 % (mean); of depths
that are off by 2 % each, half of what the facets have left of the error is gone.

Whether a world has cells is not assumed. What it is begun with tells (`has_cells`); the surfaces of
others stay where they are. The simple stage that a picture is given counts as cells.
Source: Coughlan & Yuille 1999, "Manhattan World", on facing the axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from worldsim.camera import Intrinsics, pixel_rays, pose_matrices
from worldsim.engine.facets import Facets, facets_of
from worldsim.memory.planes import inverse_depth, rotated
from worldsim.model.picture import decode_depth, encode_depth
from worldsim.model.traced import traced
from worldsim.precision import full_precision
from worldsim.types import Observation

CELL_M = 1.0  # side of a cell
FACING = 0.92  # cosine of the largest angle between a facet's normal and an axis: 23 degrees
NEAR_M = 0.35  # from a whole metre: what is farther from one may belong to the next
MOST_MOVED = 0.2  # of its inverse depth
EXACT_M = 0.05  # surfaces this near to a whole metre lie on it
LAND_M = 20.0  # farther facets of true frames tell nothing
MOST_EXACT = 0.5  # share of the facets from which on a world has cells; by chance, 0.1 are exact
MOST_FRAMES = 8  # that are asked for it
LEAST_M = 1e-3  # from the eye to a face; 1/m of a facet


class _Faces(NamedTuple):
    """The face of a cell that each facet may be, along the axis that it faces most."""

    w: Tensor  # [B, 1, H, W] the face's inverse depth
    away_m: Tensor  # [B, 1, H, W] from the facet to the face
    is_facing: Tensor  # [B, 1, H, W] bool, whether it faces the axis at all


@traced
@full_precision
def aligned(
    pictures: Tensor,  # [B, 4, H, W] in [-1, 1]
    poses: Tensor,  # [B, 4, 4] world_from_camera
    camera: Intrinsics,
    has_cells: Tensor,  # [B] bool
) -> Tensor:  # [B, 4, H, W]
    """The pictures with their depths made of facets, on the lattice if their world has one.

    Colours, and skies, stay as they are.
    """
    code = pictures[:, 3:]
    facets = facets_of(inverse_depth(decode_depth(code)))
    faces = _faces(facets, poses, camera)
    moves = has_cells[:, None, None, None] & faces.is_facing & (faces.away_m < NEAR_M)
    moves = moves & ((faces.w - facets.w).abs() < MOST_MOVED * facets.w)
    w = torch.where(moves, faces.w, facets.w)
    depth = torch.where(facets.is_flat, w, 1.0).reciprocal()
    return torch.cat((pictures[:, :3], torch.where(facets.is_flat, encode_depth(depth), code)), 1)


def has_cells(frames: Sequence[Observation], camera: Intrinsics) -> bool:
    """Whether the surfaces of true frames lie on whole metres."""
    chosen = np.unique(np.linspace(0, len(frames) - 1, MOST_FRAMES).astype(int))
    some = [frames[i] for i in chosen]
    depth = torch.from_numpy(np.stack([seen.depth for seen in some]).astype(np.float32))[:, None]
    poses = torch.from_numpy(pose_matrices([seen.pose for seen in some]))
    facets = facets_of(inverse_depth(depth))
    faces = _faces(facets, poses, camera)
    tells = facets.is_flat & faces.is_facing & (facets.w > 1.0 / LAND_M)
    is_exact = tells & (faces.away_m < EXACT_M)
    return int(is_exact.sum()) > MOST_EXACT * int(tells.sum())


def _faces(
    facets: Facets,
    poses: Tensor,  # [B, 4, 4] world_from_camera
    camera: Intrinsics,
) -> _Faces:
    """On a plane, inverse depth is the normal's product with a pixel's ray, up to the scale."""
    rays = pixel_rays(camera, facets.w.device).movedim(-1, 0)
    right, up = camera.focal_x_px * facets.slope_x, -camera.focal_px * facets.slope_y
    w = facets.w.clamp(min=LEAST_M)
    backward = right * rays[0] + up * rays[1] - w
    turn = poses[:, :3, :3]
    normal = _turned(turn, torch.cat((right, up, backward), dim=1))
    along = _turned(turn, rays[None])
    most, axis = normal.abs().max(dim=1, keepdim=True)
    eye = poses[:, :3, 3][..., None, None].expand_as(along).gather(1, axis)
    along = along.gather(1, axis)
    place = eye + along / w
    face = CELL_M * (place / CELL_M).round()
    to_face = face - eye
    to_face = torch.where(to_face.abs() < LEAST_M, LEAST_M, to_face)
    is_facing = most.square() > FACING**2 * normal.square().sum(dim=1, keepdim=True)
    return _Faces(along / to_face, (face - place).abs(), is_facing)


def _turned(
    world_from_camera: Tensor,  # [B, 3, 3]
    vectors: Tensor,  # [B or 1, 3, H, W]
) -> Tensor:  # [B, 3, H, W]
    return rotated(world_from_camera, vectors.flatten(2)).unflatten(2, vectors.shape[-2:])
