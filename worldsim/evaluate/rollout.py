"""`next`, `rollout` and `pose`: dreams under the true actions, against the true frames."""

from __future__ import annotations

import numpy as np

from worldsim.evaluate.arena import Arena, set_questions
from worldsim.evaluate.budget import BURN_IN, HORIZONS, POSE_TICKS, Budget
from worldsim.evaluate.score import FrameScore, Summary, mean_or_none, summarise
from worldsim.evaluate.truth import path_length_m

STRIPS = 4


def rollout(arena: Arena, budget: Budget) -> dict[str, Summary]:
    """Scores of the single frames 1, 8, 32 and 128 steps after the burn-in, by horizon.

    The dream is given the true camera path as well: pictures are judged here, poses apart.
    """
    scores: dict[int, list[FrameScore]] = {}
    lengths = budget.rollout_lengths(len(arena.seeds))
    for number, (seed, length) in enumerate(zip(arena.seeds, lengths, strict=True)):
        for horizon, score in _dream_on(arena, seed, length, picture=number < STRIPS):
            scores.setdefault(horizon, []).append(score)
    return {str(horizon): summarise(scores[horizon], len(scores[horizon])) for horizon in scores}


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
    errors, paths, turns = [], [], []
    seeds = arena.seeds[: budget.pose]
    for seed in seeds:
        walk = arena.walks.take(seed, BURN_IN + POSE_TICKS)
        arena.driver.burn_in(walk.clip(BURN_IN), seed=seed)
        dreamed = [arena.driver.dream(action).pose for action in walk.actions[BURN_IN - 1 :]]
        true = walk.poses[BURN_IN:]
        errors.append(float(np.linalg.norm(dreamed[-1].position() - true[-1].position())))
        turns.append(abs((dreamed[-1].yaw_deg - true[-1].yaw_deg + 180.0) % 360.0 - 180.0))
        paths.append(path_length_m(walk.poses[BURN_IN - 1 :]))
    return {
        "n": len(seeds),
        "ticks": POSE_TICKS,
        "error_m": mean_or_none(errors),
        "worst_m": max(errors),
        "yaw_error_deg": mean_or_none(turns),
        "path_m": mean_or_none(paths),
    }
