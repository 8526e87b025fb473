"""A player who wanders: on and on, over what can be jumped, and away from what cannot be passed.

It is told nothing but where the eye is, so it walks through a dream, a picture's dream or the true
world alike, with or without a seed.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Final

import numpy as np

from worldsim.types import Action, Pose

WALK_TICKS: Final = (60, 200)  # of a walk, least and most
SPRINT_SHARE: Final = 0.3  # of walks
BEND_DEG: Final = 1.5  # a tick, by how much a walk bends
STUCK_M: Final = 0.04  # less than this a tick is no progress
JUMP_AFTER, LEAVE_AFTER = 3, 12  # ticks without progress
TURN_DEG: Final = 8.0  # at most, a tick
AWAY_DEG: Final = (60.0, 150.0)  # from what cannot be passed
GLANCE_DEG: Final = (30.0, 90.0)  # to either side, between two walks
REST_PITCH_DEG: Final = 6.0  # a little down: the way ahead and the land behind it

Script = Generator[Action, Pose, Pose]  # it is sent the eye after each action


class Wanderer:
    """Plays on without an end; the same seed and eyes give the same actions."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._script: Script | None = None

    def act(self, eye: Pose) -> Action:
        """What to do at this pose, metres and degrees."""
        if self._script is None:
            self._script = _wander(eye, self._rng)
            return next(self._script)
        return self._script.send(eye)


def _wander(eye: Pose, rng: np.random.Generator) -> Script:
    while True:
        eye = yield from _walk(eye, rng)
        eye = yield from _glance(eye, rng)


def _walk(eye: Pose, rng: np.random.Generator) -> Script:
    sprint = bool(rng.random() < SPRINT_SHARE)
    halted = 0
    for _ in range(int(rng.integers(*WALK_TICKS))):
        before = eye
        eye = yield Action(
            forward=True,
            sprint=sprint,
            jump=halted >= JUMP_AFTER,
            yaw_deg=float(rng.normal(0.0, BEND_DEG)),
            pitch_deg=_clipped(REST_PITCH_DEG - eye.pitch_deg),
        )
        moved_m = math.dist((eye.x, eye.z), (before.x, before.z))
        halted = halted + 1 if moved_m < STUCK_M else 0
        if halted >= LEAVE_AFTER:
            eye = yield from _turn(eye, float(rng.choice((-1.0, 1.0)) * rng.uniform(*AWAY_DEG)))
            halted = 0
    return eye


def _glance(eye: Pose, rng: np.random.Generator) -> Script:
    """Stand, look to one side, and walk on in between."""
    aside_deg = float(rng.choice((-1.0, 1.0)) * rng.uniform(*GLANCE_DEG))
    eye = yield from _turn(eye, aside_deg)
    return (yield from _turn(eye, -aside_deg * float(rng.uniform(0.0, 1.0))))


def _turn(eye: Pose, angle_deg: float) -> Script:
    """In equal steps; it needs no telling where that leads."""
    ticks = max(math.ceil(abs(angle_deg) / TURN_DEG), 1)
    for _ in range(ticks):
        eye = yield Action(yaw_deg=angle_deg / ticks)
    return eye


def _clipped(turn_deg: float) -> float:
    return min(max(turn_deg, -TURN_DEG), TURN_DEG)
