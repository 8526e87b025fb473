"""What the overlays over the picture show. Pure data; `overlay_painter` draws it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from worldsim.play.key_names import key_name
from worldsim.play.keymap import Keymap
from worldsim.play.overview import Overview
from worldsim.play.twin_picture import FULL_HEAT, TwinShot

# Column, row and width of a button's key, as on a keyboard, with the mouse at the right
CAPS = {
    "forward": (1.0, 0.0, 1.0),
    "left": (0.0, 1.0, 1.0),
    "back": (1.0, 1.0, 1.0),
    "right": (2.0, 1.0, 1.0),
    "sneak": (0.0, 2.0, 1.0),
    "sprint": (1.0, 2.0, 1.0),
    "jump": (2.0, 2.0, 3.25),
    "attack": (3.25, 0.0, 2.0),
    "use": (3.25, 1.0, 2.0),
}
# The titles of a twin's quarters, as they are read
CORNERS = ("Dream", "Truth", f"Difference, up to {FULL_HEAT:.0f} levels")


@dataclass(frozen=True, slots=True)
class KeyCap:
    """A key as it lies on the desk, in widths of a key."""

    label: str
    column: float
    row: float
    width: float
    down: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinPanel:
    """The words to a twin's picture, in its fourth quarter."""

    heading: str
    lines: tuple[str, ...]
    recent_db: tuple[float, ...] = ()  # oldest first; NaN where nothing in sight was seen before
    aspect: float = 1.6  # of the picture


def key_caps(overview: Overview, keymap: Keymap) -> tuple[KeyCap, ...]:
    """The keys of the buttons, and which of them the last tick's action held down."""
    return tuple(
        KeyCap(_cap(keymap, button), *place, button in overview.pressed)
        for button, place in CAPS.items()
    )


def twin_panel(shot: TwinShot, seed: int | None, pose: str) -> TwinPanel:
    """`pose` is how the place and direction of both are written."""
    return TwinPanel(
        heading=f"{_db(shot.psnr_db)} on seen pixels",
        lines=(
            f"{_db(shot.whole_db)} on the whole picture",
            f"{shot.seen:.0%} of it was shown to the dream",
            "the rest, in blue, it has to invent",
            f"seed {seed}   {pose}",
            f"the truth leads: it stood {shot.jump_m:.1f} m from the dream",
        ),
        recent_db=shot.recent_db,
        aspect=shot.picture.shape[1] / shot.picture.shape[0],
    )


def _cap(keymap: Keymap, button: str) -> str:
    keys = keymap.keys_of(button, on_pad=False)
    return key_name(keys[0]) if keys else ""


def _db(value: float) -> str:
    if math.isnan(value):
        return "- dB"
    return "no difference" if math.isinf(value) else f"{value:.1f} dB"
