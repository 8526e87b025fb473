"""How many of the given seeds each protocol uses: one table of suites."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

BURN_IN = 32  # real frames before the first dreamed one
HORIZONS = (1, 8, 32, 128)
POSE_TICKS = 32
ALL = 1_000_000  # as many seeds as there are
MEMORY_MODES = ("full", "recent", "random", "off")

SuiteName = Literal["quick", "full"]
Part = Literal["rollout", "revisit", "look_away", "self_revisit", "control", "drift", "pose"]
PARTS: tuple[Part, ...] = get_args(Part)
SeedsByMode = Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Numbers of seeds; `n` in the results says how many there really were."""

    rollout: Mapping[int, int]  # horizon -> seeds
    revisit: Mapping[int, SeedsByMode]  # length -> memory mode -> seeds
    look_away: Mapping[int, SeedsByMode]
    self_revisit: Mapping[int, SeedsByMode]
    control: int
    drift: Mapping[int, int]  # frames -> seeds
    pose: int

    def rollout_lengths(self, seeds: int) -> list[int]:
        """For each seed, the longest rollout that there is for it."""
        return [max(h for h, count in self.rollout.items() if i < count) for i in range(seeds)]


_EVERY_MODE = dict.fromkeys(MEMORY_MODES, ALL)

BUDGETS: dict[SuiteName, Budget] = {
    "quick": Budget(
        rollout={32: ALL, 128: 2},
        revisit={48: {"full": 6, "recent": 2, "random": 2, "off": 6}},
        look_away={48: {"full": 2, "off": 2}},
        self_revisit={48: {"full": 3, "recent": 1, "random": 1, "off": 3}},
        control=8,
        drift={300: 1},
        pose=8,
    ),
    "full": Budget(
        rollout={128: ALL},
        revisit=dict.fromkeys((48, 96, 384), _EVERY_MODE),
        look_away=dict.fromkeys((48, 96), _EVERY_MODE),
        self_revisit=dict.fromkeys((48, 96, 384), _EVERY_MODE),
        control=ALL,
        drift={2_000: 2, 10_000: 1},
        pose=ALL,
    ),
}
