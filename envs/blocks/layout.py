"""What a task lays out in a world before its episode: gems, a maze. The same for the same seed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from worldsim.envs.blocks.blocks import HEIGHT, Block
from worldsim.envs.blocks.maze import SIDE_M, WALL_HEIGHT, corner_of, is_wall, maze_of, middle_of
from worldsim.envs.blocks.noise import hashed
from worldsim.envs.blocks.spawn import BEACON_HEIGHT, Start, Surface, reachable, survey
from worldsim.envs.blocks.tasks import Goals
from worldsim.envs.blocks.voxels import VoxelWorld

GEMS_LAID: Final = 10
GEMS_NEAR_M, GEMS_FAR_M = 3.0, 14.0
KEEPSAKE_NEAR_M, KEEPSAKE_FAR_M = 4.0, 7.0  # the gem of `return`
KEEPSAKE_ASIDE_DEG: Final = 25.0  # of the view at the start, so that it is seen
_HALF: Final = 32  # of the square that is searched
_SALT_LAID, _SALT_KEEPSAKE = 603, 605
_LOW_SKY: Final = 20  # blocks above a maze's floor that are cleared


def lay_out(task: str | None, voxels: VoxelWorld, start: Start) -> Goals:
    """Change the voxels as the task wants them, and tell where its goals are."""
    return _LAYOUTS.get(task, _plain)(voxels, start)


def _plain(voxels: VoxelWorld, start: Start) -> Goals:
    return Goals(voxels.seed, start.feet, _raise_beacon(voxels, start.beacon))


def _raise_beacon(voxels: VoxelWorld, foot: tuple[int, int, int]) -> tuple[float, float, float]:
    """Returns the middle of its lowest block, metres."""
    x, y, z = foot
    for level in range(y, min(y + BEACON_HEIGHT, HEIGHT)):
        voxels.set_block(x, level, z, Block.BEACON)
    return x + 0.5, y + 0.5, z + 0.5


def _gems(voxels: VoxelWorld, start: Start) -> Goals:
    goals = _plain(voxels, start)
    cells = _open_cells(voxels, start, GEMS_NEAR_M, GEMS_FAR_M)
    dice = hashed(voxels.seed, _SALT_LAID, cells[:, 0], cells[:, 2])
    for x, y, z in cells[dice.argsort()[:GEMS_LAID]].tolist():
        voxels.set_block(x, y, z, Block.GEM)
    return goals


def _return(voxels: VoxelWorld, start: Start) -> Goals:
    """One gem on open ground in view of the start; none where there is no such ground."""
    goals = _plain(voxels, start)
    cells = _open_cells(voxels, start, KEEPSAKE_NEAR_M, KEEPSAKE_FAR_M)
    if not len(cells):
        return goals
    right, back = cells[:, 0] + 0.5 - start.feet[0], cells[:, 2] + 0.5 - start.feet[2]
    aside = (np.degrees(np.arctan2(right, -back)) - start.yaw_deg + 180.0) % 360.0 - 180.0
    dice = hashed(voxels.seed, _SALT_KEEPSAKE, cells[:, 0], cells[:, 2])
    x, y, z = cells[(dice + (np.abs(aside) > KEEPSAKE_ASIDE_DEG)).argmin()].tolist()
    voxels.set_block(x, y, z, Block.GEM)
    return replace(goals, gem=(x + 0.5, y + 0.5, z + 0.5))


def _open_cells(
    voxels: VoxelWorld, start: Start, near_m: float, far_m: float
) -> NDArray[np.int64]:  # [N, 3] free cells on open ground that a walker gets to
    fx, fz = math.floor(start.feet[0]), math.floor(start.feet[2])
    surface = survey(voxels, fx - _HALF, fz - _HALF)
    x, z = np.nonzero(reachable(surface, _HALF, _HALF) & _bare(voxels, surface))
    distance = np.hypot(x - _HALF, z - _HALF)
    right = (distance >= near_m) & (distance <= far_m)
    x, z = x[right], z[right]
    return np.stack((x + surface.x0, surface.top[x, z] + 1, z + surface.z0), axis=1)


def _bare(voxels: VoxelWorld, surface: Surface) -> NDArray[np.bool_]:  # [X, Z]
    """Open ground without a gem of the land's own."""
    side = surface.open.shape[0]
    blocks = voxels.columns(surface.x0, surface.z0, side, side)
    above = np.minimum(surface.top + 1, HEIGHT - 1)
    on_top = np.take_along_axis(blocks, above[:, None, :], axis=1)[:, 0, :]
    free: NDArray[np.bool_] = surface.open & (on_top == Block.AIR)
    return free


def _maze(voxels: VoxelWorld, start: Start) -> Goals:
    """Brick walls on a floor of stone around the start, and the beacon at the exit."""
    maze, floor = maze_of(voxels.seed), int(start.feet[1]) - 1
    corner_x, corner_z = corner_of(start.feet)
    for x in range(SIDE_M):
        for z in range(SIDE_M):
            wall = WALL_HEIGHT if is_wall(maze, x, z) else 0
            _lay_column(voxels, (corner_x + x, floor, corner_z + z), wall)
    exit_x, exit_z = middle_of(maze.exit, start.feet)
    foot = (math.floor(exit_x), floor + 1, math.floor(exit_z))
    return Goals(voxels.seed, start.feet, _raise_beacon(voxels, foot))


def _lay_column(voxels: VoxelWorld, at: tuple[int, int, int], wall: int) -> None:
    """Floor, wall, and nothing above; only blocks that differ are set."""
    x, floor, z = at
    wanted = [(floor, Block.STONE)]
    wanted += [(floor + 1 + i, Block.BRICK) for i in range(wall)]
    wanted += [(y, Block.AIR) for y in range(floor + 1 + wall, floor + 1 + _LOW_SKY)]
    for y, block in wanted:
        if voxels.block(x, y, z) != block:
            voxels.set_block(x, y, z, block)


_LAYOUTS: Final[dict[str | None, Callable[[VoxelWorld, Start], Goals]]] = {
    "gems": _gems,
    "return": _return,
    "maze": _maze,
}
