"""`revisit`, `look_away` and `self_revisit`: does the dream remember what was there?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from worldsim.evaluate.arena import Arena, Question, scored_ticks, set_questions
from worldsim.evaluate.budget import BURN_IN, SeedsByMode
from worldsim.evaluate.score import FrameScore, Summary, summarise
from worldsim.evaluate.truth import Walk, look_away, way_back
from worldsim.types import Action, Observation, Pose

ByLength = dict[str, dict[str, Summary]]
WalkOut = Callable[[Arena, int, int], Walk]
Trial = Callable[["Trip", str], list[FrameScore]]


@dataclass(frozen=True, slots=True)
class Trip:
    """A burn-in, a way out, and the way back along the same poses."""

    name: str
    arena: Arena
    walk: Walk
    questions: dict[int, Question]  # true frames of the way back, by tick

    @property
    def back(self) -> list[tuple[Action, Pose]]:
        return way_back(self.walk.actions[BURN_IN - 1 :], self.walk.poses[BURN_IN - 1 :])


def revisit(arena: Arena, budget: Mapping[int, SeedsByMode]) -> ByLength:
    """A real way out, a dreamed way back, against the true frames at the same poses."""
    return _by_length("way back", arena, budget, walk_out, _come_back)


def look_away_and_back(arena: Arena, budget: Mapping[int, SeedsByMode]) -> ByLength:
    """As `revisit`, but the way out is a turn in place by half to three quarters of a circle."""
    return _by_length("look back", arena, budget, turn_away, _come_back)


def self_revisit(arena: Arena, budget: Mapping[int, SeedsByMode]) -> ByLength:
    """Dreamed out and back; each frame against the dream's own frame at that pose.

    `seen` tells surfaces that the real burn-in showed from those that the dream invented.
    """
    return _by_length("own way back", arena, budget, walk_out, _agree_with_itself)


def walk_out(arena: Arena, seed: int, length: int) -> Walk:
    return arena.walks.take(seed, BURN_IN + length)


def turn_away(arena: Arena, seed: int, length: int) -> Walk:
    behaviour = look_away(seed, length)
    return arena.walks.take(seed, BURN_IN, then=behaviour, then_frames=length)


def _by_length(
    name: str,
    arena: Arena,
    budget: Mapping[int, SeedsByMode],
    walk_out: WalkOut,
    trial: Trial,
) -> ByLength:
    results: ByLength = {}
    for length, seeds_by_mode in budget.items():
        scores: dict[str, list[list[FrameScore]]] = {mode: [] for mode in seeds_by_mode}
        trips = min(max(seeds_by_mode.values()), len(arena.seeds))
        for number, seed in enumerate(arena.seeds[:trips]):
            trip = _plan_trip(name, arena, walk_out(arena, seed, length))
            for mode, count in seeds_by_mode.items():
                if number < count:
                    scores[mode].append(trial(trip, mode))
        results[str(length)] = {mode: summarise(walks) for mode, walks in scores.items()}
    return results


def _plan_trip(name: str, arena: Arena, walk: Walk) -> Trip:
    return Trip(
        name,
        arena,
        walk,
        set_questions(
            _targets_back(walk.observations[BURN_IN - 1 : -1]),
            scored_ticks(len(walk.actions) - BURN_IN + 1),
            real=walk.observations,
            intrinsics=arena.truth.intrinsics,
        ),
    )


def _come_back(trip: Trip, mode: str) -> list[FrameScore]:
    arena, walk = trip.arena, trip.walk
    arena.driver.burn_in(walk.clip(BURN_IN), seed=walk.seed, memory=mode)
    arena.driver.feed(walk.actions[BURN_IN - 1 :], walk.observations[BURN_IN:])
    dreamed = arena.driver.follow(trip.back)
    _keep_strip(trip, mode, walk.observations[BURN_IN - 1 : -1][::-1], dreamed)
    return [question.score(dreamed[tick]) for tick, question in trip.questions.items()]


def _agree_with_itself(trip: Trip, mode: str) -> list[FrameScore]:
    arena, walk = trip.arena, trip.walk
    arena.driver.burn_in(walk.clip(BURN_IN), seed=walk.seed, memory=mode)
    steps = zip(walk.actions[BURN_IN - 1 :], walk.poses[BURN_IN:], strict=True)
    out = [walk.observations[BURN_IN - 1], *arena.driver.follow(steps)]
    back = arena.driver.follow(trip.back)
    _keep_strip(trip, mode, out[-2::-1], back)
    real = walk.observations[:BURN_IN]
    questions = set_questions(
        _targets_back(out[:-1]),
        trip.questions,
        real=real,
        intrinsics=arena.truth.intrinsics,
        known=(*real, *out[1:]),
        surfaces=_targets_back(walk.observations[BURN_IN - 1 : -1]),
    )
    return [question.score(back[tick]) for tick, question in questions.items()]


def _keep_strip(
    trip: Trip, mode: str, targets: Sequence[Observation], dreamed: Sequence[Observation]
) -> None:
    seed = trip.walk.seed
    if mode == "full" and seed == trip.arena.seeds[0]:
        title = f"{trip.name} of {len(dreamed)} frames, seed {seed}"
        trip.arena.keep_strip(title, targets, dreamed)


def _targets_back(
    out: Sequence[Observation],
) -> dict[int, Observation]:
    """The frames of a way out, by the tick of the way back that should show them again."""
    return dict(enumerate(reversed(out)))
