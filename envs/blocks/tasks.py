"""Rewards. Each is a pure function of positions, so a dreamed world can use the same ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from worldsim.errors import ConfigError

TASKS: Final = ("reach", "explore", "gems")
ENV_TASKS: Final = ("reach", "gems")  # those of the environments: a dream can be judged by them
ARRIVAL_M: Final = 2.0
ARRIVAL_REWARD: Final = 10.0
PROGRESS_REWARD: Final = 0.1  # per metre
GEM_REWARD: Final = 1.0
NEW_PLACE_REWARD: Final = 0.1
PLACE_M: Final = 4.0  # the side of the squares that `explore` counts


def reach_reward(
    previous: Sequence[float],  # [3] eye before the step, metres
    now: Sequence[float],  # [3] eye after it
    beacon: Sequence[float],  # [3]
    arrived: bool | None = None,
) -> tuple[float, bool]:  # reward, terminated
    """Progress towards the beacon over the ground, and a bonus on arrival.

    Args:
        arrived: whether the player is there; None for "if the eye is within 2 m".
    """
    before = math.hypot(previous[0] - beacon[0], previous[2] - beacon[2])
    after = math.hypot(now[0] - beacon[0], now[2] - beacon[2])
    if arrived is None:
        arrived = after <= ARRIVAL_M
    return PROGRESS_REWARD * (before - after) + ARRIVAL_REWARD * arrived, arrived


@dataclass(frozen=True, slots=True)
class Progress:
    """What a task remembers of an episode."""

    visited: frozenset[tuple[int, int]] = frozenset()
    gems: int = 0


@dataclass(frozen=True, slots=True)
class Score:
    """The outcome of one step of a task."""

    reward: float
    terminated: bool
    progress: Progress


def require_task(task: str | None) -> str | None:
    """Raise ConfigError unless the task exists; None is free play."""
    if task is not None and task not in TASKS:
        raise ConfigError(
            f"a task among {list(TASKS)} or None", repr(task), "Correct the task's name."
        )
    return task


def require_env_task(task: str) -> str:
    """Raise ConfigError unless environments have the task."""
    if task not in ENV_TASKS:
        raise ConfigError(f"a task among {list(ENV_TASKS)}", repr(task), "Correct the task's name.")
    return task


def score(
    task: str | None,
    progress: Progress,
    previous: Sequence[float],  # [3] eye before the step, metres
    now: Sequence[float],  # [3] eye after it
    beacon: Sequence[float],  # [3]
    gems: int,  # collected in this step
) -> Score:
    """One step's reward under a task."""
    progress = Progress(progress.visited, progress.gems + gems)
    if task == "reach":
        reward, terminated = reach_reward(previous, now, beacon)
        return Score(reward, terminated, progress)
    if task == "gems":
        return Score(GEM_REWARD * gems, False, progress)
    if task == "explore":
        place = (math.floor(now[0] / PLACE_M), math.floor(now[2] / PLACE_M))
        if place not in progress.visited:
            return Score(
                NEW_PLACE_REWARD, False, Progress(progress.visited | {place}, progress.gems)
            )
    return Score(0.0, False, progress)
