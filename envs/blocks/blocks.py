"""The sixteen kinds of block: ids, what is solid or see-through, and their colours."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray


class Block(IntEnum):
    """What one cubic metre is made of. The values are stored in states and labels: append only."""

    AIR = 0
    GRASS = 1
    DIRT = 2
    STONE = 3
    SAND = 4
    WATER = 5
    LOG = 6
    LEAVES = 7
    PLANKS = 8
    BRICK = 9
    SNOW = 10
    CLAY = 11
    CRYSTAL = 12
    LAMP = 13
    GEM = 14
    BEACON = 15


BLOCK_COUNT: Final = len(Block)
HEIGHT: Final = 64  # blocks of a world: all stone below y = 0, all air from here up
TRANSPARENT: Final = frozenset({Block.AIR, Block.WATER})  # does not hide the face behind it
PASSABLE: Final = frozenset({Block.AIR, Block.WATER, Block.GEM})  # a body moves through it
SOLID: Final = frozenset(set(Block) - PASSABLE)
EMISSIVE: Final = frozenset({Block.CRYSTAL, Block.LAMP, Block.GEM, Block.BEACON})  # unshaded

_RGB: Final[dict[Block, tuple[tuple[int, int, int], ...]]] = {  # top, side, bottom
    Block.AIR: ((0, 0, 0), (0, 0, 0), (0, 0, 0)),
    Block.GRASS: ((112, 176, 72), (134, 116, 70), (122, 92, 62)),
    Block.DIRT: ((134, 100, 68), (128, 96, 66), (118, 88, 60)),
    Block.STONE: ((140, 142, 148), (126, 128, 136), (108, 110, 118)),
    Block.SAND: ((232, 210, 150), (222, 198, 138), (204, 180, 124)),
    Block.WATER: ((58, 128, 206), (52, 116, 192), (44, 100, 172)),
    Block.LOG: ((168, 132, 84), (102, 74, 46), (168, 132, 84)),
    Block.LEAVES: ((60, 128, 58), (52, 114, 52), (42, 94, 44)),
    Block.PLANKS: ((204, 160, 100), (196, 150, 92), (178, 136, 82)),
    Block.BRICK: ((182, 82, 66), (172, 74, 60), (150, 64, 52)),
    Block.SNOW: ((216, 224, 236), (196, 206, 224), (176, 188, 208)),
    Block.CLAY: ((206, 120, 74), (194, 106, 64), (170, 92, 56)),
    Block.CRYSTAL: ((188, 132, 244), (166, 108, 232), (140, 88, 208)),
    Block.LAMP: ((255, 234, 160), (255, 226, 144), (246, 212, 128)),
    Block.GEM: ((64, 240, 232), (44, 220, 216), (30, 190, 190)),
    Block.BEACON: ((255, 84, 168), (255, 64, 152), (232, 48, 132)),
}


def palette() -> NDArray[np.uint8]:  # [BLOCK_COUNT, 3, 3] sRGB of top, side, bottom
    """The base colour of every block's faces, before light, texture and fog."""
    return np.array([_RGB[block] for block in Block], dtype=np.uint8)


def mask_of(
    blocks: frozenset[Block],
) -> NDArray[np.bool_]:  # [256] indexed by any stored id
    """A lookup table: whether a block id is in the set."""
    mask = np.zeros(256, dtype=np.bool_)
    mask[[int(block) for block in blocks]] = True
    return mask
