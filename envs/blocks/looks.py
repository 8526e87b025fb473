"""Looks: the same land in other colours, under another sky and in another fog.

A look changes pictures only. Blocks, depths, bodies and rewards are the same under each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from worldsim.envs.blocks.blocks import Block

Colour = tuple[int, int, int]  # sRGB


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Look:
    """Everything that tells one look from another.

    `sky` gives, for each name, the colours at the sun's heights in `renderers.light.ELEVATION`:
    night, dusk, sunrise, morning, noon. `sun` and `ambient` light the blocks, the rest is the sky
    itself. Fog has the sky's colours, so it needs its distances only.
    """

    name: str
    blocks: Mapping[Block, tuple[Colour, Colour, Colour]]  # top, side, bottom
    sky: Mapping[str, tuple[Colour, Colour, Colour, Colour, Colour]]
    water: tuple[float, float, float]  # the colour of distance under water, in [0, 1]
    fog_start_m: float
    fog_end_m: float

    def palette(self) -> NDArray[np.uint8]:  # [BLOCK_COUNT, 3, 3] sRGB of top, side, bottom
        """The base colour of every block's faces, before light, texture and fog."""
        return np.array([self.blocks[block] for block in Block], dtype=np.uint8)


NATURAL: Final = Look(
    name="natural",
    blocks={
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
    },
    sky={
        "zenith": ((16, 22, 52), (52, 58, 116), (92, 120, 186), (84, 148, 224), (72, 144, 230)),
        "horizon": (
            (44, 56, 96),
            (168, 116, 130),
            (244, 182, 136),
            (206, 222, 234),
            (196, 222, 242),
        ),
        "glow": ((26, 32, 48), (110, 56, 30), (90, 62, 26), (44, 36, 18), (34, 30, 18)),
        "disc": (
            (232, 238, 255),
            (255, 178, 120),
            (255, 226, 160),
            (255, 246, 216),
            (255, 252, 236),
        ),
        "sun": ((40, 50, 76), (44, 40, 44), (140, 98, 62), (132, 114, 86), (128, 120, 104)),
        "ambient": (
            (92, 104, 148),
            (130, 122, 148),
            (154, 146, 154),
            (164, 168, 180),
            (168, 174, 184),
        ),
    },
    water=(0.10, 0.30, 0.50),
    fog_start_m=15.0,
    fog_end_m=31.0,
)

CRYSTAL: Final = Look(
    name="crystal",
    blocks={
        Block.AIR: ((0, 0, 0), (0, 0, 0), (0, 0, 0)),
        Block.GRASS: ((84, 196, 188), (98, 92, 150), (84, 78, 132)),
        Block.DIRT: ((104, 92, 156), (96, 86, 146), (86, 76, 132)),
        Block.STONE: ((112, 108, 176), (98, 96, 162), (82, 80, 142)),
        Block.SAND: ((244, 190, 220), (234, 176, 210), (214, 156, 192)),
        Block.WATER: ((226, 150, 72), (212, 138, 66), (186, 120, 58)),
        Block.LOG: ((222, 214, 236), (186, 178, 214), (222, 214, 236)),
        Block.LEAVES: ((232, 92, 168), (214, 78, 154), (182, 62, 132)),
        Block.PLANKS: ((150, 222, 232), (138, 208, 220), (120, 186, 200)),
        Block.BRICK: ((70, 92, 196), (62, 84, 184), (52, 72, 162)),
        Block.SNOW: ((210, 244, 214), (192, 230, 200), (172, 210, 182)),
        Block.CLAY: ((92, 150, 216), (80, 136, 204), (68, 118, 182)),
        Block.CRYSTAL: ((250, 236, 120), (240, 220, 96), (218, 196, 78)),
        Block.LAMP: ((180, 255, 236), (166, 250, 228), (150, 238, 214)),
        Block.GEM: ((255, 120, 64), (240, 104, 48), (208, 88, 38)),
        Block.BEACON: ((120, 255, 96), (100, 246, 80), (82, 220, 64)),
    },
    sky={
        "zenith": ((34, 14, 58), (92, 44, 110), (176, 96, 150), (150, 84, 172), (132, 70, 168)),
        "horizon": (
            (70, 40, 92),
            (190, 110, 120),
            (252, 196, 150),
            (248, 208, 196),
            (246, 214, 214),
        ),
        "glow": ((30, 24, 44), (110, 40, 60), (96, 50, 40), (50, 30, 30), (40, 26, 30)),
        "disc": (
            (255, 226, 250),
            (255, 150, 140),
            (255, 220, 180),
            (255, 244, 230),
            (255, 250, 244),
        ),
        "sun": ((46, 40, 70), (52, 36, 46), (146, 92, 76), (136, 108, 104), (132, 114, 116)),
        "ambient": (
            (110, 92, 150),
            (146, 118, 146),
            (166, 144, 160),
            (178, 164, 182),
            (182, 168, 186),
        ),
    },
    water=(0.46, 0.26, 0.12),
    fog_start_m=10.0,
    fog_end_m=25.0,
)

LOOKS: Final = {look.name: look for look in (NATURAL, CRYSTAL)}
