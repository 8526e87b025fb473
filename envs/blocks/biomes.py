"""The five biomes: how high their ground is, what covers it and what grows there."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from worldsim.envs.blocks.blocks import Block
from worldsim.envs.blocks.noise import hashed, smoothstep, value_noise

WATER_LEVEL: Final = 24  # the highest block of every lake
CELL: Final = 112  # blocks between the centres of biomes
_JITTER: Final = 28  # how far a centre lies from its cell's middle at most
_BLEND_M: Final = 5.0  # half the width over which two biomes' heights mix
_SALT_CENTRE, _SALT_KIND, _SALT_HILLS = 11, 13, 17


class Biome(IntEnum):
    MEADOW = 0
    FOREST = 1
    DESERT = 2
    SNOW = 3
    CANYON = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Flora:
    """What grows in a biome: `tree` names a shape in `trees`, `density` is a chance per 8x8 m."""

    tree: str
    density: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Materials:
    """What a biome's ground and buildings are made of."""

    top: Block
    filler: Block
    wall: Block
    corner: Block
    roof: Block


FLORA: Final = {
    Biome.MEADOW: Flora(tree="oak", density=0.16),
    Biome.FOREST: Flora(tree="mixed", density=0.8),
    Biome.DESERT: Flora(tree="cactus", density=0.16),
    Biome.SNOW: Flora(tree="snowy", density=0.3),
    Biome.CANYON: Flora(tree="dead", density=0.05),
}
MATERIALS: Final = {
    Biome.MEADOW: Materials(
        top=Block.GRASS, filler=Block.DIRT, wall=Block.PLANKS, corner=Block.LOG, roof=Block.BRICK
    ),
    Biome.FOREST: Materials(
        top=Block.GRASS, filler=Block.DIRT, wall=Block.LOG, corner=Block.STONE, roof=Block.PLANKS
    ),
    Biome.DESERT: Materials(
        top=Block.SAND, filler=Block.SAND, wall=Block.CLAY, corner=Block.PLANKS, roof=Block.CLAY
    ),
    Biome.SNOW: Materials(
        top=Block.SNOW, filler=Block.DIRT, wall=Block.LOG, corner=Block.STONE, roof=Block.SNOW
    ),
    Biome.CANYON: Materials(
        top=Block.CLAY, filler=Block.CLAY, wall=Block.BRICK, corner=Block.STONE, roof=Block.PLANKS
    ),
}


@dataclass(frozen=True, slots=True)
class Ground:
    """The bare terrain of a rectangle of columns."""

    height: NDArray[np.int64]  # [X, Z] y of the highest ground block
    biome: NDArray[np.int64]  # [X, Z] Biome


def ground(
    seed: int,
    home: Biome,
    xs: NDArray[np.int64],  # [X] consecutive
    zs: NDArray[np.int64],  # [Z] consecutive
) -> Ground:
    """Heights and biomes; neighbouring biomes' heights are blended, so there is no cliff."""
    share = _shares(seed, home, xs, zs)
    hills = [value_noise(seed, _SALT_HILLS + i, w, xs, zs) for i, w in enumerate((80, 36, 16))]
    height = np.zeros((len(xs), len(zs)))
    for biome in Biome:
        if share[biome].max() > 1e-3:
            height += share[biome] * _height(biome, *hills)
    return Ground(np.floor(np.clip(height, 8, 50)).astype(np.int64), share.argmax(axis=0))


def _height(
    biome: Biome,
    broad: NDArray[np.float64],  # [X, Z] in [-1, 1], like the next two
    middle: NDArray[np.float64],
    fine: NDArray[np.float64],
) -> NDArray[np.float64]:  # [X, Z] metres
    if biome == Biome.MEADOW:
        return 27.0 + 4.5 * broad + 3.0 * middle + 0.7 * fine
    if biome == Biome.FOREST:
        return 28.0 + 4.0 * broad + 4.0 * middle + 0.8 * fine
    if biome == Biome.DESERT:
        return 25.5 + 3.0 * broad + 5.0 * (1.0 - np.abs(middle)) ** 2 + 0.4 * fine
    if biome == Biome.SNOW:
        return 30.0 + 6.0 * broad + 6.0 * middle + 0.8 * fine
    return 25.0 + 4.0 * _terrace(1.0 + 1.6 * broad + 1.6 * middle, fine)


def _terrace(
    level: NDArray[np.float64],  # [X, Z]
    steepness: NDArray[np.float64],  # [X, Z] in [-1, 1]: cliffs here, ramps there
) -> NDArray[np.float64]:  # [X, Z]
    floor = np.floor(level)
    ramp = 0.6 + 0.3 * smoothstep(steepness + 0.5)
    return floor + smoothstep((level - floor - ramp) / (1.0 - ramp))


def _shares(
    seed: int,
    home: Biome,
    xs: NDArray[np.int64],  # [X]
    zs: NDArray[np.int64],  # [Z]
) -> NDArray[np.float64]:  # [len(Biome), X, Z], sums to one over biomes
    """A softened Voronoi diagram of jittered centres; the cell around the origin is `home`."""
    middle_x, middle_z = (round(int(at[len(at) // 2]) / CELL) for at in (xs, zs))
    cells = _cells(seed, home, middle_x, middle_z)
    distance = np.hypot(
        (xs - cells.x[:, None])[:, :, None], (zs - cells.z[:, None])[:, None, :]
    )  # [9, X, Z]
    weight = np.exp((distance.min(axis=0) - distance) / _BLEND_M)
    share = np.zeros((len(Biome), len(xs), len(zs)))
    for i, biome in enumerate(cells.kind):
        share[biome] += weight[i]
    return share / share.sum(axis=0)


@dataclass(frozen=True, slots=True)
class _Cells:
    """The centres around one cell and its own, and which biome each is of."""

    kind: NDArray[np.int64]  # [9] Biome
    x: NDArray[np.float64]  # [9]
    z: NDArray[np.float64]  # [9]


@lru_cache(maxsize=64)  # neighbouring regions ask for the same
def _cells(seed: int, home: Biome, middle_x: int, middle_z: int) -> _Cells:
    around = np.arange(-1, 2)
    grids = np.meshgrid(middle_x + around, middle_z + around)
    cell_x, cell_z = (grid.ravel() for grid in grids)
    at_home = (cell_x == 0) & (cell_z == 0)
    kind = (hashed(seed, _SALT_KIND, cell_x, cell_z) * len(Biome)).astype(np.int64)
    kind = np.where(at_home, int(home), kind)
    jitter = [hashed(seed, _SALT_CENTRE + i, cell_x, cell_z) * 2.0 - 1.0 for i in range(2)]
    centre_x = cell_x * CELL + np.where(at_home, 0.0, jitter[0] * _JITTER)
    centre_z = cell_z * CELL + np.where(at_home, 0.0, jitter[1] * _JITTER)
    return _Cells(kind, centre_x.astype(np.float64), centre_z.astype(np.float64))
