"""Buildings and landmarks: at most one per region, wholly inside it, so that places differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from worldsim.envs.blocks.biomes import MATERIALS, WATER_LEVEL, Biome, Ground, Materials
from worldsim.envs.blocks.blocks import Block
from worldsim.envs.blocks.noise import hashed

GEMS_PER_REGION: Final = 2
_SALT_SITE, _SALT_GEM = 201, 301
_SIDES: Final = ((0, 1), (1, 0), (0, -1), (-1, 0))  # x, z
_MARGIN: Final = 7  # sites keep this far from the region's border

Blocks = NDArray[np.uint8]  # [X, HEIGHT, Z]


@dataclass(frozen=True, slots=True)
class Site:
    """Where a structure stands: its middle column, its floor's y, its materials and its dice."""

    x: int
    y: int
    z: int
    materials: Materials
    dice: tuple[float, ...]


def build(
    blocks: Blocks,  # [X, HEIGHT, Z], written
    ground: Ground,
    seed: int,
    region: tuple[int, int],
) -> tuple[int, int] | None:
    """Put up the region's structure; returns the column it stands on, None if there is none."""
    dice = hashed(seed, _SALT_SITE + np.arange(6), region[0], region[1]).tolist()
    room = blocks.shape[0] - 2 * _MARGIN
    x, z = (_MARGIN + int(die * room) for die in dice[:2])
    height = int(ground.height[x, z])
    near = ground.height[x - 4 : x + 5, z - 4 : z + 5]
    biome = Biome(int(ground.biome[x, z]))
    site = Site(x, height, z, MATERIALS[biome], tuple(dice[3:]))
    if near.min() >= WATER_LEVEL:
        for chance, flatness, make in _KINDS:
            if dice[2] < chance and near.max() - near.min() <= flatness:
                make(blocks, site)
                return x, z
    return None


def _box(
    blocks: Blocks,  # [X, HEIGHT, Z], written
    low: tuple[int, int, int],
    high: tuple[int, int, int],
    block: Block,
) -> None:
    """Fill from `low` to `high`, both included."""
    blocks[low[0] : high[0] + 1, low[1] : high[1] + 1, low[2] : high[2] + 1] = int(block)


def _foundation(blocks: Blocks, site: Site, radius: int, clear: int, block: Block) -> None:
    """A level floor on solid ground, with free air above it and a path all around."""
    x, y, z, wide = site.x, site.y, site.z, radius + 1
    _box(blocks, (x - wide, y - 5, z - wide), (x + wide, y, z + wide), site.materials.filler)
    _box(blocks, (x - wide, y, z - wide), (x + wide, y, z + wide), site.materials.top)
    _box(blocks, (x - wide, y + 1, z - wide), (x + wide, y + clear, z + wide), Block.AIR)
    _box(blocks, (x - radius, y, z - radius), (x + radius, y, z + radius), block)


def _doorway(blocks: Blocks, site: Site, radius: int) -> None:
    """An opening one wide and two high, in one of the four walls."""
    dx, dz = _door_side(site)
    x, z = site.x + dx * radius, site.z + dz * radius
    _box(blocks, (x, site.y + 1, z), (x, site.y + 2, z), Block.AIR)


def _door_side(site: Site) -> tuple[int, int]:
    return _SIDES[int(site.dice[0] * 4)]


def _house(blocks: Blocks, site: Site) -> None:
    """Four walls with windows and a door, corner posts, a stepped roof and a lamp inside."""
    x, y, z, radius = site.x, site.y, site.z, 3
    walls = 4
    _foundation(blocks, site, radius, walls + 6, Block.PLANKS)
    low, high = (x - radius, y + 1, z - radius), (x + radius, y + walls, z + radius)
    _box(blocks, low, high, site.materials.wall)
    _box(blocks, (x - 2, y + 1, z - 2), (x + 2, y + walls, z + 2), Block.AIR)
    for i in (-radius, radius):
        for j in (-radius, radius):
            _box(blocks, (x + i, y + 1, z + j), (x + i, y + walls, z + j), site.materials.corner)
    _windows(blocks, site, radius)
    _doorway(blocks, site, radius)
    for step in range(4):
        r = radius + 1 - step
        level = y + walls + 1 + step
        _box(blocks, (x - r, level, z - r), (x + r, level, z + r), site.materials.roof)
    _box(blocks, (x, y + walls, z), (x, y + walls, z), Block.LAMP)


def _windows(blocks: Blocks, site: Site, radius: int) -> None:
    x, y, z = site.x, site.y + 2, site.z
    door_x, door_z = _door_side(site)
    for dx, dz in _SIDES:
        if (dx, dz) != (door_x, door_z):
            wide_x, wide_z = abs(dz), abs(dx)
            low = (x + dx * radius - wide_x, y, z + dz * radius - wide_z)
            _box(blocks, low, (low[0] + 2 * wide_x, y + 1, low[2] + 2 * wide_z), Block.AIR)


