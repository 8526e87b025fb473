"""Where the horizon is looked at from: some metres ahead, on ground that one sees.

Seen from here, what comes out of the fog is a few coarse pixels, and all the nearer things that an
outpainter imagines cannot be, for the sky was seen there: nothing new ever came, and walks led
through empty land. From ahead, things have shapes, and they stand beyond what is known.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from worldsim.camera import Intrinsics, pose_matrices, unproject
from worldsim.engine.footing import EYE_M
from worldsim.types import SKY_DEPTH_M, Observation, Pose

AHEAD_M = 10.0  # at most
NEAREST_AHEAD_M = 5.0  # less is not worth it
LANE_M = 1.5  # half of the width of the way there
UNDERFOOT_M = 2.5  # along it, how far around the place its ground is looked for
IN_THE_WAY = 20  # points that are not just specks
LOW_M = 0.3  # what stays this far below the eye can be seen across
SPARE_M = 3.0  # before what is in the way
FEWEST = 6  # points that make a ground


def vantage(seen: Observation, target: Pose, camera: Intrinsics) -> Pose:
    """A level view from up to `AHEAD_M` ahead of the target, with the eye of a body standing there.

    The target itself where the last frame shows no ground ahead, or something in the way.
    """
    right, up, forward = _from(target, _points(seen, camera)).T
    lane = np.abs(right) < LANE_M
    in_the_way = forward[lane & (up > -LOW_M) & (forward > 0.0)]
    reach_m = AHEAD_M
    if len(in_the_way) > IN_THE_WAY:
        reach_m = min(reach_m, float(np.quantile(in_the_way, 0.1)) - SPARE_M)
    for ahead_m in (reach_m, 0.75 * reach_m, 0.5 * reach_m):
        ground = up[lane & (np.abs(forward - ahead_m) < UNDERFOOT_M)]
        if reach_m >= NEAREST_AHEAD_M and len(ground) >= FEWEST:
            there = target.moved_along(0.0, float(np.median(ground)) + EYE_M, ahead_m)
            return there.turned(0.0, -there.pitch_deg)
    return target


def _points(seen: Observation, camera: Intrinsics) -> NDArray[np.float64]:  # [N, 3] world, metres
    """What a frame shows, but the sky."""
    depth = torch.from_numpy(seen.depth.astype(np.float32))
    points = unproject(depth, torch.from_numpy(pose_matrices([seen.pose]))[0], camera)
    return points.numpy()[seen.depth < SKY_DEPTH_M / 2].astype(np.float64)


def _from(
    pose: Pose,
    points: NDArray[np.float64],  # [N, 3] world
) -> NDArray[np.float64]:  # [N, 3] right, up and forward of it, along its level axes
    yaw = np.deg2rad(pose.yaw_deg)
    right, forward = (np.cos(yaw), 0.0, np.sin(yaw)), (np.sin(yaw), 0.0, -np.cos(yaw))
    return (points - pose.position()) @ np.array((right, (0.0, 1.0, 0.0), forward)).T
