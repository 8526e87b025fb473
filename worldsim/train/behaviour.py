"""How a camera moves in training data: free play, there and back, looking away, idling.

A behaviour is an endless stream of actions; each ingredient is a generator of a short stretch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from worldsim.actions import DISCRETE
from worldsim.types import Action

SHARES = {"play": 0.5, "there_and_back": 0.2, "look_away": 0.2, "idle": 0.1}
PITCH_HOME_DEG = 8.0  # a walker looks slightly down


@dataclass(slots=True)
class _Look:
    """Where the camera has been turned to; keeps pitch inside a natural range."""

    pitch_deg: float = 0.0


def behave(rng: np.random.Generator) -> Iterator[Action]:
    """An endless stream of actions of one randomly chosen behaviour."""
    name = rng.choice(list(SHARES), p=list(SHARES.values()))
    look = _Look()
    stretches = {
        "play": _play,
        "there_and_back": _there_and_back,
        "look_away": _look_away,
        "idle": _idle,
    }
    while True:
        yield from stretches[name](rng, look)


def _play(rng: np.random.Generator, look: _Look) -> Iterator[Action]:
    kind = rng.random()
    if kind < 0.15:
        yield from _discrete(rng, look)
    elif kind < 0.25:
        yield from _edit(rng, look)
    else:
        yield from _stroll(rng, look, int(rng.integers(8, 30)))


def _stroll(rng: np.random.Generator, look: _Look, ticks: int) -> Iterator[Action]:
    """Walk with held keys and a smoothly turning camera."""
    keys = {
        "forward": bool(rng.random() < 0.75),
        "left": bool(rng.random() < 0.12),
        "right": bool(rng.random() < 0.12),
        "sprint": bool(rng.random() < 0.2),
        "sneak": bool(rng.random() < 0.05),
    }
    keys["back"] = not keys["forward"] and bool(rng.random() < 0.4)
    hop = rng.random() < 0.4
    turn = rng.normal(0.0, 4.0) if rng.random() < 0.7 else 0.0
    target = float(np.clip(rng.normal(PITCH_HOME_DEG, 18.0), -50.0, 70.0))
    for _ in range(ticks):
        turn = 0.9 * turn + rng.normal(0.0, 0.8)
        jump = bool(hop and rng.random() < 0.3)
        yield _turned(
            look, turn, 0.15 * (target - look.pitch_deg), replace(Action(**keys), jump=jump)
        )


def _discrete(rng: np.random.Generator, look: _Look) -> Iterator[Action]:
    """What an agent with the discrete view does: one table entry, held for a while."""
    for _ in range(4):
        action = DISCRETE[int(rng.integers(len(DISCRETE)))]
        for _ in range(int(rng.integers(1, 5))):
            yield _turned(look, action.yaw_deg, action.pitch_deg, action)


def _edit(rng: np.random.Generator, look: _Look) -> Iterator[Action]:
    """Look down at the ground ahead, break or place a few blocks, look at the result."""
    button = "attack" if rng.random() < 0.6 else "use"
    for _ in range(8):
        yield _turned(look, rng.normal(0.0, 2.0), 0.3 * (35.0 - look.pitch_deg), Action())
    for i in range(10):
        pressed = Action(**{button: i % 5 < 2})
        yield _turned(look, rng.normal(0.0, 1.5), rng.normal(0.0, 1.0), pressed)


def _there_and_back(rng: np.random.Generator, look: _Look) -> Iterator[Action]:
    """Walk out, turn round, walk back, turn round."""
    ticks = int(rng.integers(12, 32))
    for _ in range(2):
        yield from _stroll_straight(rng, look, ticks)
        yield from _turn_by(look, 180.0 * rng.choice((-1, 1)), int(rng.integers(6, 18)))


def _stroll_straight(rng: np.random.Generator, look: _Look, ticks: int) -> Iterator[Action]:
    hop = rng.random() < 0.6
    for _ in range(ticks):
        jump = bool(hop and rng.random() < 0.2)
        pitch = 0.1 * (PITCH_HOME_DEG - look.pitch_deg)
        yield _turned(look, rng.normal(0.0, 0.5), pitch, Action(forward=True, jump=jump))


def _look_away(rng: np.random.Generator, look: _Look) -> Iterator[Action]:
    """Turn away, wait, and turn back, sometimes while walking."""
    angle = rng.uniform(40.0, 200.0) * rng.choice((-1, 1))
    ticks = int(rng.integers(5, 18))
    walking = Action(forward=bool(rng.random() < 0.4), left=bool(rng.random() < 0.2))
    yield from _turn_by(look, angle, ticks, walking)
    yield from _idle(rng, look)
    yield from _turn_by(look, -angle, ticks)
    yield from _stroll(rng, look, int(rng.integers(4, 16)))


def _idle(rng: np.random.Generator, look: _Look) -> Iterator[Action]:
    """Stand, turn slowly, or nod."""
    turn = rng.choice((0.0, rng.normal(0.0, 6.0)))
    nod = rng.choice((0.0, rng.normal(0.0, 3.0)))
    for _ in range(int(rng.integers(4, 12))):
        yield _turned(look, turn, nod, Action())


def _turn_by(
    look: _Look,
    angle_deg: float,
    ticks: int,
    held: Action = Action(),  # noqa: B008 - immutable
) -> Iterator[Action]:
    for _ in range(ticks):
        yield _turned(look, angle_deg / ticks, 0.0, held)


def _turned(look: _Look, yaw_deg: float, pitch_deg: float, held: Action) -> Action:
    """The held buttons with a camera motion that keeps the pitch between -60 and 80 degrees."""
    aim = float(np.clip(look.pitch_deg + pitch_deg, -60.0, 80.0))
    step, look.pitch_deg = aim - look.pitch_deg, aim
    return replace(held, yaw_deg=float(np.clip(yaw_deg, -45.0, 45.0)), pitch_deg=step)
