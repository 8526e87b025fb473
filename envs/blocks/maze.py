"""A maze of a seed: which cells are joined, where its walls stand, and how far the exit is.

Cells are numbered (column, row) along x and z. The player starts in the middle cell; the exit is
the cell that is the farthest walk away. The maze is a tree: two cells are joined by one way only.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

CELLS: Final = 5  # along each side
CELL_M: Final = 3  # from one cell's middle to the next: two metres of way and one of wall
WAY_M: Final = 2
WALL_HEIGHT: Final = 3
SIDE_M: Final = CELLS * CELL_M + 1
_CACHED_MAZES: Final = 256
_SALT_MAZE: Final = 601

Cell = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Maze:
    """The joined neighbours of every cell, and every cell's number of steps to the exit."""

    ways: dict[Cell, frozenset[Cell]]
    steps: dict[Cell, int]
    exit: Cell


@lru_cache(maxsize=_CACHED_MAZES)
def maze_of(seed: int) -> Maze:
    """The same maze for the same seed; carved by a random depth-first walk."""
    ways = _carved(np.random.default_rng((seed, _SALT_MAZE)))
    from_start = _steps_from((CELLS // 2, CELLS // 2), ways)
    farthest = max(from_start, key=lambda cell: (from_start[cell], cell))
    return Maze(ways, _steps_from(farthest, ways), farthest)


def corner_of(home: Sequence[float]) -> tuple[int, int]:  # x, z of the first wall's block
    """Where a maze lies whose middle cell the player's feet stand in."""
    middle = CELLS // 2 * CELL_M + 1
    return math.floor(home[0]) - middle, math.floor(home[2]) - middle


def middle_of(cell: Cell, home: Sequence[float]) -> tuple[float, float]:  # x, z in metres
    """The middle of a cell's way."""
    x, z = corner_of(home)
    return x + cell[0] * CELL_M + 1 + WAY_M / 2, z + cell[1] * CELL_M + 1 + WAY_M / 2


def cell_at(home: Sequence[float], at: Sequence[float]) -> Cell:
    """The cell that a place is in; the nearest one, for a place outside the maze."""
    corner = corner_of(home)
    across = (math.floor((at[2 * i] - corner[i] - 0.5) / CELL_M) for i in range(2))
    column, row = (min(max(i, 0), CELLS - 1) for i in across)
    return column, row


def steps_to_exit(seed: int, home: Sequence[float], at: Sequence[float]) -> int:
    """How many cells a place is from the exit, by the maze's ways."""
    return maze_of(seed).steps[cell_at(home, at)]


def is_wall(maze: Maze, x: int, z: int) -> bool:
    """Whether a wall stands on a column, counted from the maze's corner, 0 to SIDE_M - 1."""
    column, inside_x = divmod(x - 1, CELL_M)
    row, inside_z = divmod(z - 1, CELL_M)
    beside_x, beside_z = inside_x >= WAY_M, inside_z >= WAY_M
    if not (beside_x or beside_z):
        return False
    if beside_x and beside_z:
        return True
    next_cell = (column + beside_x, row + beside_z)
    return next_cell not in maze.ways.get((column, row), frozenset())


def _carved(rng: np.random.Generator) -> dict[Cell, frozenset[Cell]]:
    joined: dict[Cell, set[Cell]] = {(CELLS // 2, CELLS // 2): set()}
    path = list(joined)
    while path:
        here = path[-1]
        fresh = [cell for cell in _neighbours(here) if cell not in joined]
        if not fresh:
            path.pop()
            continue
        there = fresh[int(rng.integers(len(fresh)))]
        joined[here].add(there)
        joined[there] = {here}
        path.append(there)
    return {cell: frozenset(others) for cell, others in joined.items()}


def _neighbours(cell: Cell) -> list[Cell]:
    column, row = cell
    around = ((column + 1, row), (column - 1, row), (column, row + 1), (column, row - 1))
    return [(x, z) for x, z in around if 0 <= x < CELLS and 0 <= z < CELLS]


def _steps_from(start: Cell, ways: dict[Cell, frozenset[Cell]]) -> dict[Cell, int]:
    steps, queue = {start: 0}, deque([start])
    while queue:
        here = queue.popleft()
        for there in ways[here] - steps.keys():
            steps[there] = steps[here] + 1
            queue.append(there)
    return steps
