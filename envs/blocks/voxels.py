"""The blocks of one world: generated regions under an overlay of edits, seen through windows."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from worldsim.envs.blocks.biomes import Biome
from worldsim.envs.blocks.blocks import HEIGHT, Block
from worldsim.envs.blocks.looks import NATURAL, Look
from worldsim.envs.blocks.noise import hashed
from worldsim.envs.blocks.worldgen import REGION, region

WINDOW: Final = 80  # blocks along x and z of a window
WINDOW_STEP: Final = 8  # window centres are multiples of this
_KEPT_WINDOWS: Final = 4
_KEPT_REGIONS: Final = 256  # of the untouched ones; edited regions stay
_SALT_HOME: Final = 7

_versions = itertools.count(1)


@dataclass(frozen=True, slots=True)
class VoxelWindow:
    """The blocks around one place, as a renderer needs them.

    `version` is unique within the process for each content and origin: two windows of equal
    version are the same, so an uploaded one need not be uploaded again.
    """

    blocks: NDArray[np.uint8]  # [WINDOW, HEIGHT, WINDOW] ids at x, y, z; C-contiguous, read-only
    origin: tuple[int, int, int]  # the world position of blocks[0, 0, 0]; y is 0
    version: int
    look: Look = NATURAL


class VoxelWorld:
    """An endless world of blocks; what was set stays set.

    Args:
        seed: any integer from 0 to 2**63 - 1.
        biome: what the land around the origin is like; chosen from the seed if None.
        look: the colours it is drawn in.
    """

    def __init__(self, seed: int, biome: Biome | None = None, look: Look = NATURAL) -> None:
        self.seed = seed
        self.look = look
        self.biome = home_biome(seed) if biome is None else biome
        self.edits: dict[tuple[int, int, int], int] = {}
        self._regions: dict[tuple[int, int], NDArray[np.uint8]] = {}  # [REGION, HEIGHT, REGION]
        self._edited: set[tuple[int, int]] = set()
        self._windows: dict[tuple[int, int], VoxelWindow] = {}

    def block(self, x: int, y: int, z: int) -> int:
        """The block id at a place; below the world is stone, above it air."""
        if y < 0:
            return int(Block.STONE)
        if y >= HEIGHT:
            return int(Block.AIR)
        return int(self._region(x // REGION, z // REGION)[x % REGION, y, z % REGION])

    def set_block(self, x: int, y: int, z: int, block: int) -> bool:
        """Change one block for good. Returns False where the world ends (y outside it)."""
        if not 0 <= y < HEIGHT:
            return False
        key = (x // REGION, z // REGION)
        blocks = self._region(*key)
        if key not in self._edited:
            blocks = blocks.copy()
            self._regions[key] = blocks
            self._edited.add(key)
        blocks[x % REGION, y, z % REGION] = block
        self.edits[(x, y, z)] = int(block)
        self._windows = {at: w for at, w in self._windows.items() if not _contains(w, x, z)}
        return True

    def window(self, x: float, z: float) -> VoxelWindow:
        """The blocks around a place; its centre is the nearest multiple of WINDOW_STEP."""
        at = (round(x / WINDOW_STEP) * WINDOW_STEP, round(z / WINDOW_STEP) * WINDOW_STEP)
        found = self._windows.get(at)
        if found is None:
            x0, z0 = at[0] - WINDOW // 2, at[1] - WINDOW // 2
            blocks = self.columns(x0, z0, WINDOW, WINDOW)
            blocks.setflags(write=False)
            found = VoxelWindow(blocks, (x0, 0, z0), next(_versions), self.look)
            if len(self._windows) >= _KEPT_WINDOWS:
                del self._windows[next(iter(self._windows))]
            self._windows[at] = found
        return found

    def columns(
        self, x0: int, z0: int, width: int, depth: int
    ) -> NDArray[np.uint8]:  # [width, HEIGHT, depth]
        """A copy of the blocks of a rectangle of columns."""
        out = np.empty((width, HEIGHT, depth), dtype=np.uint8)
        for rx in range(x0 // REGION, (x0 + width - 1) // REGION + 1):
            for rz in range(z0 // REGION, (z0 + depth - 1) // REGION + 1):
                x_out, x_in = _overlap(x0, width, rx)
                z_out, z_in = _overlap(z0, depth, rz)
                out[x_out, :, z_out] = self._region(rx, rz)[x_in, :, z_in]
        return out

    def _region(self, rx: int, rz: int) -> NDArray[np.uint8]:  # [REGION, HEIGHT, REGION]
        found = self._regions.get((rx, rz))
        if found is None:
            if len(self._regions) >= _KEPT_REGIONS:
                self._regions = {key: self._regions[key] for key in self._edited}
            found = region(self.seed, self.biome, rx, rz)
            self._regions[(rx, rz)] = found
        return found


def home_biome(seed: int) -> Biome:
    """The biome a seed starts in when none is asked for."""
    return Biome(int(hashed(seed, _SALT_HOME, 0, 0)[0] * len(Biome)))


def _contains(window: VoxelWindow, x: int, z: int) -> bool:
    x0, _, z0 = window.origin
    return x0 <= x < x0 + WINDOW and z0 <= z < z0 + WINDOW


def _overlap(start: int, length: int, index: int) -> tuple[slice, slice]:
    """Where region `index` lies in a span of columns, and which part of the region that is."""
    low = max(start, index * REGION)
    high = min(start + length, (index + 1) * REGION)
    return slice(low - start, high - start), slice(low - index * REGION, high - index * REGION)
