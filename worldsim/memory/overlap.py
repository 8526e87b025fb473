"""Which frames show most of a view, by all that they saw.

Votes of sparse points find keyframes far and wide; but of the ground that is walked on, or of a
wall ahead, memory holds few points, and of a sky none. Here each frame is laid out as a coarse grid
of patches, larger in the view where that is nearer to them (splatting; Zwicker et al. 2001).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from worldsim.camera import Intrinsics, pose_matrix
from worldsim.memory.keyframe import GRID_H, GRID_W, Keyframe, grid_points
from worldsim.memory.retrieve import BEHIND_M, BEHIND_RELATIVE, NEAR_M, choose_greedily
from worldsim.types import SKY_DEPTH_M, Pose

LEAST = 0.01  # share of the view that a frame must add
MARGIN = 2  # cells around the picture; a patch reaches as many to each side, at most
PART = 0.4  # of a cell by which a patch may fail to reach into the next and still counts there
SHARP, DULLEST = 1.5, 0.25  # as `judge` trusts what was seen at a lower resolution
SKY_M = 6.0  # a sky shows what is there no farther than this from where it was seen
WIDE, HIGH = GRID_W + 4 * MARGIN, GRID_H + 4 * MARGIN  # of the grid, with room for all patches


@dataclass(frozen=True, slots=True)
class _Patches:
    """Of several frames, in the cells of a view."""

    frame: NDArray[np.int64]  # [N]
    cell: NDArray[np.int64]  # [N] of WIDE * HIGH
    depth: NDArray[np.float32]  # [N] metres from the view
    magnified: NDArray[np.float32]  # [N] as large as in their frame

    def where(self, chosen: NDArray[np.generic]) -> _Patches:  # mask or indices
        return _Patches(
            self.frame[chosen], self.cell[chosen], self.depth[chosen], self.magnified[chosen]
        )


def most_overlapping(
    keyframes: Sequence[Keyframe],  # the oldest first
    pose: Pose,
    intrinsics: Intrinsics,
    count: int,
    first: NDArray[np.bool_],  # [F]
) -> list[int]:
    """At most `count` indices, each chosen for what the earlier ones do not show, or not well.

    The best of `first` comes before all others, if it shows anything.
    """
    if not keyframes or count < 1:
        return []
    covers = overlaps(keyframes, pose, intrinsics)
    least = LEAST * GRID_W * GRID_H
    is_picked = np.zeros(len(covers), np.bool_)
    picks = choose_greedily(covers * first[:, None], is_picked, 1, least)
    is_picked[picks] = True
    return picks + choose_greedily(covers, is_picked, count - len(picks), least)


def overlaps(
    keyframes: Sequence[Keyframe], pose: Pose, intrinsics: Intrinsics
) -> NDArray[np.float32]:  # [F, GRID_H * GRID_W] from 0 to 1
    """How well each frame shows each cell of the view; not at all what other frames hide."""
    patches = _spread(_patches(keyframes, pose, intrinsics))
    nearest = np.full(WIDE * HIGH, np.inf, np.float32)
    np.minimum.at(nearest, patches.cell, patches.depth)
    farthest = nearest * (1 + BEHIND_RELATIVE) + BEHIND_M
    visible = patches.where(patches.depth <= farthest[patches.cell])
    covers = np.zeros((len(keyframes), WIDE * HIGH), np.float32)
    quality = np.clip(SHARP / visible.magnified, DULLEST, 1.0)
    np.maximum.at(covers, (visible.frame, visible.cell), quality)
    rows, columns = (slice(2 * MARGIN, 2 * MARGIN + size) for size in (GRID_H, GRID_W))
    return covers.reshape(-1, HIGH, WIDE)[:, rows, columns].reshape(len(covers), -1)


def _patches(keyframes: Sequence[Keyframe], pose: Pose, intrinsics: Intrinsics) -> _Patches:
    """The grid points of the frames in the cells of the view, and a little around it."""
    points, then_m = _from_view(keyframes, pose, intrinsics)
    frame, point = np.nonzero((then_m > 0) & (points[..., 2] < -NEAR_M))
    (x, y, z), then_m = points[frame, point].T, then_m[frame, point]
    column = GRID_W / 2 - x / z * (intrinsics.focal_px / intrinsics.width * GRID_W)
    row = GRID_H / 2 + y / z * (intrinsics.focal_px / intrinsics.height * GRID_H)
    near = (column >= -MARGIN) & (column < GRID_W + MARGIN)
    near &= (row >= -MARGIN) & (row < GRID_H + MARGIN)
    cell = np.floor(row[near] + 2 * MARGIN) * WIDE + np.floor(column[near] + 2 * MARGIN)
    return _Patches(frame[near], cell.astype(np.int64), -z[near], -then_m[near] / z[near])


def _from_view(
    keyframes: Sequence[Keyframe], pose: Pose, intrinsics: Intrinsics
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:  # [F, P, 3] in its axes; [F, P] depths then
    """What the frames saw; depth 0 stands for what shows nothing from here."""
    pictures = np.stack([keyframe.depth for keyframe in keyframes])
    points, then_m = grid_points(pictures, intrinsics)
    matrix = pose_matrix(pose)
    from_frames = matrix[:3, :3].T @ np.stack([pose_matrix(k.pose)[:3] for k in keyframes])
    from_frames[..., 3] -= matrix[:3, :3].T @ matrix[:3, 3]
    moved_m = np.linalg.norm(from_frames[..., 3], axis=1)[:, None]
    stale = (then_m > 0.5 * SKY_DEPTH_M) & (moved_m >= SKY_M)
    seen = points @ from_frames[..., :3].swapaxes(1, 2) + from_frames[:, None, :, 3]
    return seen, np.where(stale, np.float32(0.0), then_m)


def _ring(radius: int) -> NDArray[np.int64]:  # [8 * radius]
    """From a cell to those around it, so many cells away."""
    steps = np.arange(-radius, radius + 1)
    down, across = np.meshgrid(steps, steps, indexing="ij")
    return (down * WIDE + across)[np.maximum(abs(across), abs(down)) == radius]


_RINGS = [_ring(radius) for radius in range(1, MARGIN + 1)]


def _spread(patches: _Patches) -> _Patches:
    """The same, and again in all cells that those reach which the view magnifies."""
    reach = np.floor(patches.magnified / 2 + PART)
    index, cells = [np.arange(len(reach))], [patches.cell]
    for radius, ring in enumerate(_RINGS, start=1):
        wide = np.flatnonzero(reach >= radius)
        index.append(np.repeat(wide, len(ring)))
        cells.append((patches.cell[wide, None] + ring).ravel())
    return replace(patches.where(np.concatenate(index)), cell=np.concatenate(cells))
