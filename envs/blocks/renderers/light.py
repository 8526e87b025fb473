"""From a look and an hour to numbers: block faces and their patterns, the sun, the sky, the fog.

Both renderers receive these numbers, so that they draw the same picture. All colours are display
values in [0, 1]; light multiplies them directly, without a gamma curve. The colours themselves
are in `worldsim.envs.blocks.looks`.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from worldsim.envs.blocks.blocks import BLOCK_COUNT, Block
from worldsim.envs.blocks.looks import NATURAL, Look

RANGE_M: Final = 32.0  # rays longer than this see the sky
TEXTURE_NEAR_M: Final = 4.0  # patterns are full up to here ...
TEXTURE_FAR_M: Final = 12.0  # ... and gone from here: then they would be finer than a pixel
TINT_FAR_M: Final = 26.0  # where the variation from block to block is gone
TINT_AMOUNT: Final = 0.05
OCCLUDED: Final = 0.30  # of the open cell's light, where a neighbouring cell is filled
WATER_VIEW_M: Final = 7.0  # how far one sees under water
INSIDE_LIGHT: Final = 0.12  # of the block's colour, for an eye inside a block

Vector = NDArray[np.float64]  # [3]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """How a block's faces vary: a lattice of hashed values, and seams between its cells.

    `cells` lie along the two directions of a face (the second is vertical on sides). `soft` is
    1 for values that flow into each other and small for cells with edges. `shift` moves every
    other row by half a cell. `glow` brightens the middle of the face; `emit` is the light it
    gives by itself.
    """

    cells: tuple[float, float] = (4.0, 4.0)
    soft: float = 1.0
    amount: float = 0.10
    seam: float = 0.0
    shift: float = 0.0
    glow: float = 0.0
    emit: float = 0.0


PATTERNS: Final[dict[Block, Pattern]] = {
    Block.GRASS: Pattern(amount=0.16),
    Block.DIRT: Pattern(amount=0.16),
    Block.STONE: Pattern(cells=(2, 3), soft=0.5, amount=0.13),
    Block.SAND: Pattern(cells=(2, 5), amount=0.07),
    Block.WATER: Pattern(cells=(2, 2), amount=0.06),
    Block.LOG: Pattern(cells=(4, 1), soft=0.4, amount=0.14, seam=0.14),
    Block.LEAVES: Pattern(cells=(3, 3), soft=0.6, amount=0.30),
    Block.PLANKS: Pattern(cells=(1, 4), soft=0.12, amount=0.10, seam=0.24),
    Block.BRICK: Pattern(cells=(2, 4), soft=0.12, amount=0.10, seam=-0.26, shift=0.5),
    Block.SNOW: Pattern(cells=(2, 2), amount=0.035),
    Block.CLAY: Pattern(cells=(1, 4), soft=0.6, amount=0.12),
    Block.CRYSTAL: Pattern(cells=(2, 2), soft=0.15, amount=0.22, seam=-0.2, emit=0.5),
    Block.LAMP: Pattern(cells=(1, 1), amount=0.0, seam=0.35, glow=0.25, emit=0.95),
    Block.GEM: Pattern(cells=(2, 2), soft=0.15, amount=0.18, seam=-0.25, glow=0.3, emit=0.7),
    Block.BEACON: Pattern(cells=(1, 1), amount=0.0, seam=0.2, glow=0.45, emit=0.85),
}


def face_colours(look: Look) -> NDArray[np.float32]:  # [BLOCK_COUNT * 3, 3] top, side, bottom
    return (look.palette().reshape(-1, 3) / 255.0).astype(np.float32)


def fog_m(look: Look) -> NDArray[np.float32]:  # [2] metres where it starts and ends
    return np.array((look.fog_start_m, look.fog_end_m), dtype=np.float32)


def pattern_table() -> NDArray[np.float32]:  # [BLOCK_COUNT * 2, 4]
    """Two rows a block: (cells u, cells v, soft, amount) and (seam, shift, glow, emit)."""
    table = np.zeros((BLOCK_COUNT, 2, 4), dtype=np.float32)
    for block in Block:
        p = PATTERNS.get(block, Pattern())
        table[block] = ((*p.cells, p.soft, p.amount), (p.seam, p.shift, p.glow, p.emit))
    return table.reshape(-1, 4)


@dataclass(frozen=True, slots=True)
class Light:
    """The light of one moment. Colours are RGB rows of shape [3], except `faces` [6, 3]."""

    sun_direction: Vector  # towards the sun, or the moon at night; unit length
    sun_disc: Vector
    zenith: Vector
    horizon: Vector
    glow: Vector  # added around the sun
    faces: NDArray[np.float64]  # of faces +x, -x, +y, -y, +z, -z in open air
    shade: Vector  # the least light, deep under cover
    lamp: Vector
    water: Vector  # the colour of distance under water


ELEVATION: Final = (-0.35, -0.08, 0.06, 0.30, 0.70)  # sines of the sun's heights in a look
_FACE_BRIGHTNESS: Final = np.array((0.91, 0.81, 1.0, 0.64, 0.96, 0.75))  # distinct at any hour
_NORMALS: Final = np.array(
    ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)), dtype=np.float64
)


def light_at(day: float, look: Look = NATURAL) -> Light:
    """The light at a phase of the day: 0 midnight, 0.25 sunrise, 0.5 noon, 0.75 sunset."""
    angle = 2.0 * math.pi * (day - 0.25)
    sun = np.array((math.cos(angle), 0.86 * math.sin(angle), 0.5 * math.sin(angle)))
    sun /= np.linalg.norm(sun)
    key = dict(zip(look.sky, _colours_at(float(sun[1]), look), strict=True))
    lamp_in_sky = sun if sun[1] > -0.12 else -sun  # the moon stands opposite
    facing = np.clip(_NORMALS @ lamp_in_sky, 0.0, 1.0)[:, None]
    faces = (key["ambient"] + key["sun"] * facing) * _FACE_BRIGHTNESS[:, None]
    return Light(
        sun_direction=lamp_in_sky,
        sun_disc=key["disc"],
        zenith=key["zenith"],
        horizon=key["horizon"],
        glow=key["glow"],
        faces=faces,
        shade=key["ambient"] * 0.42,
        lamp=np.array((1.0, 0.78, 0.48)) * 0.85,
        water=np.array(look.water) * (0.35 + 0.65 * key["ambient"].mean() / 0.6),
    )


def _colours_at(sine: float, look: Look) -> NDArray[np.float64]:  # [len(look.sky), 3]
    """Between the two heights of the sun that this one lies between."""
    table = _sky_table(look)
    if not ELEVATION[0] < sine < ELEVATION[-1]:
        return table[0 if sine <= ELEVATION[0] else -1]
    below = bisect_right(ELEVATION, sine) - 1
    slope = (table[below + 1] - table[below]) / (ELEVATION[below + 1] - ELEVATION[below])
    between: NDArray[np.float64] = slope * (sine - ELEVATION[below]) + table[below]
    return between


@lru_cache
def _sky_table(look: Look) -> NDArray[np.float64]:  # [len(ELEVATION), len(sky), 3]
    colours = np.array(list(look.sky.values()), dtype=np.float64)
    return np.ascontiguousarray(colours.transpose(1, 0, 2)) / 255.0


LIGHT_ROWS: Final = 15


def light_rows(light: Light) -> NDArray[np.float32]:  # [LIGHT_ROWS, 3]
    """The same numbers as rows, in the order that `voxels.frag` and the torch twin read them."""
    singles = (light.sun_direction, light.sun_disc, light.zenith, light.horizon, light.glow)
    rest = (light.shade, light.lamp, light.water)
    rows = np.concatenate((np.stack(singles), light.faces, np.stack(rest)))
    return np.concatenate((rows, np.zeros((1, 3)))).astype(np.float32)