def _tower(blocks: Blocks, site: Site) -> None:
    """A brick tower with a room at its foot, battlements and a lamp on top."""
    x, y, z, radius = site.x, site.y, site.z, 2
    height = 8 + int(site.dice[1] * 4)
    _foundation(blocks, site, radius, height + 3, Block.STONE)
    _box(blocks, (x - 2, y + 1, z - 2), (x + 2, y + height, z + 2), Block.BRICK)
    _box(blocks, (x - 1, y + 1, z - 1), (x + 1, y + 4, z + 1), Block.AIR)
    _box(blocks, (x, y + 4, z), (x, y + 4, z), Block.LAMP)
    _doorway(blocks, site, radius)
    for i in (-2, 0, 2):
        for j in (-2, 0, 2):
            _box(
                blocks, (x + i, y + height + 1, z + j), (x + i, y + height + 1, z + j), Block.STONE
            )
    _box(blocks, (x, y + height + 1, z), (x, y + height + 2, z), Block.LAMP)


def _crystals(blocks: Blocks, site: Site) -> None:
    """Three crystal pillars of different heights around one point."""
    x, y, z = site.x, site.y, site.z
    tall = 6 + int(site.dice[1] * 4)
    _box(blocks, (x, y - 2, z), (x + 1, y + tall, z + 1), Block.CRYSTAL)
    _box(blocks, (x + 3, y - 2, z - 1), (x + 3, y + tall // 2, z - 1), Block.CRYSTAL)
    _box(blocks, (x - 2, y - 2, z + 2), (x - 2, y + tall // 3, z + 2), Block.CRYSTAL)


def _arch(blocks: Blocks, site: Site) -> None:
    """A stone gate to walk through."""
    x, y, z = site.x, site.y, site.z
    dx, dz = (1, 0) if site.dice[0] < 0.5 else (0, 1)
    for side in (-3, 2):
        foot = (x + side * dx, y - 3, z + side * dz)
        _box(blocks, foot, (foot[0] + 1, y + 6, foot[2] + 1), Block.STONE)
    beam = (x - 3 * dx, y + 6, z - 3 * dz)
    _box(blocks, beam, (x + 3 * dx + dz, y + 7, z + 3 * dz + dx), Block.STONE)


def _cellar(blocks: Blocks, site: Site) -> None:
    """An underground room with a lamp, reached by an open stair."""
    x, y, z = site.x, site.y, site.z
    _box(blocks, (x - 3, y - 6, z - 3), (x + 3, y - 1, z + 3), Block.STONE)
    _box(blocks, (x - 3, y, z - 3), (x + 3, y, z + 6), site.materials.top)
    _box(blocks, (x - 3, y + 1, z - 3), (x + 3, y + 5, z + 6), Block.AIR)
    _box(blocks, (x - 2, y - 5, z - 2), (x + 2, y - 2, z + 2), Block.AIR)
    _box(blocks, (x, y - 2, z - 2), (x, y - 2, z - 2), Block.LAMP)
    for step in range(6):
        top = y - 5 + step
        _box(blocks, (x, top - 1, z + 1 + step), (x + 1, top - 1, z + 1 + step), Block.STONE)
        _box(blocks, (x, top, z + 1 + step), (x + 1, y + 1, z + 1 + step), Block.AIR)
    _box(blocks, (x - 1, y + 1, z - 1), (x + 2, y + 1, z - 1), Block.BRICK)


def lay_gems(
    blocks: Blocks,  # [X, HEIGHT, Z], written
    ground: Ground,
    seed: int,
    region: tuple[int, int],
) -> None:
    """Gems lie on bare ground; one that would fall on a tree, a roof or water is left out."""
    room = blocks.shape[0]
    for i in range(GEMS_PER_REGION):
        dice = hashed(seed, _SALT_GEM + 2 * i + np.arange(2), region[0], region[1])
        x, z = (dice * room).astype(int).tolist()
        column = blocks[x, :, z]
        top = int(column.nonzero()[0][-1])
        if top == ground.height[x, z] > WATER_LEVEL:
            column[top + 1] = Block.GEM


_KINDS: Final[tuple[tuple[float, int, Callable[[Blocks, Site], None]], ...]] = (
    (0.32, 4, _house),  # chance (cumulative), greatest height difference, builder
    (0.46, 6, _tower),
    (0.64, 9, _crystals),
    (0.74, 3, _arch),
    (0.84, 3, _cellar),
)
