"""The coloured surfaces around a body: what tells that it takes a gem, or stands at the beacon.

A gem at one's feet is out of sight when it is taken, and the beacon is behind one's back as often
as not. Memory knows both: it is asked for the frames that saw the places around the body, and what
they saw there is thinned out evenly. All is told along the world's axes, as bodies and blocks are,
and with the cells of a block each that the body touches: a gem is taken when its cell is touched.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from worldsim.engine.dream_world import Taken
from worldsim.engine.footing import EYE_M
from worldsim.engine.lattice import CELL_M
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
HALF_M, HEIGHT_M = 0.3, 1.8  # of the body: half its width and depth, and its height
SOLE_M = 0.1  # heights are not exact: the ground is not touched
BODY_LOW_M = np.array((-HALF_M, SOLE_M - EYE_M, -HALF_M))  # corners, from the eye
BODY_HIGH_M = np.array((HALF_M, HEIGHT_M - EYE_M, HALF_M))
TAKEN_M = 0.15  # nor are places: what is this near to cells that were emptied is gone


@dataclass(frozen=True, slots=True)
class Around:
    """What the event head is told of one tick; all along the world's axes, from the eye, metres."""

    points: NDArray[np.float32]  # [N, POINT_SIZE] x, y, z; colour 0 to 1
    move: tuple[float, float, float]  # of the tick
    cells: NDArray[np.float32]  # [2, 2, 3] box of those touched after and before it: low, high


def look_around(
    prepared: Preparations,
    memory: MemoryBank,
    seen: Observation,  # the last frame
    move: tuple[float, float, float],  # that led to it: metres right, up, forward of its yaw
    taken: Iterable[Taken] = (),  # before this tick
) -> Around:
    """What is known of the places around a body, and where it went there."""
    moved = displacement(move, seen.pose)
    eyes = seen.pose.position(), seen.pose.position() - np.array(moved)
    cells = np.stack([touched(eye) for eye in eyes]) - eyes[0]
    points = points_around(prepared, memory, seen, taken)
    return Around(points, moved, cells.astype(np.float32))


def points_around(
    prepared: Preparations,
    memory: MemoryBank,
    seen: Observation,  # the last frame
    taken: Iterable[Taken] = (),
) -> NDArray[np.float32]:  # [N, POINT_SIZE] metres x, y, z from the eye; colour 0 to 1
    """At most `POINTS` of them, the nearest; of what frames show alike, the nearest eye counts.

    What was taken is gone, though frames from before still show it.
    """
    pose = seen.pose
    known = memory.witnesses(_places(pose), count=FRAMES)
    frames = [prepared.close_up(seen), *(prepared.coloured(keyframe) for keyframe in known)]
    points = np.concatenate([frame[_is_near(frame, pose)] for frame in frames])
    for emptied in taken:
        points = points[~_is_within(points, emptied)]
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


def taken_at(pose: Pose, frame: int) -> Taken:
    """What a body took there was in the cells that it touches."""
    (x0, y0, z0), (x1, y1, z1) = touched(pose.position()).tolist()
    return Taken(frame, (x0, y0, z0), (x1, y1, z1))


def touched(
    eye: NDArray[np.float64],  # [3] world, metres
) -> NDArray[np.float64]:  # [2, 3] low and high corner of the cells that the body is in
    """Bodies are boxes, and blocks lie on whole metres."""
    low, high = eye + BODY_LOW_M, eye + BODY_HIGH_M
    return np.stack((np.floor(low / CELL_M), np.ceil(high / CELL_M))) * CELL_M


def batched(
    each: list[Around],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Points [B, POINTS, POINT_SIZE], which there are [B, POINTS], moves [B, 3], cells."""
    points = np.zeros((len(each), POINTS, POINT_SIZE), np.float32)
    counts = np.array([len(around.points) for around in each])
    for row, around in zip(points, each, strict=True):
        row[: len(around.points)] = around.points
    moves = np.array([around.move for around in each], np.float32).reshape(-1, 3)
    cells = np.array([around.cells for around in each], np.float32).reshape(-1, 2, 2, 3)
    there = np.arange(POINTS) < counts[:, None]
    points_BNC, there_BN, move_B3, cells_B223 = map(torch.from_numpy, (points, there, moves, cells))
    return points_BNC, there_BN, move_B3, cells_B223


def _places(pose: Pose) -> NDArray[np.float32]:  # [P, 3] world, metres
    """Where memory is asked: at the body, and at the corners of a square around it."""
    aside = ((0.0, 0.0), *itertools.product((-ASKED_M, ASKED_M), repeat=2))
    grid = itertools.product(aside, ASKED_BELOW_M)
    return np.array([(pose.x + x, pose.y - y, pose.z + z) for (x, z), y in grid], np.float32)


def _is_near(points: NDArray[np.float32], pose: Pose) -> NDArray[np.bool_]:  # [N]
    aside = points[:, (0, 2)] - np.array((pose.x, pose.z), np.float32)
    up = points[:, 1] - np.float32(pose.y)
    return ((aside**2).sum(axis=1) < AROUND_M**2) & (up < ABOVE_M) & (up > -BELOW_M)


def _is_within(points: NDArray[np.float32], emptied: Taken) -> NDArray[np.bool_]:  # [N]
    low, high = np.array(emptied.low), np.array(emptied.high)
    outside = np.abs(points[:, :3] - (low + high) / 2) - (high - low) / 2
    return outside.max(axis=1) < TAKEN_M


def _cubes(points: NDArray[np.float32]) -> NDArray[np.int64]:  # [N], one number for each cube
    steps = np.floor(points[:, :3] / GRAIN_M).astype(np.int64)
    return (steps[:, 0] * ROW + steps[:, 1]) * ROW + steps[:, 2]
