"""Cameras: intrinsics, poses as matrices, Plücker rays and projection.

Every convention is stated in `worldsim.types`. Pixel centres lie at +0.5. Depth is measured
along the view axis (z-depth), not along the ray.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import cos, sin

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from worldsim.errors import ConfigError
from worldsim.precision import full_precision
from worldsim.types import Pose

RAY_CHANNELS = 6
RAY_SCALE_M = 8.0  # Plücker moments are divided by this fixed length
POSES = 4096  # whose matrices are kept: those of keyframes are asked for at every tick


@dataclass(frozen=True, slots=True, kw_only=True)
class Intrinsics:
    """A pinhole camera with square pixels and its principal point in the centre."""

    width: int = 128
    height: int = 80
    fov_y_deg: float = 60.0

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1 or not 1.0 <= self.fov_y_deg <= 170.0:
            raise ConfigError(
                "a positive size and a vertical field of view of 1 to 170 degrees",
                f"{self.width}x{self.height}, {self.fov_y_deg}",
                "Correct the camera's intrinsics.",
            )

    @property
    def focal_px(self) -> float:
        return 0.5 * self.height / math.tan(math.radians(self.fov_y_deg) / 2)

    @property
    def focal_x_px(self) -> float:
        """Along the rows; as `focal_px`, since pixels are square."""
        return self.focal_px

    def resized(self, width: int, height: int) -> Intrinsics:
        """The same vertical field of view on another pixel grid."""
        return Intrinsics(width=width, height=height, fov_y_deg=self.fov_y_deg)


@lru_cache(maxsize=POSES)
def pose_matrix(pose: Pose) -> NDArray[np.float32]:  # [4, 4] world_from_camera, read-only
    """`world_from_camera` of a pose: turn by yaw about +y, then by pitch about camera x.

    Columns are the camera's right, up and backward axes and its position, in the world.
    """
    yaw, pitch = math.radians(pose.yaw_deg), math.radians(pose.pitch_deg)
    sin_yaw, cos_yaw, sin_pitch, cos_pitch = sin(yaw), cos(yaw), sin(pitch), cos(pitch)
    world_from_camera = np.array(
        (
            (cos_yaw, sin_yaw * sin_pitch, -sin_yaw * cos_pitch, pose.x),
            (0.0, cos_pitch, sin_pitch, pose.y),
            (sin_yaw, -cos_yaw * sin_pitch, cos_yaw * cos_pitch, pose.z),
            (0.0, 0.0, 0.0, 1.0),
        ),
        dtype=np.float32,
    )
    world_from_camera.flags.writeable = False
    return world_from_camera


def pose_matrices(poses: Sequence[Pose]) -> NDArray[np.float32]:  # [T, 4, 4] world_from_camera
    """Those of several poses."""
    return np.array([pose_matrix(pose) for pose in poses], dtype=np.float32).reshape(-1, 4, 4)


@full_precision
def composed(
    c_from_b: Tensor,  # [..., 4, 4]
    b_from_a: Tensor,  # [..., 4, 4]
) -> Tensor:  # [..., 4, 4] c_from_a
    return c_from_b @ b_from_a


@full_precision
def invert_rigid(
    b_from_a: Tensor,  # [..., 4, 4]
) -> Tensor:  # [..., 4, 4] a_from_b
    """The inverse of a rotation and translation, without a general matrix inverse."""
    rotation = b_from_a[..., :3, :3].transpose(-1, -2)
    a_from_b = torch.zeros_like(b_from_a)
    a_from_b[..., :3, :3] = rotation
    a_from_b[..., :3, 3:] = -rotation @ b_from_a[..., :3, 3:]
    a_from_b[..., 3, 3] = 1.0
    return a_from_b


def pixel_rays(
    intrinsics: Intrinsics,
    device: torch.device | str = "cpu",
) -> Tensor:  # [H, W, 3] float32, camera axes, z = -1
    """Directions through the pixel centres, scaled so that `depth * ray` is a camera point."""
    width, height, focal = intrinsics.width, intrinsics.height, intrinsics.focal_px
    x = (torch.arange(width, device=device) + 0.5 - width / 2) / intrinsics.focal_x_px
    y = (torch.arange(height, device=device) + 0.5 - height / 2) / -focal
    rays = torch.empty(height, width, 3, device=device)
    rays[..., 0], rays[..., 1], rays[..., 2] = x, y[:, None], -1.0
    return rays


@full_precision
def unproject(
    depth: Tensor,  # [..., H, W] metres along the view axis
    world_from_camera: Tensor,  # [..., 4, 4]
    intrinsics: Intrinsics,
) -> Tensor:  # [..., H, W, 3] world points, metres
    points = depth[..., None] * pixel_rays(intrinsics, depth.device)
    return _transform(world_from_camera, points)


@full_precision
def project(
    points: Tensor,  # [..., H, W, 3] world points, metres
    world_from_camera: Tensor,  # [..., 4, 4]
    intrinsics: Intrinsics,
) -> tuple[Tensor, Tensor]:  # [..., H, W, 2] pixels (x right, y down), [..., H, W] metres
    """Where world points fall in a camera. Points behind it get a negative depth."""
    camera = _transform(invert_rigid(world_from_camera), points)
    depth = -camera[..., 2]
    safe = torch.where(depth.abs() < 1e-6, torch.full_like(depth, 1e-6), depth)
    x = camera[..., 0] / safe * intrinsics.focal_px + intrinsics.width / 2
    y = intrinsics.height / 2 - camera[..., 1] / safe * intrinsics.focal_px
    return torch.stack((x, y), dim=-1), depth


@full_precision
def plucker_rays(
    world_from_camera: Tensor,  # [..., 4, 4]
    anchor_from_world: Tensor,  # [..., 4, 4]
    intrinsics: Intrinsics,
) -> Tensor:  # [..., H, W, 6] unit direction d, then moment o x d in units of RAY_SCALE_M
    """Plücker coordinates of every pixel's ray, seen from an anchor frame.

    The moment is divided by a fixed length: a live loop has no clip to normalise by.
    Source: Sitzmann et al. 2021 (Light Field Networks), eq. 2.
    """
    anchor_from_camera = anchor_from_world @ world_from_camera
    rays = pixel_rays(intrinsics, world_from_camera.device)
    rays = rays / rays.norm(dim=-1, keepdim=True)
    direction = _rotate(anchor_from_camera[..., :3, :3], rays)
    origin = rearrange(anchor_from_camera[..., :3, 3], "... i -> ... 1 1 i") / RAY_SCALE_M
    moment = torch.linalg.cross(origin.expand_as(direction), direction)
    return torch.cat((direction, moment), dim=-1)


def _transform(
    b_from_a: Tensor,  # [..., 4, 4]
    points: Tensor,  # [..., H, W, 3]
) -> Tensor:  # [..., H, W, 3]
    translation = rearrange(b_from_a[..., :3, 3], "... i -> ... 1 1 i")
    return _rotate(b_from_a[..., :3, :3], points) + translation


def _rotate(
    rotation: Tensor,  # [..., 3, 3]
    points: Tensor,  # [..., H, W, 3]
) -> Tensor:  # [..., H, W, 3]
    flat = rearrange(points, "... h w c -> ... (h w) c")
    turned = flat @ rotation.transpose(-1, -2)
    return rearrange(turned, "... (h w) c -> ... h w c", w=points.shape[-2])
