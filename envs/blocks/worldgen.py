"""Regions: the pieces a world is generated in, each a pure function of seed, biome and place."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from worldsim.envs.blocks.biomes import Biome, ground
from worldsim.envs.blocks.structures import build, lay_gems
from worldsim.envs.blocks.terrain import fill
from worldsim.envs.blocks.trees import plant

REGION: Final = 32  # columns along x and z
_CACHED_REGIONS: Final = 768  # 64 KiB each, shared by all worlds of this process


@lru_cache(maxsize=_CACHED_REGIONS)
def region(
    seed: int, home: Biome, region_x: int, region_z: int
) -> NDArray[np.uint8]:  # [REGION, HEIGHT, REGION], read-only
    """The untouched blocks of one region; the order of visits does not matter."""
    x, z = region_x * REGION, region_z * REGION
    land = ground(seed, home, np.arange(x, x + REGION), np.arange(z, z + REGION))
    blocks = fill(land)
    site = build(blocks, land, seed, (region_x, region_z))
    plant(blocks, land, seed, (x, z), avoid=site)
    lay_gems(blocks, land, seed, (region_x, region_z))
    blocks.setflags(write=False)
    return blocks
