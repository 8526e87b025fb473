"""A player who wanders: on and on, with open eyes, around what is in the way or over it.

It is told nothing but what the eye sees and where it is, so it walks through a dream, a picture's
dream or the true world alike, with or without a seed.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Final

import numpy as np

from worldsim.types import Action, Observation, Pose

WALK_TICKS: Final = (60, 200)  # of a walk, least and most
SPRINT_SHARE: Final = 0.3  # of walks
BEND_DEG: Final = 1.5  # a tick, by how much a walk bends
STUCK_M: Final = 0.04  # less than this a tick is no progress
JUMP_AFTER, LEAVE_AFTER = 3, 12  # ticks without progress
TURN_DEG: Final = 8.0  # at most, a tick
AWAY_DEG: Final = (60.0, 150.0)  # from what cannot be passed
GLANCE_DEG: Final = (30.0, 90.0)  # to either side, between two walks
REST_PITCH_DEG: Final = 6.0  # a little down: the way ahead and the land behind it
WARY_M, HALT_M = 3.0, 1.2  # what is nearer ahead is walked around; even nearer, not walked up to
NEAREST_SHARE: Final = 0.2  # of what is seen in a direction is allowed to be nearer than its way

Script = Generator[Action, Observation, Observation]  # it is sent what is seen after each action


class Wanderer:
    """Plays on without an end; the same seed and eyes give the same actions."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._script: Script | None = None

    def act(self, seen: Observation) -> Action:
        """What to do when this is seen."""
        if self._script is None:
            self._script = _wander(seen, self._rng)
            return next(self._script)
        return self._script.send(seen)


def _wander(seen: Observation, rng: np.random.Generator) -> Script:
    while True:
        seen = yield from _walk(seen, rng)
        seen = yield from _glance(seen, rng)


def _walk(seen: Observation, rng: np.random.Generator) -> Script:
    sprint = bool(rng.random() < SPRINT_SHARE)
    halted, side = 0, 0.0
    for _ in range(int(rng.integers(*WALK_TICKS))):
        before = seen.pose
        left_m, ahead_m, right_m = ways_m(seen)
        if ahead_m > WARY_M:
            side = 0.0
        elif side == 0.0:
            side = 1.0 if right_m > left_m else -1.0
        seen = yield Action(
            forward=ahead_m > HALT_M or halted > 0,
            sprint=sprint and side == 0.0,
            jump=halted >= JUMP_AFTER,
            yaw_deg=side * TURN_DEG + float(rng.normal(0.0, BEND_DEG)),
            pitch_deg=_clipped(REST_PITCH_DEG - before.pitch_deg),
        )
        halted = halted + 1 if _moved_m(before, seen.pose) < STUCK_M else 0
        if halted >= LEAVE_AFTER:
            seen = yield from _turn(seen, float(rng.choice((-1.0, 1.0)) * rng.uniform(*AWAY_DEG)))
            halted = 0
    return seen


def ways_m(seen: Observation) -> tuple[float, float, float]:
    """How far the ways to the left, ahead and to the right are open, metres.

    By the middle rows of the picture: below is the ground, above are the crowns.
    """
    rows = seen.depth[len(seen.depth) // 3 : len(seen.depth) // 2]
    left, ahead, right = (
        float(np.quantile(part, NEAREST_SHARE)) for part in np.array_split(rows, 3, axis=1)
    )
    return left, ahead, right


def _moved_m(before: Pose, after: Pose) -> float:
    return math.dist((after.x, after.z), (before.x, before.z))


def _glance(seen: Observation, rng: np.random.Generator) -> Script:
    """Stand, look to one side, and walk on in between."""
    aside_deg = float(rng.choice((-1.0, 1.0)) * rng.uniform(*GLANCE_DEG))
    seen = yield from _turn(seen, aside_deg)
    return (yield from _turn(seen, -aside_deg * float(rng.uniform(0.0, 1.0))))


def _turn(seen: Observation, angle_deg: float) -> Script:
    """In equal steps; it needs no telling where that leads."""
    ticks = max(math.ceil(abs(angle_deg) / TURN_DEG), 1)
    for _ in range(ticks):
        seen = yield Action(yaw_deg=angle_deg / ticks)
    return seen


def _clipped(turn_deg: float) -> float:
    return min(max(turn_deg, -TURN_DEG), TURN_DEG)
