"""What a frame adds to memory: surfaces not seen before, and contradictions of what was seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldsim.camera import Intrinsics, pose_matrix
from worldsim.memory.retrieve import project_points
from worldsim.memory.spatial_hash import NOBODY, Nearby
from worldsim.types import Pose

THROUGH_RELATIVE, THROUGH_M = 0.25, 1.0  # a surface this far behind a point means: it is gone


@dataclass(frozen=True, slots=True)
class LookedThrough:
    """Known points that a frame disproves, and how many of them it sees through."""

    points: Nearby
    share: float  # of the known points that should be visible


def novelty_share(
    around: Nearby,  # [P, SLOTS] what is known of the surroundings of the frame's points
    depths: NDArray[np.float32],  # [P] metres from the frame to its points
    trust: float,  # that a frame must have to count
    coarser: float,
) -> float:
    """The share of a frame's points that no trusted keyframe saw at a similar resolution.

    A frame of nothing but sky has no points and no novelty.
    """
    if not len(depths):
        return 0.0
    known = (around.owners != NOBODY) & (around.trusts >= trust)
    known &= around.depths <= coarser * depths[:, None]
    return float(1.0 - known.any(axis=1).mean())


def looked_through(
    nearby: Nearby,
    depth: NDArray[np.floating],  # [H, W] metres
    pose: Pose,
    intrinsics: Intrinsics,
    *,
    reach_m: float = 0.0,
) -> LookedThrough:
    """The known points that stand clearly in front of what the frame sees, 3x3 pixels around.

    Within `reach_m` of the eye, where a hand may have changed anything, all that are in view.
    """
    seen = project_points(nearby.places, pose_matrix(pose), intrinsics)
    height, width = depth.shape
    row = np.clip((seen.y * height).astype(np.int64), 1, height - 2)
    column = np.clip((seen.x * width).astype(np.int64), 1, width - 2)
    steps = np.arange(-1, 2)
    around = depth[
        (row[:, None] + steps)[:, :, None], (column[:, None] + steps)[:, None, :]
    ]  # [Q, 3, 3]
    nearest = around.min(axis=(1, 2)).astype(np.float32)
    gone = nearest > seen.depth * (1 + THROUGH_RELATIVE) + THROUGH_M
    hidden = nearest < seen.depth / (1 + THROUGH_RELATIVE) - THROUGH_M
    visible = len(seen.index) - int(np.count_nonzero(hidden))
    share = np.count_nonzero(gone) / visible if visible else 0.0
    index = seen.index[gone | (seen.depth < reach_m)]
    return LookedThrough(nearby.where(index), share)
