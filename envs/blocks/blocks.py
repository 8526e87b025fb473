"""The sixteen kinds of block: ids, and what is solid, see-through or emits light."""

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


def mask_of(
    blocks: frozenset[Block],
) -> NDArray[np.bool_]:  # [256] indexed by any stored id
    """A lookup table: whether a block id is in the set."""
    mask = np.zeros(256, dtype=np.bool_)
    mask[[int(block) for block in blocks]] = True
    return mask
