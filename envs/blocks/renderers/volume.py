"""A voxel window prepared for rendering: ids, room to skip, and light, packed into 16 bits a cell.

    bits 0-3 block id   4-7 clearance   8-11 sky light   12-15 lamp light

The clearance of an empty cell is k when every cell nearer than k (largest coordinate difference)
is empty, so that a ray may leave the cube around it in one step; it is 0 in blocks.
Light spreads from cell to cell and loses a fixed amount each time, as in a flood fill.
"""

from __future__ import annotations

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
    cell = np.floor(eye).astype(int)
    if (cell < 0).any() or (cell >= volume.cells.shape).any():
        return False
    return bool(volume.cells[tuple(cell)] & 15 == Block.WATER)


def clearance(filled: _Grid) -> _Grid:
    """How many cells a ray may advance from each cell; 0 in filled ones. Below y = 0 is filled."""
    room = np.zeros_like(filled)
    grown = filled.copy()
    for _ in range(_CLEARANCE_MAX):
        room += grown ^ 1
        grown = _dilated(grown)
        grown[:, 0] = 1
    return room


def sky_light(opaque: NDArray[np.bool_]) -> _Grid:
    """Full light in cells open to the sky, fading sideways under cover; 0 in opaque cells."""
    covered = np.logical_or.accumulate(opaque[:, ::-1], axis=1)[:, ::-1]
    return _spread(np.where(covered, np.uint8(0), np.uint8(LIGHT_MAX)), opaque)


def lamp_light(blocks: _Grid, opaque: NDArray[np.bool_]) -> _Grid:
    """The glow of emissive blocks on the cells around them."""
    sources = _is_any(blocks, EMISSIVE)
    light = np.where(sources, np.uint8(LIGHT_MAX), np.uint8(0))
    near = _surroundings(sources, LIGHT_MAX // _LIGHT_LOSS)
    light[near] = _spread(light[near], (opaque & ~sources)[near])
    return light


def _is_any(blocks: _Grid, kinds: frozenset[Block]) -> NDArray[np.bool_]:
    found = np.zeros(blocks.shape, dtype=np.bool_)
    for kind in kinds:
        found |= blocks == int(kind)
    return found


def _surroundings(sources: NDArray[np.bool_], reach: int) -> tuple[slice, ...]:
    """The box of all cells that light from the sources can reach."""
    box = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        places = np.flatnonzero(sources.any(axis=others))
        low, high = (places[0], places[-1]) if places.size else (0, -reach - 1)
        box.append(slice(max(low - reach, 0), max(high + reach + 1, 0)))
    return tuple(box)


def _spread(light: _Grid, opaque: NDArray[np.bool_]) -> _Grid:
    open_mask = np.where(opaque, np.uint8(0), np.uint8(255))
    for _ in range(LIGHT_MAX // _LIGHT_LOSS):
        around = light.copy()
        for axis in range(3):
            low, high = _neighbours(axis)
            np.maximum(around[low], light[high], out=around[low])
            np.maximum(around[high], light[low], out=around[high])
        np.maximum(around, _LIGHT_LOSS, out=around)
        around -= _LIGHT_LOSS
        around &= open_mask
        np.maximum(light, around, out=light)
    return light


def _dilated(grid: _Grid) -> _Grid:
    for axis in range(3):
        low, high = _neighbours(axis)
        grown = grid.copy()
        grown[low] |= grid[high]
        grown[high] |= grid[low]
        grid = grown
    return grid


def _neighbours(axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    low, high = [slice(None)] * 3, [slice(None)] * 3
    low[axis], high[axis] = slice(None, -1), slice(1, None)
    return tuple(low), tuple(high)
