"""From heights to blocks: ground layers, beaches, lakes and the canyon's coloured bands."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from worldsim.envs.blocks.biomes import MATERIALS, WATER_LEVEL, Biome, Ground
from worldsim.envs.blocks.blocks import HEIGHT, Block

_TOPSOIL: Final = 4  # blocks of ground above the stone
_BANDS: Final = (Block.SAND, Block.CLAY, Block.CLAY, Block.CLAY)  # tops alternate with terraces
_BAND_M: Final = 2


def fill(
    ground: Ground,  # of [X, Z] columns
) -> NDArray[np.uint8]:  # [X, HEIGHT, Z]
    """The blocks of bare terrain."""
    height = ground.height[:, None, :].astype(np.int8)  # below 64: a byte is room enough
    y = np.arange(HEIGHT, dtype=np.int8)[None, :, None]
    under = height - y  # [X, HEIGHT, Z] 0 at the surface, negative above
    top, filler = _covers(ground)
    blocks = np.where(under >= 0, np.uint8(Block.STONE), np.uint8(Block.AIR))
    np.copyto(blocks, filler[:, None, :], where=(under >= 0) & (under < _TOPSOIL))
    if (ground.biome == Biome.CANYON).any():
        banded = (under >= 0) & (ground.biome == Biome.CANYON)[:, None, :]
        np.copyto(blocks, _strata()[None, :, None], where=banded)
    np.copyto(blocks, top[:, None, :], where=under == 0)
    if ground.height.min() < WATER_LEVEL:
        blocks[(under < 0) & (y <= WATER_LEVEL)] = Block.WATER
    return blocks


def _covers(
    ground: Ground,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:  # [X, Z] top, [X, Z] below it
    tops = np.array([MATERIALS[biome].top for biome in Biome], dtype=np.uint8)
    fillers = np.array([MATERIALS[biome].filler for biome in Biome], dtype=np.uint8)
    shore = ground.height <= WATER_LEVEL
    sand = np.uint8(Block.SAND)
    top = np.where(shore, sand, tops[ground.biome])
    canyon_top = _strata()[ground.height]
    top = np.where((ground.biome == Biome.CANYON) & ~shore, canyon_top, top)
    return top, np.where(shore, sand, fillers[ground.biome])


def _strata() -> NDArray[np.uint8]:  # [HEIGHT]
    """One block kind for each height of the canyon, in broad bands."""
    bands = np.array(_BANDS, dtype=np.uint8)
    return bands[(np.arange(HEIGHT) // _BAND_M) % len(bands)]
