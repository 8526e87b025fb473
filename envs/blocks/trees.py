"""Trees: at most one per 8x8 m, wholly inside its square, so regions never depend on each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from worldsim.envs.blocks.biomes import FLORA, WATER_LEVEL, Biome, Ground
from worldsim.envs.blocks.blocks import Block
from worldsim.envs.blocks.noise import hashed

SQUARE: Final = 8
_CLEARING_M: Final = 8  # between a structure's middle and a trunk
_SALT: Final = 101
_AIR: Final = int(Block.AIR)  # NumPy is four times as quick with an int as with an enum's member

Blocks = NDArray[np.uint8]  # [X, HEIGHT, Z]


def plant(
    blocks: Blocks,  # [X, HEIGHT, Z], written
    ground: Ground,
    seed: int,
    origin: tuple[int, int],  # x, z of the region
    *,
    avoid: tuple[int, int] | None,  # column of the region's structure
) -> None:
    """Grow the region's trees, none of them on its structure."""
    squares = blocks.shape[0] // SQUARE
    index = np.arange(squares)
    x_square = (origin[0] // SQUARE + index)[:, None, None]
    z_square = (origin[1] // SQUARE + index)[None, :, None]
    dice = hashed(seed, _SALT + np.arange(5), x_square, z_square)
    for i, j in np.ndindex(squares, squares):
        chance, x_jitter, z_jitter, size, kind = dice[i, j].tolist()
        x = i * SQUARE + 3 + int(x_jitter * 2)
        z = j * SQUARE + 3 + int(z_jitter * 2)
        if avoid is not None and max(abs(x - avoid[0]), abs(z - avoid[1])) < _CLEARING_M:
            continue
        y = int(ground.height[x, z]) + 1
        flora = FLORA[Biome(int(ground.biome[x, z]))]
        if chance < flora.density and y > WATER_LEVEL + 1:
            _SHAPES[flora.tree](blocks, (x, y, z), size, kind)


def _grow(
    blocks: Blocks,  # [X, HEIGHT, Z], written
    corner: tuple[int, int, int],
    size: tuple[int, int, int],
    block: Block,
) -> None:
    """Fill the air of a box."""
    (x, y, z), (dx, dy, dz) = corner, size
    part = blocks[x : x + dx, y : y + dy, z : z + dz]
    part[part == _AIR] = int(block)


def _trunk(blocks: Blocks, foot: tuple[int, int, int], height: int) -> None:
    x, y, z = foot
    blocks[x, y : y + height, z] = int(Block.LOG)


def _disc(
    blocks: Blocks, centre: tuple[int, int, int], radius: int, height: int, block: Block
) -> None:
    """A slab without its corners."""
    x, y, z = centre
    r, wide = radius, 2 * radius + 1
    _grow(blocks, (x - r, y, z - r + 1), (wide, height, wide - 2), block)
    _grow(blocks, (x - r + 1, y, z - r), (wide - 2, height, wide), block)


def _oak(blocks: Blocks, foot: tuple[int, int, int], size: float, kind: float) -> None:
    x, y, z = foot
    radius = 3 if kind < 0.3 else 2
    trunk = 3 + int(size * 2) + (radius - 2)
    _trunk(blocks, foot, trunk + 2)
    _disc(blocks, (x, y + trunk, z), radius, 2, Block.LEAVES)
    _disc(blocks, (x, y + trunk + 2, z), radius - 1, radius - 1, Block.LEAVES)


def _pine(blocks: Blocks, foot: tuple[int, int, int], size: float, cap: Block) -> None:
    x, y, z = foot
    trunk = 2 + int(size * 2)
    _trunk(blocks, foot, trunk + 4)
    _disc(blocks, (x, y + trunk, z), 3, 1, Block.LEAVES)
    _disc(blocks, (x, y + trunk + 1, z), 2, 2, Block.LEAVES)
    _disc(blocks, (x, y + trunk + 3, z), 1, 2, Block.LEAVES)
    _grow(blocks, (x, y + trunk + 5, z), (1, 1, 1), cap)


def _mixed(blocks: Blocks, foot: tuple[int, int, int], size: float, kind: float) -> None:
    if kind < 0.45:
        _pine(blocks, foot, size, Block.LEAVES)
    else:
        _oak(blocks, foot, size, (kind - 0.45) * 1.8)


def _snowy(blocks: Blocks, foot: tuple[int, int, int], size: float, kind: float) -> None:
    x, y, z = foot
    trunk = 2 + int(size * 2)
    _pine(blocks, foot, size, Block.SNOW)
    if kind < 0.6:
        _disc(blocks, (x, y + trunk + 5, z), 1, 1, Block.SNOW)


def _cactus(blocks: Blocks, foot: tuple[int, int, int], size: float, kind: float) -> None:
    x, y, z = foot
    _grow(blocks, foot, (1, 3 + int(size * 2), 1), Block.LEAVES)
    if kind < 0.6:
        _grow(blocks, (x + 1, y + 2, z), (1, 1, 1), Block.LEAVES)
        _grow(blocks, (x + 2, y + 2, z), (1, 2, 1), Block.LEAVES)


def _dead(blocks: Blocks, foot: tuple[int, int, int], size: float, kind: float) -> None:
    x, y, z = foot
    height = 4 + int(size * 2)
    _trunk(blocks, foot, height)
    branch = (3, 1, 1) if kind < 0.5 else (2, 1, 1)
    _grow(blocks, (x - 1, y + height - 2, z), branch, Block.LOG)


_SHAPES: Final[dict[str, Callable[[Blocks, tuple[int, int, int], float, float], None]]] = {
    "oak": _oak,
    "mixed": _mixed,
    "snowy": _snowy,
    "cactus": _cactus,
    "dead": _dead,
}
