"""The line that shows how far back in time the frame on the screen is."""

from __future__ import annotations

from dataclasses import dataclass

from worldsim.play.time_travel import Past
from worldsim.types import TICK_S


@dataclass(frozen=True, slots=True)
class Scrubber:
    """Equal values look equal."""

    place: float  # of the shown frame on the line: 0 the oldest kept one, 1 the newest
    label: str


def scrubber_of(past: Past) -> Scrubber:
    """The line for a frame of the past."""
    kept_s, back_s = past.kept_ticks * TICK_S, past.back_ticks * TICK_S
    label = f"-{back_s:.1f} s of {kept_s:.0f} s"
    if past.back_ticks == 0:
        label = f"now, with {kept_s:.0f} s to go back"
    elif past.back_ticks == past.kept_ticks:
        label = f"-{back_s:.1f} s, the oldest moment that is kept"
    if len(past.branches) > 1:
        label = f"{label}   {branch_line(past)}"
    return Scrubber(1.0 - past.back_ticks / max(past.kept_ticks, 1), label)


def branch_line(past: Past) -> str:
    """Which branch this is, by its number, and how many there are."""
    return f"branch {past.branch}, one of {len(past.branches)}"
