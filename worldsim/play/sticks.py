"""What a stick's position means: how fast to turn, and where to walk. Pure arithmetic.

The dead zone is radial: it is cut from the length of the deflection, never from one axis alone,
so that a slow diagonal stays a diagonal.
"""

from __future__ import annotations

import math
from collections.abc import Set
from dataclasses import dataclass

FULL = 0.95  # worn sticks never reach 1
WALKS_AT, STOPS_AT = 0.35, 0.25  # of the way; apart, so that a trembling thumb does not stutter
SECTOR = math.sin(math.radians(22.5))  # eight directions of 45 degrees each


@dataclass(frozen=True, slots=True)
class Deflection:
    """A stick from -1 to 1 on each axis, right and down positive."""

    x: float = 0.0
    y: float = 0.0

    @property
    def length(self) -> float:
        return math.hypot(self.x, self.y)


def shaped(raw: Deflection, *, dead_zone: float, curve: float) -> Deflection:
    """The same direction; the length is 0 in the dead zone, 1 at the rim, a power in between."""
    length = raw.length
    if length <= dead_zone:
        return Deflection()
    part = min((length - dead_zone) / (FULL - dead_zone), 1.0)
    scale = part**curve / length
    return Deflection(raw.x * scale, raw.y * scale)


def walked(raw: Deflection, walking: Set[str], *, dead_zone: float) -> frozenset[str]:
    """The buttons that a walking stick holds, among eight directions.

    Args:
        walking: the buttons it held before; a stick that already walks stops later.
    """
    threshold = max(STOPS_AT if walking else WALKS_AT, dead_zone)
    if raw.length <= threshold:
        return frozenset()
    x, y = raw.x / raw.length, raw.y / raw.length
    held = {"forward": -y, "back": y, "left": -x, "right": x}
    return frozenset(button for button, part in held.items() if part > SECTOR)
