"""Ways a walker can take: over open ground, one block up and three down at a time."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from typing import Final

from worldsim.envs.blocks.spawn import DROP_LIMIT, STEP_LIMIT, Surface, survey
from worldsim.envs.blocks.voxels import VoxelWorld

SIDE: Final = 64  # columns of the square that is searched, around the start
CLOSE_M: Final = 1.6  # a way ends in a column as near as this to its goal

Column = tuple[int, int]  # x, z within a surface
Spot = tuple[float, float]  # x, z in metres


def route(voxels: VoxelWorld, start: Spot, goal: Spot) -> list[Spot]:
    """The middles of the columns on a shortest way; the goal alone where there is none."""
    corner = (math.floor(start[0]) - SIDE // 2, math.floor(start[1]) - SIDE // 2)
    surface = survey(voxels, *corner)
    here = (SIDE // 2, SIDE // 2)
    came_from: dict[Column, Column | None] = {here: None}
    queue = deque([here])
    while queue:
        column = queue.popleft()
        if math.dist(_middle(surface, column), goal) <= CLOSE_M:
            return [*_traced(surface, came_from, column), goal]
        for beside in _steps(surface, column):
            if beside not in came_from:
                came_from[beside] = column
                queue.append(beside)
    return [goal]


def _steps(surface: Surface, column: Column) -> Iterator[Column]:
    x, z = column
    for beside in ((x + 1, z), (x - 1, z), (x, z + 1), (x, z - 1)):
        if not (0 <= beside[0] < SIDE and 0 <= beside[1] < SIDE and surface.open[beside]):
            continue
        if -DROP_LIMIT <= int(surface.top[beside]) - int(surface.top[column]) <= STEP_LIMIT:
            yield beside


def _traced(
    surface: Surface, came_from: dict[Column, Column | None], end: Column | None
) -> list[Spot]:
    way = []
    while end is not None:
        way.append(_middle(surface, end))
        end = came_from[end]
    return way[::-1]


def _middle(surface: Surface, column: Column) -> Spot:
    return surface.x0 + column[0] + 0.5, surface.z0 + column[1] + 0.5
