"""The `[[random]]` tables of a script: a walker whose choices are drawn within limits."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from worldsim.record.script_table import MAX_SCRIPT_S, ScriptTable, to_ticks
from worldsim.types import BUTTONS, MAX_PITCH_DEG, MAX_TURN_DEG, TICK_HZ, TICK_S

MAX_RATE_DEG_S = MAX_TURN_DEG * TICK_HZ


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomWalk:
    """Random choices from `tick` for `ticks` ticks, each kept for `hold_ticks` (least, most)."""

    tick: int
    ticks: int
    hold_ticks: tuple[int, int]
    chances: dict[str, float]
    rates_deg_s: tuple[float, float]  # yaw, pitch
    limits_deg: tuple[float, float]  # yaw, pitch

    @property
    def end(self) -> int:
        return self.tick + self.ticks


@dataclass(frozen=True, slots=True)
class Choice:
    """What a random walk does during one tick."""

    buttons: tuple[str, ...]
    yaw_deg: float
    pitch_deg: float


def random_walks(top: ScriptTable) -> Iterator[RandomWalk]:
    """The `[[random]]` tables of a file; ScriptError for what is wrong in one."""
    end = 0
    for table in top.tables("random"):
        walk = _random_walk(table, begin=end)
        end = walk.end
        yield walk


def draw_walk(walk: RandomWalk, rng: np.random.Generator) -> Iterator[Choice]:
    """One choice a tick. Turns that would pass a limit end at it."""
    limits = np.array(walk.limits_deg)
    turned, rates = np.zeros(2), np.zeros(2)
    buttons: tuple[str, ...] = ()
    kept = 0
    for _ in range(walk.ticks):
        if kept == 0:
            kept = int(rng.integers(*walk.hold_ticks, endpoint=True))
            buttons = tuple(name for name, p in walk.chances.items() if rng.random() < p)
            rates = rng.uniform(-1.0, 1.0, 2) * walk.rates_deg_s
        turns = np.clip(turned + rates * TICK_S, -limits, limits) - turned
        turned += turns
        kept -= 1
        yield Choice(buttons, float(turns[0]), float(turns[1]))


def _random_walk(table: ScriptTable, *, begin: int) -> RandomWalk:
    table.allow(
        *("at_s", "at_tick", "for_s", "for_ticks", "hold_s", "buttons"),
        *("yaw_deg_s", "pitch_deg_s", "yaw_limit_deg", "pitch_limit_deg"),
    )
    least, most = table.span("hold_s", (0.2, 1.5), low=TICK_S, high=MAX_SCRIPT_S)
    yaw_rate, pitch_rate = (
        table.number(key, 0.0, low=0.0, high=MAX_RATE_DEG_S) for key in ("yaw_deg_s", "pitch_deg_s")
    )
    yaw_limit = table.number("yaw_limit_deg", low=0.0) if table.has("yaw_limit_deg") else math.inf
    return RandomWalk(
        tick=table.moment("at_s", "at_tick", default=begin, low=0),
        ticks=table.moment("for_s", "for_ticks", default=None, low=1),
        hold_ticks=(to_ticks(least), to_ticks(most)),
        chances=table.shares("buttons", BUTTONS),
        rates_deg_s=(yaw_rate, pitch_rate),
        limits_deg=(
            yaw_limit,
            table.number("pitch_limit_deg", 30.0, low=0.0, high=2 * MAX_PITCH_DEG),
        ),
    )
