"""A voxel window prepared for rendering: ids, room to skip, and light, packed into 16 bits a cell.

    bits 0-3 block id   4-7 clearance   8-11 sky light   12-15 lamp light

The clearance of an empty cell is k when every cell nearer than k (largest coordinate difference)
is empty, so that a ray may leave the cube around it in one step; it is 0 in blocks.
Light spreads from cell to cell and loses a fixed amount each time, as in a flood fill.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldsim.envs.blocks.blocks import EMISSIVE, TRANSPARENT, Block
from worldsim.envs.blocks.voxels import VoxelWindow

CLEARANCE_SHIFT, SKY_SHIFT, LAMP_SHIFT = 4, 8, 12
LIGHT_MAX = 15
_CLEARANCE_MAX = 12
_LIGHT_LOSS = 2  # of LIGHT_MAX, per metre

_Grid = NDArray[np.uint8]  # [X, Y, Z]
_Words = NDArray[np.uint64]  # [X, Y, ceil(Z / 64)]
_ONE, _LAST, _FULL = np.uint64(1), np.uint64(63), ~np.uint64(0)


@dataclass(frozen=True, slots=True)
class Volume:
    """What is uploaded for one window."""

    cells: NDArray[np.uint16]  # [X, Y, Z] packed
    origin: tuple[int, int, int]
    top: int  # every cell at this height or above is empty


def make_volume(window: VoxelWindow) -> Volume:
    """Pack a window's blocks with the clearance and the light that follow from them.

    Above the highest block everything is known beforehand, so only the layers up to one above it
    are worked on.
    """
    layers = np.flatnonzero(window.blocks.any(axis=(0, 2)))
    top = int(layers[-1]) + 1 if layers.size else 1
    blocks = np.ascontiguousarray(window.blocks[:, : top + 1])
    opaque = ~_is_any(blocks, TRANSPARENT)
    room = clearance((blocks != 0).astype(np.uint8))
    light = sky_light(opaque) | lamp_light(blocks, opaque) << (LAMP_SHIFT - SKY_SHIFT)
    cells = np.empty(window.blocks.shape, dtype=np.uint16)
    cells[:, : top + 1] = light
    cells[:, : top + 1] <<= SKY_SHIFT
    cells[:, : top + 1] |= blocks | room << CLEARANCE_SHIFT
    above = np.arange(1, window.blocks.shape[1] - top) + 1
    sky = LIGHT_MAX << SKY_SHIFT | np.minimum(above, _CLEARANCE_MAX) << CLEARANCE_SHIFT
    cells[:, top + 1 :] = sky[:, None]
    return Volume(cells, window.origin, top)


def eye_in_water(volume: Volume, eye: NDArray[np.float32]) -> bool:  # eye [3], window metres
    """Whether the cell around the eye is water."""
    x, y, z = (math.floor(metres) for metres in eye.tolist())
    width, height, depth = volume.cells.shape
    if not (0 <= x < width and 0 <= y < height and 0 <= z < depth):
        return False
    return bool(volume.cells[x, y, z] & 15 == Block.WATER)


def clearance(filled: _Grid) -> _Grid:
    """How many cells a ray may advance from each cell; 0 in filled ones. Below y = 0 is filled.

    Worked out on 64 cells a word. In how many steps of growth a cell was still empty is counted by
    four such words, one for each binary digit.
    """
    grown = _packed(filled)
    digits = [np.zeros_like(grown) for _ in range(_CLEARANCE_MAX.bit_length())]
    for _ in range(_CLEARANCE_MAX):
        carry = ~grown
        for digit in digits:
            carried = digit & carry
            digit ^= carry
            carry = carried
        grown = _dilated(grown)
        grown[:, 0] = _FULL
    room = np.zeros_like(filled)
    for place, digit in enumerate(digits):
        bits = digit.view(np.uint8)
        room |= np.unpackbits(bits, axis=2, count=filled.shape[2], bitorder="little") << place
    return room


def sky_light(opaque: NDArray[np.bool_]) -> _Grid:
    """Full light in cells open to the sky, fading sideways under cover; 0 in opaque cells."""
    covered = opaque.copy()
    for y in range(opaque.shape[1] - 2, -1, -1):
        covered[:, y] |= covered[:, y + 1]
    dark = np.pad(covered & ~opaque, 1)
    light = np.pad(np.where(covered, np.uint8(0), np.uint8(LIGHT_MAX)), 1)
    beside_dark = _neighbours(np.flatnonzero(dark), dark.shape)
    _spread(light, dark, beside_dark[light.reshape(-1)[beside_dark] == LIGHT_MAX])
    return light[1:-1, 1:-1, 1:-1]


def lamp_light(blocks: _Grid, opaque: NDArray[np.bool_]) -> _Grid:
    """The glow of emissive blocks on the cells around them."""
    sources = np.pad(_is_any(blocks, EMISSIVE), 1)
    light = np.where(sources, np.uint8(LIGHT_MAX), np.uint8(0))
    _spread(light, np.pad(~opaque, 1) & ~sources, np.flatnonzero(sources))
    return light[1:-1, 1:-1, 1:-1]


def _is_any(blocks: _Grid, kinds: frozenset[Block]) -> NDArray[np.bool_]:
    found = np.zeros(blocks.shape, dtype=np.bool_)
    for kind in kinds:
        found |= blocks == int(kind)
    return found


def _spread(
    light: _Grid,  # [X+2, Y+2, Z+2], written
    dark: NDArray[np.bool_],  # [X+2, Y+2, Z+2] cells to be lit, none at the border; written
    front: NDArray[np.int64],  # [N] flat indices of the full light that is next to them
) -> None:
    """Light the dark from full light inwards, each cell once."""
    flat_light, flat_dark = light.reshape(-1), dark.reshape(-1)
    seats = np.empty(light.size, dtype=np.int64)
    for level in range(LIGHT_MAX - _LIGHT_LOSS, 0, -_LIGHT_LOSS):
        reached = _neighbours(front, light.shape)
        front = _once(reached[flat_dark[reached]], seats)
        flat_light[front] = level
        flat_dark[front] = False


def _once(
    cells: NDArray[np.int64],  # [N] indices into seats
    seats: NDArray[np.int64],  # scratch, written
) -> NDArray[np.int64]:  # [M <= N]
    """Without repetitions, faster than by sorting: each sits down, and the last one stays."""
    guests = np.arange(len(cells))
    seats[cells] = guests
    return cells[seats[cells] == guests]


def _neighbours(
    cells: NDArray[np.int64],  # [N] flat indices into a grid, none at its border
    shape: tuple[int, ...],
) -> NDArray[np.int64]:  # [6 N], with repetitions
    _, height, depth = shape
    steps = np.array((1, depth, height * depth))
    return (cells + np.concatenate((steps, -steps))[:, None]).reshape(-1)


def _packed(filled: _Grid) -> _Words:
    """64 cells a word along z, the first cell in the lowest bit; missing ones are empty."""
    bits = np.packbits(filled, axis=2, bitorder="little")
    missing = -bits.shape[2] % 8
    return np.pad(bits, ((0, 0), (0, 0), (0, missing))).view("<u8")


def _dilated(packed: _Words) -> _Words:
    """Every cell that touches a filled one, by a face, an edge or a corner."""
    grid = packed | packed << _ONE | packed >> _ONE
    grid[..., 1:] |= packed[..., :-1] >> _LAST
    grid[..., :-1] |= packed[..., 1:] << _LAST
    grown = grid.copy()
    grown[:, :-1] |= grid[:, 1:]
    grown[:, 1:] |= grid[:, :-1]
    grid = grown.copy()
    grid[:-1] |= grown[1:]
    grid[1:] |= grown[:-1]
    return grid
