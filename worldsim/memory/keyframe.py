"""What memory keeps of one frame, and its sparse points for finding it again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldsim.camera import Intrinsics, pose_matrix
from worldsim.types import SKY_DEPTH_M, Pose

GRID_W, GRID_H = 16, 10  # sparse points of a keyframe
SIGHT_M = 64.0  # farther points are not worth finding again


@dataclass(frozen=True, slots=True, eq=False)
class Keyframe:
    """One remembered RGB-D frame; immutable, its arrays are read-only."""

    rgb: NDArray[np.uint8]  # [H, W, 3]
    depth: NDArray[np.float16]  # [H, W] metres, SKY_DEPTH_M where sky, 0 where nothing is known
    pose: Pose
    frame: int  # tick at which it was seen
    trust: float  # in (0, 1]; 1 = a real frame

    @property
    def nbytes(self) -> int:
        return self.rgb.nbytes + self.depth.nbytes


def forward_axis(
    world_from_camera: NDArray[np.float32],  # [4, 4]
) -> NDArray[np.float32]:  # [3]
    return -world_from_camera[:3, 2]


def grid_points(
    depth: NDArray[np.floating],  # [..., H, W] metres
    intrinsics: Intrinsics,
) -> tuple[
    NDArray[np.float32], NDArray[np.float32]
]:  # [..., P, 3] in the camera's axes; [..., P] m
    """The surface points at the centres of a coarse grid, and their depths."""
    height, width = depth.shape[-2:]
    rows = ((np.arange(GRID_H) + 0.5) * height / GRID_H).astype(int)
    columns = ((np.arange(GRID_W) + 0.5) * width / GRID_W).astype(int)
    z = depth[..., rows[:, None], columns].astype(np.float32)
    z = z.reshape(*depth.shape[:-2], GRID_H * GRID_W)
    x = np.tile((columns + 0.5 - width / 2) / intrinsics.focal_px, GRID_H)
    y = np.repeat((height / 2 - rows - 0.5) / intrinsics.focal_px, GRID_W)
    return np.stack((x * z, y * z, -z), axis=-1).astype(np.float32), z


def sparse_points(
    depth: NDArray[np.floating],  # [H, W] metres
    pose: Pose,
    intrinsics: Intrinsics,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:  # [P, 3] world points, [P] their depths, m
    """The points of the grid that are worth finding again: no sky, no holes."""
    points, z = grid_points(depth, intrinsics)
    seen = (z > 0.0) & (z < SIGHT_M) & (z < 0.5 * SKY_DEPTH_M)
    world_from_camera = pose_matrix(pose)
    return points[seen] @ world_from_camera[:3, :3].T + world_from_camera[:3, 3], z[seen]
