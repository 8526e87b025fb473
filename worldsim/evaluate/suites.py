"""The parts of a suite: what each costs in frames, and what each returns as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

from worldsim.envs.blocks.world import BlockWorld
from worldsim.evaluate.arena import Arena
from worldsim.evaluate.budget import BURN_IN, PARTS, POSE_TICKS, Budget, Part, SeedsByMode
from worldsim.evaluate.control import COMMANDS, control
from worldsim.evaluate.drift import drift
from worldsim.evaluate.edits import FRAMES_BEFORE, attempts_of, edits
from worldsim.evaluate.events import (
    DREAMED_TICKS,
    REAL_FRAMES,
    event_scores,
    take_event_walk,
)
from worldsim.evaluate.revisit import look_away_and_back, revisit, self_revisit
from worldsim.evaluate.rollout import pose, rollout
from worldsim.evaluate.speed import speed


def run_parts(
    arena: Arena,
    budget: Budget,
    parts: Sequence[Part] = PARTS,
    *,
    on_part: Callable[[str], None] = lambda _name: None,
) -> dict[str, object]:
    """All results by key. `next` is the rollout at horizon 1; `speed` covers the other parts."""
    results: dict[str, object] = {}
    for part in parts:
        on_part(part)
        result = _run_part(arena, budget, part)
        if part == "rollout" and isinstance(result, dict):
            results["next"] = result["1"]
        results[part] = result
    return {**results, "speed": speed(arena.driver)}


def _run_part(arena: Arena, budget: Budget, part: Part) -> object:
    match part:
        case "rollout":
            return rollout(arena, budget)
        case "revisit":
            return revisit(arena, budget.revisit)
        case "look_away":
            return look_away_and_back(arena, budget.look_away)
        case "self_revisit":
            return self_revisit(arena, budget.self_revisit)
        case "edits":
            return edits(arena, budget.edits)
        case "control":
            return asdict(control(arena, budget.control))
        case "drift":
            return drift(arena, budget.drift)
        case "pose":
            return pose(arena, budget)
        case "events":
            return _events(arena, budget.events)


def _events(arena: Arena, seeds: int) -> object:
    """None for a model whose event head is not trained, or where the truth knows no events."""
    world, engine = arena.truth, arena.driver.engine
    if not (engine.sees_events and isinstance(world, BlockWorld)):
        return None
    walks = (take_event_walk(world, seed) for seed in arena.seeds[:seeds])
    scores = event_scores(engine, walks, on_frame=arena.driver.on_frame)
    return {name: asdict(score) for name, score in scores.items()}


def frames_of(part: Part, budget: Budget, seeds: int) -> int:
    """Frames that the engine generates or is fed for one part, if every edit can be seen."""
    match part:
        case "rollout":
            return sum(BURN_IN + length for length in budget.rollout_lengths(seeds))
        case "revisit":
            return _trip_frames(budget.revisit, seeds)
        case "look_away":
            return _trip_frames(budget.look_away, seeds)
        case "self_revisit":
            return _trip_frames(budget.self_revisit, seeds)
        case "edits":
            return sum(
                len(attempts_of(range(seeds), count)) * (FRAMES_BEFORE + 2 * length)
                for length, modes in budget.edits.items()
                for count in modes.values()
            )
        case "control":
            return min(budget.control, seeds) * (BURN_IN + len(COMMANDS))
        case "drift":
            return sum(min(n, seeds) * (BURN_IN + length) for length, n in budget.drift.items())
        case "pose":
            return min(budget.pose, seeds) * (BURN_IN + POSE_TICKS)
        case "events":
            return min(budget.events, seeds) * (REAL_FRAMES + DREAMED_TICKS)


def _trip_frames(budget: Mapping[int, SeedsByMode], seeds: int) -> int:
    return sum(
        min(count, seeds) * (BURN_IN + 2 * length)
        for length, modes in budget.items()
        for count in modes.values()
    )
