"""The rotation warp: a frame of one pose, seen from another view direction at the same place.

Looking around moves every pixel by a homography that needs no depth, so the display can follow the
mouse at its own rate while the model is still at work on the next frame (asynchronous timewarp).
What the frame never saw is filled with its nearest edge.

    u ~ S R S^-1 v      v: view, u: frame, both from -1 to 1 and up positive, homogeneous
    S = diag(1 / (aspect tan(fov_y / 2)), 1 / tan(fov_y / 2), -1)

The fragment shader (assets/shaders/warp.frag) evaluates the same matrix.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from worldsim.camera import pose_matrix
from worldsim.types import Pose

MAX_WARP_DEG = 60.0  # beyond, nothing of the frame would be left to show


def rotation_between(
    frame: Pose, view: Pose
) -> NDArray[np.float64]:  # [3, 3] frame_from_view, camera axes
    """The rotation that takes a direction in the view's camera to the frame's camera."""
    world_from_frame = pose_matrix(frame)[:3, :3].astype(np.float64)
    world_from_view = pose_matrix(view)[:3, :3].astype(np.float64)
    return world_from_frame.T @ world_from_view


def limited(frame: Pose, yaw_deg: float, pitch_deg: float) -> Pose:
    """The frame's pose turned by the motion, or by as much of it as a warp can show."""
    yaw = min(max(yaw_deg, -MAX_WARP_DEG), MAX_WARP_DEG)
    pitch = min(max(pitch_deg, -MAX_WARP_DEG), MAX_WARP_DEG)
    return frame.turned(yaw, pitch)


def narrowed(
    frame_from_view: NDArray[np.float64],  # [3, 3] rotation
    fov_y_deg: float,
    field_of_view: float,
) -> NDArray[np.float64]:  # [3, 3] rotation and zoom
    """The same turn for a view that shows only a part of the camera's angle, from 0 to 1."""
    half = math.radians(fov_y_deg) / 2
    zoom = math.tan(field_of_view * half) / math.tan(half)
    return frame_from_view @ np.diag((zoom, zoom, 1.0))


def frame_from_view_ndc(
    frame_from_view: NDArray[np.float64],  # [3, 3] rotation and zoom
    aspect: float,
    fov_y_deg: float,
) -> NDArray[np.float64]:  # [3, 3] homography between pictures spanning -1 to 1, up positive
    tangent = math.tan(math.radians(fov_y_deg) / 2)
    direction_from_ndc = np.diag((aspect * tangent, tangent, -1.0))
    return np.linalg.inv(direction_from_ndc) @ frame_from_view @ direction_from_ndc


def enlarged(
    rgb: NDArray[np.uint8],  # [H, W, 3]
    factor: int,
    *,
    squares: bool = False,
) -> NDArray[np.uint32]:  # [H * factor, W * factor] pixels of bytes blue, green, red, 255
    """A frame resampled once, bicubically or into squares, so that `warp` may pick pixels.

    The order of the bytes is that of a screen's surface, which scaling into it requires.
    """
    size = (rgb.shape[1] * factor, rgb.shape[0] * factor)
    bgr = Image.fromarray(np.ascontiguousarray(rgb[..., ::-1]))
    how = Image.Resampling.NEAREST if squares else Image.Resampling.BICUBIC
    pixels = np.asarray(bgr.resize(size, how).convert("RGBA"))
    return pixels.view(np.uint32)[..., 0]


def warp(
    pixels: NDArray[np.uint32],  # [h, w] of `enlarged`
    frame_from_view: NDArray[np.float64],  # [3, 3] rotation and zoom
    fov_y_deg: float,
    offset: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None,  # of `parallax`
) -> NDArray[np.uint32]:  # [h, w]
    """The view after a turn and a shift; each of its pixels is the nearest one of the frame."""
    height, width = pixels.shape
    if offset is None and np.allclose(frame_from_view, np.eye(3), atol=1e-7):
        return pixels
    homography = frame_from_view_ndc(frame_from_view, width / height, fov_y_deg)
    ndc_from_pixel = np.linalg.inv(_pixel_from_ndc(width, height))
    matrix = (_pixel_from_ndc(width, height) @ homography @ ndc_from_pixel).astype(np.float32)
    x = np.arange(width, dtype=np.float32) + 0.5
    y = np.arange(height, dtype=np.float32)[:, None] + 0.5
    u, v, depth = (row[0] * x + (row[1] * y + row[2]) for row in matrix)
    np.maximum(depth, 1e-6, out=depth)  # in place from here: pages are dearer than sums
    np.divide(u, depth, out=u)
    np.divide(v, depth, out=v)
    if offset is not None:
        u += offset[0]
        v += offset[1]
    np.clip(u, 0, width - 1, out=u)
    np.clip(v, 0, height - 1, out=v)
    index = v.astype(np.intp)
    index *= width
    index += u.astype(np.intp)
    return pixels.ravel().take(index)


def _pixel_from_ndc(
    width: int, height: int
) -> NDArray[np.float64]:  # [3, 3]; pixels go right and down, their centres at +0.5
    return np.array(((width / 2, 0.0, width / 2), (0.0, -height / 2, height / 2), (0.0, 0.0, 1.0)))


def letterbox(
    window: tuple[int, int], aspect: float
) -> tuple[int, int, int, int]:  # left, top, width, height
    """The largest centred rectangle of the given aspect ratio."""
    width, height = window
    fitted = min(width, round(height * aspect))
    tall = min(height, round(fitted / aspect))
    return (width - fitted) // 2, (height - tall) // 2, max(fitted, 1), max(tall, 1)
