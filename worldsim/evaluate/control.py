"""`control`: is the dreamed frame the one that was commanded?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldsim.evaluate.arena import Arena
from worldsim.evaluate.budget import BURN_IN
from worldsim.evaluate.metrics import psnr
from worldsim.evaluate.statistics import wilson
from worldsim.evaluate.truth import Truth, observe
from worldsim.types import Action, Pose

COMMANDS: dict[str, Action] = {
    "nothing": Action(),
    "forward": Action(forward=True),
    "back": Action(back=True),
    "left": Action(left=True),
    "right": Action(right=True),
    "turn_left": Action(yaw_deg=-6.0),
    "turn_right": Action(yaw_deg=6.0),
    "look_up": Action(pitch_deg=-6.0),
    "look_down": Action(pitch_deg=6.0),
}
SAME_DB = 45.0  # outcomes this alike are one outcome: a wall stops every way into it


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """Shares of dreamed frames whose nearest true outcome is the commanded one."""

    n: int
    frames: int
    accuracy: float
    interval: tuple[float, float]  # of the accuracy, 95 %
    chance: float  # of an engine that picks an outcome blindly
    by_action: dict[str, float]


def control(arena: Arena, seeds: int) -> Control:
    """From a state after the burn-in every command is tried once, in the truth and in the dream.

    The dream moves its own camera. Its frame is right if no true outcome of another command is
    nearer to it; outcomes that look the same count as one.
    """
    hits: dict[str, list[bool]] = {name: [] for name in COMMANDS}
    chances: list[float] = []
    for seed in arena.seeds[:seeds]:
        walk = arena.walks.take(seed, BURN_IN)
        outcomes = _true_outcomes(arena.truth)
        arena.driver.burn_in(walk.clip(BURN_IN), seed=seed)
        for index, dreamed in enumerate(_dreamed_outcomes(arena)):
            same = _looks_like(outcomes, outcomes[index])
            hits[list(COMMANDS)[index]].append(bool(same[_nearest(outcomes, dreamed)]))
            chances.append(float(same.mean()))
    every = [hit for tried in hits.values() for hit in tried]
    return Control(
        n=len(chances) // len(COMMANDS),
        frames=len(every),
        accuracy=float(np.mean(every)),
        interval=wilson(sum(every), len(every)),
        chance=float(np.mean(chances)),
        by_action={name: float(np.mean(tried)) for name, tried in hits.items()},
    )


def _true_outcomes(truth: Truth) -> list[NDArray[np.uint8]]:
    """The true frames after each command; the world is left as it was."""
    before = truth.get_state()
    poses: list[Pose] = []
    for action in COMMANDS.values():
        truth.advance(action)
        poses.append(truth.pose)
        truth.set_state(before)
    return [observation.rgb for observation in observe(truth, poses)]


def _dreamed_outcomes(arena: Arena) -> list[NDArray[np.uint8]]:
    engine = arena.driver.engine
    before = engine.snapshot()
    frames = []
    for action in COMMANDS.values():
        frames.append(arena.driver.dream(action).rgb)
        engine.restore(before)
    return frames


def _looks_like(
    outcomes: Sequence[NDArray[np.uint8]],  # each [H, W, 3]
    wanted: NDArray[np.uint8],  # [H, W, 3]
) -> NDArray[np.bool_]:  # [len(outcomes)]
    return np.array([psnr(outcome, wanted) >= SAME_DB for outcome in outcomes])


def _nearest(
    outcomes: Sequence[NDArray[np.uint8]],  # each [H, W, 3]
    dreamed: NDArray[np.uint8],  # [H, W, 3]
) -> int:
    likeness = [psnr(outcome, dreamed) for outcome in outcomes]
    return likeness.index(max(likeness, default=math.nan))
