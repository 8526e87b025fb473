"""Holes in remembered frames: pixels that show nothing, and hide what is behind. Their depth is 0.

What was seen in a box of the world can be taken out. What stands beside the box, or under it,
shares its faces: so a pixel counts as in the box where its ray has just entered it, not where it
has come through and ends at its far side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from worldsim.camera import Intrinsics, pixel_rays, pose_matrices
from worldsim.memory.keyframe import SIGHT_M, Keyframe
from worldsim.memory.reproject import SPECK_PER_M, SPECK_RELATIVE
from worldsim.types import Pose

D = TypeVar("D", bound=np.floating)

BEYOND_M = 0.25  # what lies this far beyond what is seen decides; dreamed depths err by less
RIM_PX = 2  # around what is taken out: there, its colours are mixed, and rays leave the box at once
NEAREST_M = 0.05
ALONE = 3  # of the four points beside one, so many are of other surfaces: it is of none


def may_see(
    poses: Sequence[Pose],  # [K]
    low: NDArray[np.float64],  # [3] corners of the box, world, metres
    high: NDArray[np.float64],  # [3]
    camera: Intrinsics,
) -> NDArray[np.bool_]:  # [K] whether the ball around the box is in view
    middle, radius = (low + high) / 2, float(np.linalg.norm(high - low)) / 2
    matrices = pose_matrices(poses).astype(np.float64)
    seen = np.einsum("kji,kj->ki", matrices[:, :3, :3], middle - matrices[:, :3, 3])
    depth = -seen[:, 2]
    slope = np.array((camera.width, camera.height)) / (2 * camera.focal_px)
    margin = radius * np.hypot(1.0, slope)
    inside = (np.abs(seen[:, :2]) < depth[:, None] * slope + margin).all(axis=1)
    return np.asarray(inside & (depth > -radius) & (depth < SIGHT_M))


def emptied(
    keyframe: Keyframe,
    low: NDArray[np.float64],  # [3] corners of the box, world, metres
    high: NDArray[np.float64],  # [3]
    camera: Intrinsics,
) -> Keyframe:
    """The frame without what it shows in the box; itself, if it shows nothing there."""
    depth = without(keyframe.depth, keyframe.pose, low, high, camera)
    if depth is keyframe.depth:
        return keyframe
    depth.setflags(write=False)
    return replace(keyframe, depth=depth)


def without(
    depth: NDArray[D],  # [H, W] metres
    pose: Pose,
    low: NDArray[np.float64],  # [3] corners of the box, world, metres
    high: NDArray[np.float64],  # [3]
    camera: Intrinsics,
) -> NDArray[D]:  # [H, W]
    """The depths with holes, 0, where they show something in the box; the same, if they do not."""
    rays = pixel_rays(camera).numpy()
    (matrix,) = pose_matrices([pose])
    reach = depth.astype(np.float32) + BEYOND_M / np.linalg.norm(rays, axis=-1)
    points = (rays * reach[..., None]) @ matrix[:3, :3].T + matrix[:3, 3]
    inside = ((points > low) & (points < high)).all(axis=-1) & (depth > 0)
    if not inside.any():
        return depth
    holes = depth.copy()
    holes[_grown(inside, RIM_PX)] = 0
    return holes


def without_specks(
    depth: NDArray[np.float32],  # [H, W] metres
) -> NDArray[np.float32]:  # [H, W]
    """The depths with holes where a point stands alone or juts out: seen nearer, it would fray."""
    inverse = 1.0 / np.maximum(depth, NEAREST_M)
    wide = np.pad(inverse, 1, mode="edge")
    beside = (wide[:-2, 1:-1], wide[2:, 1:-1], wide[1:-1, :-2], wide[1:-1, 2:])
    reach = SPECK_RELATIVE * inverse + SPECK_PER_M
    others = np.sum([np.abs(one - inverse) > reach for one in beside], axis=0)
    return np.where(others >= ALONE, np.float32(0.0), depth)


def _grown(
    mask: NDArray[np.bool_],  # [H, W]
    pixels: int,
) -> NDArray[np.bool_]:  # [H, W] so much larger on all sides
    height, width = mask.shape
    wide = np.pad(mask, pixels)
    moves = range(2 * pixels + 1)
    rows = np.logical_or.reduce([wide[y : y + height] for y in moves])
    return np.asarray(np.logical_or.reduce([rows[:, x : x + width] for x in moves]))
