"""The coloured surfaces around a body: what tells that it takes a gem, or stands at the beacon.

A gem at one's feet is out of sight when it is taken, and the beacon is behind one's back as often
as not. Memory knows both: it is asked for the frames that saw the places around the body, and what
they saw there is thinned out evenly. All is told along the world's axes, as bodies and blocks are.
"""

from __future__ import annotations

import itertools

import numpy as np
import torch
from numpy.typing import NDArray

from worldsim.engine.prepared import Preparations
from worldsim.memory.bank import MemoryBank
from worldsim.model.heads import POINT_SIZE, POINTS
from worldsim.types import Observation, Pose

AROUND_M = 2.6  # horizontally
ABOVE_M, BELOW_M = 1.0, 2.2  # the eye
FRAMES = 8  # of memory
ASKED_M = 1.2  # places this far beside the body, each way, are asked for
ASKED_BELOW_M = (0.6, 1.4)  # under the eye
GRAIN_M = 0.25  # of one point for each such cube
ROW = 1 << 20  # cubes; more than any walk is long


def points_around(
    prepared: Preparations,
    memory: MemoryBank,
    seen: Observation,  # the last frame
) -> NDArray[np.float32]:  # [N, POINT_SIZE] metres x, y, z from the eye; colour 0 to 1
    """At most `POINTS` of them, the nearest; of what frames show alike, the nearest eye counts."""
    pose = seen.pose
    known = memory.witnesses(_places(pose), count=FRAMES)
    frames = [prepared.close_up(seen), *(prepared.coloured(keyframe) for keyframe in known)]
    points = np.concatenate([frame[_is_near(frame, pose)] for frame in frames])
    points = points[np.unique(_cubes(points), return_index=True)[1]]
    points[:, :3] -= pose.position().astype(np.float32)
    return points[np.argsort(np.hypot(points[:, 0], points[:, 2]), kind="stable")[:POINTS]]


def displacement(
    move: tuple[float, float, float],  # metres right, up, forward of the yaw
    pose: Pose,  # that it led to
) -> tuple[float, float, float]:  # metres x, y, z
    """A move along the world's axes."""
    there = Pose(0.0, 0.0, 0.0, pose.yaw_deg).moved_along(*move)
    return there.x, there.y, there.z


def padded(
    clouds: list[NDArray[np.float32]],  # each [n, POINT_SIZE]
) -> tuple[torch.Tensor, torch.Tensor]:  # [B, POINTS, POINT_SIZE], [B, POINTS] bool
    """One batch of them, and which of its points there are."""
    points = np.zeros((len(clouds), POINTS, POINT_SIZE), np.float32)
    counts = np.array([len(cloud) for cloud in clouds])
    for row, cloud in zip(points, clouds, strict=True):
        row[: len(cloud)] = cloud
    return torch.from_numpy(points), torch.from_numpy(np.arange(POINTS) < counts[:, None])


def _places(pose: Pose) -> NDArray[np.float32]:  # [P, 3] world, metres
    """Where memory is asked: at the body, and at the corners of a square around it."""
    aside = ((0.0, 0.0), *itertools.product((-ASKED_M, ASKED_M), repeat=2))
    grid = itertools.product(aside, ASKED_BELOW_M)
    return np.array([(pose.x + x, pose.y - y, pose.z + z) for (x, z), y in grid], np.float32)


def _is_near(points: NDArray[np.float32], pose: Pose) -> NDArray[np.bool_]:  # [N]
    aside = points[:, (0, 2)] - np.array((pose.x, pose.z), np.float32)
    up = points[:, 1] - np.float32(pose.y)
    return ((aside**2).sum(axis=1) < AROUND_M**2) & (up < ABOVE_M) & (up > -BELOW_M)


def _cubes(points: NDArray[np.float32]) -> NDArray[np.int64]:  # [N], one number for each cube
    steps = np.floor(points[:, :3] / GRAIN_M).astype(np.int64)
    return (steps[:, 0] * ROW + steps[:, 1]) * ROW + steps[:, 2]
