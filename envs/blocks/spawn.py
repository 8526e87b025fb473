"""Where a player starts, which way they look, and where the beacon stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from worldsim.envs.blocks.blocks import HEIGHT, Block, mask_of
from worldsim.envs.blocks.noise import hashed
from worldsim.envs.blocks.voxels import VoxelWorld

BEACON_HEIGHT: Final = 10
BEACON_MIN_M, BEACON_MAX_M = 12.0, 20.0
_AREA: Final = 64  # side of the square that is searched
STEP_LIMIT: Final = 1  # a walker climbs one block
DROP_LIMIT: Final = 3
_CANDIDATES: Final = 48
_DIRECTIONS: Final = 16
_VIEW_M: Final = 24
_SALT_START, _SALT_BEACON = 401, 403
# Middles of the searched squares, in units of 16 m: all inside the home biome.
_SQUARES: Final = (
    *((0, 0), (1, 0), (0, 1), (-1, 0), (0, -1), (1, 1), (-1, 1), (-1, -1), (1, -1)),
    *((2, 0), (0, 2), (-2, 0), (0, -2)),
)
_OPEN_GROUND: Final = frozenset(
    {Block.GRASS, Block.SAND, Block.SNOW, Block.CLAY, Block.BRICK, Block.STONE, Block.DIRT}
)


# The middle of the square and a column 15 m beside it: all that a hopeless land offers.
_FALLBACK: Final = ((_AREA // 2, _AREA // 2), (_AREA // 2, _AREA // 2 + 15))


@dataclass(frozen=True, slots=True)
class Start:
    """The player's feet and view, and the lowest block of the beacon."""

    feet: tuple[float, float, float]
    yaw_deg: float
    beacon: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Surface:
    """A square of columns as a walker sees it."""

    x0: int
    z0: int
    top: NDArray[np.int64]  # [X, Z] y of the highest block that is not air or a gem
    open: NDArray[np.bool_]  # [X, Z] natural dry ground with nothing on it


