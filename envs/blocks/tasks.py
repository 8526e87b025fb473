"""Rewards. Each is a pure function of positions, so a dreamed world can use the same ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from worldsim.envs.blocks.maze import steps_to_exit
from worldsim.errors import ConfigError

TASKS: Final = ("reach", "explore", "gems", "return", "build", "maze")
ARRIVAL_M: Final = 2.0
ARRIVAL_REWARD: Final = 10.0
PROGRESS_REWARD: Final = 0.1  # per metre
TURNING_POINT_REWARD: Final = 1.0
GEM_REWARD: Final = 1.0
NEW_PLACE_REWARD: Final = 0.1
PLACE_M: Final = 4.0  # the side of the squares that `explore` counts
LEVEL_REWARD: Final = 1.0
MARKER_LEVELS: Final = 3  # of planks, one upon the other
NEARER_REWARD: Final = 0.3  # for every cell of the maze
HANDS_TIED: Final = frozenset({"maze"})  # tasks in which blocks cannot be changed

Place = Sequence[float]  # [3] metres


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
class Goals:
    """Where the things of an episode are; they do not change."""

    seed: int
    home: tuple[float, float, float]  # where the player's feet start, metres
    beacon: tuple[float, float, float]
    gem: tuple[float, float, float] | None = None  # the one that `return` is about


@dataclass(frozen=True, slots=True)
class Progress:
    """What a task remembers of an episode."""

    visited: frozenset[tuple[int, int]] = frozenset()
    gems: int = 0
    turned_back: bool = False  # the beacon has been reached, in `return`
    levels: int = 0  # the highest pillar of planks that was built


@dataclass(frozen=True, slots=True)
class Deeds:
    """What the player did in one tick."""

    before: Place  # the eye before it, metres
    now: Place  # the eye after it
    gems: int = 0  # collected
    levels: int = 0  # of the pillar that a plank was put on
    at_beacon: bool | None = None  # None: judge by the distance


@dataclass(frozen=True, slots=True)
class Sighting:
    """What somebody saw happen in a tick, where the true world is not asked."""

    gem: bool  # one was taken
    beacon: bool  # it is within reach


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


def score(task: str | None, progress: Progress, deeds: Deeds, goals: Goals) -> Score:
    """One step's reward under a task; in free play there is none."""
    progress = replace(progress, gems=progress.gems + deeds.gems)
    if task is None:
        return Score(0.0, False, progress)
    return _SCORES[task](progress, deeds, goals)


def _reach(progress: Progress, deeds: Deeds, goals: Goals) -> Score:
    return Score(*reach_reward(deeds.before, deeds.now, goals.beacon, deeds.at_beacon), progress)


def _gems(progress: Progress, deeds: Deeds, _: Goals) -> Score:
    return Score(GEM_REWARD * deeds.gems, False, progress)


def _explore(progress: Progress, deeds: Deeds, _: Goals) -> Score:
    """Each square of the ground pays once."""
    place = (math.floor(deeds.now[0] / PLACE_M), math.floor(deeds.now[2] / PLACE_M))
    if place in progress.visited:
        return Score(0.0, False, progress)
    return Score(NEW_PLACE_REWARD, False, replace(progress, visited=progress.visited | {place}))


def _return(progress: Progress, deeds: Deeds, goals: Goals) -> Score:
    """To the beacon, then back to the gem that was in view at the start."""
    if progress.turned_back:
        return Score(*reach_reward(deeds.before, deeds.now, goals.gem or goals.home), progress)
    reward, arrived = reach_reward(deeds.before, deeds.now, goals.beacon, deeds.at_beacon)
    reward += (TURNING_POINT_REWARD - ARRIVAL_REWARD) * arrived
    return Score(reward, False, replace(progress, turned_back=arrived))


def _build(progress: Progress, deeds: Deeds, _: Goals) -> Score:
    """Each level of the highest pillar pays once, the last one more."""
    gained = max(deeds.levels - progress.levels, 0)
    progress = replace(progress, levels=progress.levels + gained)
    done = progress.levels >= MARKER_LEVELS
    return Score(LEVEL_REWARD * gained + ARRIVAL_REWARD * done, done, progress)


def _maze(progress: Progress, deeds: Deeds, goals: Goals) -> Score:
    """Every cell nearer to the exit by the maze's ways pays; the exit itself ends it."""
    before, now = (steps_to_exit(goals.seed, goals.home, at) for at in (deeds.before, deeds.now))
    arrived = now == 0
    return Score(NEARER_REWARD * (before - now) + ARRIVAL_REWARD * arrived, arrived, progress)


_SCORES: Final[dict[str, Callable[[Progress, Deeds, Goals], Score]]] = {
    "reach": _reach,
    "explore": _explore,
    "gems": _gems,
    "return": _return,
    "build": _build,
    "maze": _maze,
}
