"""How many of the given seeds each protocol uses: one table of suites."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

BURN_IN = 32  # real frames before the first dreamed one
HORIZONS = (1, 2, 4, 8, 16, 32, 64, 128)
POSE_TICKS = 32
ALL = 1_000_000  # as many seeds as there are
MEMORY_MODES = ("full", "recent", "random", "off")

SuiteName = Literal["quick", "full"]
Part = Literal[
    "rollout",
    "revisit",
    "look_away",
    "self_revisit",
    "edits",
    "control",
    "drift",
    "pose",
    "events",
]
PARTS: tuple[Part, ...] = get_args(Part)
SeedsByMode = Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Numbers of seeds; `n` in the results says how many there really were."""

    rollout: Mapping[int, int]  # horizon -> seeds
    revisit: Mapping[int, SeedsByMode]  # length -> memory mode -> seeds
    look_away: Mapping[int, SeedsByMode]
    self_revisit: Mapping[int, SeedsByMode]
    edits: Mapping[int, Mapping[str, int]]  # length -> memory mode -> attempts, a few a seed
    control: int
    drift: Mapping[int, int]  # frames -> seeds
    pose: int
    events: int

    def rollout_lengths(self, seeds: int) -> list[int]:
        """For each seed, the longest rollout that there is for it."""
        return [max(h for h, count in self.rollout.items() if i < count) for i in range(seeds)]


def _every_mode(seeds: int) -> SeedsByMode:
    return dict.fromkeys(MEMORY_MODES, seeds)


BUDGETS: dict[SuiteName, Budget] = {
    "quick": Budget(
        rollout={32: ALL, 128: 2},
        revisit={48: {"full": 6, "recent": 2, "random": 2, "off": 6}},
        look_away={48: {"full": 2, "off": 2}},
        self_revisit={48: {"full": 3, "recent": 1, "random": 1, "off": 3}},
        edits={24: {"full": 4}},
        control=8,
        drift={300: 1},
        pose=4,
        events=4,
    ),
    "full": Budget(
        rollout={128: ALL},
        revisit={48: _every_mode(ALL), 96: _every_mode(12), 384: _every_mode(8)},
        look_away={48: _every_mode(ALL), 96: _every_mode(8)},
        self_revisit={48: _every_mode(ALL), 96: _every_mode(8), 384: _every_mode(6)},
        edits={200: {"full": 28, "off": 12}},
        control=ALL,
        drift={2_000: 4, 10_000: 2},
        pose=ALL,
        events=ALL,
    ),
}