def find_start(world: VoxelWorld) -> Start:
    """A flat, dry, open place near the origin with a wide view and a reachable beacon."""
    for centre_x, centre_z in _SQUARES:
        surface = survey(world, 16 * centre_x - _AREA // 2, 16 * centre_z - _AREA // 2)
        for x, z in _places(world.seed, surface):
            reached = reachable(surface, x, z)
            beacon = _beacon_place(world.seed, surface, x, z, reached)
            if beacon is not None:
                return _start(world.seed, surface, (x, z), beacon)
    surface = survey(world, -_AREA // 2, -_AREA // 2)
    return _start(world.seed, surface, *_FALLBACK)


def find_afar(
    world: VoxelWorld,
    rng: np.random.Generator,
    distance_m: tuple[float, float],  # least and most, from the origin
) -> tuple[float, float, float] | None:
    """Feet on dry ground under the open sky, anywhere; None where there is no such ground."""
    angle, far_m = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(*distance_m)
    x0, z0 = (int(far_m * turn) - _AREA // 2 for turn in (np.sin(angle), np.cos(angle)))
    surface = survey(world, x0, z0)
    places = np.argwhere(surface.open)
    if not len(places):
        return None
    x, z = places[rng.integers(len(places))].tolist()
    return x0 + x + 0.5, float(surface.top[x, z] + 1), z0 + z + 0.5


def survey(world: VoxelWorld, x0: int, z0: int) -> Surface:
    """The highest blocks of a square of columns."""
    blocks = world.columns(x0, z0, _AREA, _AREA)
    filled = ~mask_of(frozenset({Block.AIR, Block.GEM}))[blocks]
    top = HEIGHT - 1 - filled[:, ::-1, :].argmax(axis=1)
    kind = np.take_along_axis(blocks, top[:, None, :], axis=1)[:, 0, :]
    return Surface(x0, z0, top, mask_of(_OPEN_GROUND)[kind])


def _places(seed: int, surface: Surface) -> list[tuple[int, int]]:
    """The best columns to start on, best first: flat, open all around, and with a view."""
    middle = slice(_AREA // 2 - 8, _AREA // 2 + 8)
    padded = np.lib.stride_tricks.sliding_window_view(surface.top, (5, 5))  # [X-4, Z-4, 5, 5]
    relief = padded.max(axis=(2, 3)) - padded.min(axis=(2, 3))
    flat = np.zeros_like(surface.open)
    flat[2:-2, 2:-2] = relief <= 1
    x, z = np.nonzero((flat & surface.open)[middle, middle])
    x, z = x + middle.start, z + middle.start
    dice = hashed(seed, _SALT_START, x, z)
    few = dice.argsort()[:_CANDIDATES]
    x, z = x[few], z[few]
    view = np.minimum(_view_m(surface, x, z), 14).mean(axis=1)
    best = (-view).argsort(kind="stable")[:6]
    return [(int(x[i]), int(z[i])) for i in best]


def _view_m(
    surface: Surface,
    x: NDArray[np.int64],  # [N] columns to stand on
    z: NDArray[np.int64],  # [N]
) -> NDArray[np.int64]:  # [N, _DIRECTIONS] metres to the first thing above the eye
    angle = np.arange(_DIRECTIONS) * (2 * np.pi / _DIRECTIONS)
    steps = np.arange(1, _VIEW_M)
    ray_x = np.rint(np.sin(angle)[:, None] * steps).astype(np.int64)
    ray_z = np.rint(-np.cos(angle)[:, None] * steps).astype(np.int64)
    seen = surface.top[x[:, None, None] + ray_x, z[:, None, None] + ray_z]
    blocked = seen > surface.top[x, z][:, None, None] + 1
    return np.where(blocked.any(axis=2), blocked.argmax(axis=2) + 1, _VIEW_M)


def reachable(surface: Surface, x: int, z: int) -> NDArray[np.bool_]:  # [X, Z]
    """The columns a walker gets to by steps of at most one block up and three down."""
    reached = np.zeros_like(surface.open)
    reached[x, z] = True
    rise_x, rise_z = np.diff(surface.top, axis=0), np.diff(surface.top, axis=1)
    east = surface.open[1:] & (rise_x <= STEP_LIMIT) & (rise_x >= -DROP_LIMIT)
    west = surface.open[:-1] & (rise_x >= -STEP_LIMIT) & (rise_x <= DROP_LIMIT)
    south = surface.open[:, 1:] & (rise_z <= STEP_LIMIT) & (rise_z >= -DROP_LIMIT)
    north = surface.open[:, :-1] & (rise_z >= -STEP_LIMIT) & (rise_z <= DROP_LIMIT)
    count = 1
    for _ in range(2 * _AREA):
        reached[1:] |= reached[:-1] & east
        reached[:-1] |= reached[1:] & west
        reached[:, 1:] |= reached[:, :-1] & south
        reached[:, :-1] |= reached[:, 1:] & north
        grown = int(reached.sum())
        if grown == count:
            break
        count = grown
    return reached


def _beacon_place(
    seed: int,
    surface: Surface,
    x: int,
    z: int,
    reached: NDArray[np.bool_],  # [X, Z]
) -> tuple[int, int] | None:
    """A reachable column at the right distance, in sight of the start where there is one."""
    bx, bz = np.nonzero(reached & surface.open)
    distance = np.hypot(bx - x, bz - z)
    right = (distance >= BEACON_MIN_M + 0.5) & (distance <= BEACON_MAX_M - 0.5)
    bx, bz = bx[right], bz[right]
    if not len(bx):
        return None
    share = np.linspace(0.1, 0.95, 20)
    at_x = np.rint(x + (bx - x)[:, None] * share).astype(np.int64)
    at_z = np.rint(z + (bz - z)[:, None] * share).astype(np.int64)
    eye = surface.top[x, z] + 2.6
    line = eye + (surface.top[bx, bz] + 4.0 - eye)[:, None] * share
    hidden = (surface.top[at_x, at_z] + 1 > line).any(axis=1)
    rank = hashed(seed, _SALT_BEACON, bx, bz) + hidden
    best = int(rank.argmin())
    return int(bx[best]), int(bz[best])


def _start(seed: int, surface: Surface, place: tuple[int, int], beacon: tuple[int, int]) -> Start:
    """Look towards the beacon, but not straight at it."""
    (x, z), (bx, bz) = place, beacon
    aside = float(hashed(seed, _SALT_START, 1, 1)[0]) * 50.0 - 25.0
    yaw = float(np.degrees(np.arctan2(bx - x, z - bz))) + aside
    feet = (surface.x0 + x + 0.5, float(surface.top[x, z] + 1), surface.z0 + z + 0.5)
    foot = (surface.x0 + bx, int(surface.top[bx, bz]) + 1, surface.z0 + bz)
    return Start(feet, (yaw + 180.0) % 360.0 - 180.0, foot)
