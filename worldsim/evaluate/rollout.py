"""`next`, `rollout` and `pose`: dreams under the true actions, against the true frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from worldsim.evaluate.arena import Arena, set_questions
from worldsim.evaluate.budget import BURN_IN, HORIZONS, POSE_TICKS, Budget
from worldsim.evaluate.score import FrameScore, Summary, summarise
from worldsim.evaluate.statistics import means, standard_errors
from worldsim.evaluate.truth import path_length_m

STRIPS = 4


def rollout(arena: Arena, budget: Budget) -> dict[str, Summary]:
    """Scores of the single frames 1, 2, 4 ... 128 steps after the burn-in, by horizon.

    The dream is given the true camera path as well: pictures are judged here, poses apart.
    """
    scores: dict[int, list[list[FrameScore]]] = {}
    lengths = budget.rollout_lengths(len(arena.seeds))
    for number, (seed, length) in enumerate(zip(arena.seeds, lengths, strict=True)):
        for horizon, score in _dream_on(arena, seed, length, picture=number < STRIPS):
            scores.setdefault(horizon, []).append([score])
    return {str(horizon): summarise(walks) for horizon, walks in sorted(scores.items())}


def _dream_on(
    arena: Arena, seed: int, length: int, *, picture: bool
) -> list[tuple[int, FrameScore]]:
    walk = arena.walks.take(seed, BURN_IN + length)
    arena.driver.burn_in(walk.clip(BURN_IN), seed=seed)
    future = walk.observations[BURN_IN:]
    dreamed = arena.driver.follow(
        zip(walk.actions[BURN_IN - 1 :], walk.poses[BURN_IN:], strict=True)
    )
    if picture:
        arena.keep_strip(f"rollout of {length} frames, seed {seed}", future, dreamed)
    horizons = [horizon for horizon in HORIZONS if horizon <= length]
    questions = set_questions(
        dict(enumerate(future, start=1)),
        horizons,
        real=walk.observations[:BURN_IN],
        intrinsics=arena.truth.intrinsics,
    )
    return [(horizon, questions[horizon].score(dreamed[horizon - 1])) for horizon in horizons]


def pose(arena: Arena, budget: Budget) -> Summary:
    """How far the dreamed camera is from the true one after 32 steps of its own, metres."""
    rows = [_lose_the_way(arena, seed) for seed in arena.seeds[: budget.pose]]
    return {
        "n": len(rows),
        "ticks": POSE_TICKS,
        "worst_m": max(row["error_m"] for row in rows),
        **_pose_means(rows),
        "se": standard_errors(rows, _pose_means),
    }


def _lose_the_way(arena: Arena, seed: int) -> dict[str, float]:
    walk = arena.walks.take(seed, BURN_IN + POSE_TICKS)
    arena.driver.burn_in(walk.clip(BURN_IN), seed=seed)
    dreamed = [arena.driver.dream(action).pose for action in walk.actions[BURN_IN - 1 :]][-1]
    true = walk.poses[-1]
    return {
        "error_m": float(np.linalg.norm(dreamed.position() - true.position())),
        "yaw_error_deg": abs((dreamed.yaw_deg - true.yaw_deg + 180.0) % 360.0 - 180.0),
        "path_m": path_length_m(walk.poses[BURN_IN - 1 :]),
    }


def _pose_means(rows: Sequence[Mapping[str, float]]) -> dict[str, float | None]:
    return means(rows, ("error_m", "yaw_error_deg", "path_m"))
