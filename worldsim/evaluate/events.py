"""Rewards and ends: does the dream see that a gem was taken, that the beacon is within reach?

A dream follows a seeker's way through the true world, whose events are known; the engine says after
every tick how likely each event was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from worldsim.envs.blocks.events import Happened, advance_watched
from worldsim.envs.blocks.seeker import seek, strew_gems
from worldsim.envs.blocks.world import BlockWorld
from worldsim.types import Action, Clip, Observation, Pose, StepResult

REAL_FRAMES = 32  # that a dream begins with
DREAMED_TICKS = 64
LIKELY = 0.5


Step = tuple[Action, Pose]  # and where it led


class Chances(Protocol):
    """Probabilities of a tick's events (see `worldsim.engine.events.Chances`)."""

    @property
    def reward(self) -> float: ...

    @property
    def end(self) -> float: ...


class Judge(Protocol):
    """What is needed of the engine (see `worldsim.engine.engine.WorldEngine`)."""

    @property
    def chances(self) -> Chances: ...

    def reset(self, *, seed: int | None = None, clip: Clip | None = None) -> Observation: ...

    def step(self, action: Action, *, pose: Pose | None = None) -> StepResult: ...


@dataclass(frozen=True, slots=True)
class EventWalk:
    """A way through the true world: real frames first, then ticks of which the events are known."""

    seed: int
    clip: Clip
    steps: tuple[Step, ...]
    happened: tuple[Happened, ...]  # in each step


@dataclass(frozen=True, slots=True, kw_only=True)
class EventScore:
    """How well one event is told; None where nothing was there to be found, or nothing was."""

    ticks: int
    happened: int
    base_rate: float  # the average precision of guessing
    precision: float | None
    recall: float | None
    average_precision: float | None


def take_event_walk(
    world: BlockWorld, seed: int, *, real: int = REAL_FRAMES, ticks: int = DREAMED_TICKS
) -> EventWalk:
    """A seeker's way through a seed's world, more gems in it; only its real frames are drawn."""
    world.prepare(seed=seed)
    rng = np.random.default_rng((seed, 2))
    strew_gems(world, rng)
    sights, steps, happened = [world.sight(world.pose)], list[Step](), list[Happened]()
    for action in islice(seek(world, rng), real - 1 + ticks):
        happened.append(advance_watched(world, action))
        steps.append((action, world.pose))
        if len(sights) < real:
            sights.append(world.sight(world.pose))
    drawn = world.draw(sights)
    poses = [sight.pose for sight in sights]
    rows = zip(drawn.rgb, drawn.depth, poses, strict=True)
    actions = tuple(action for action, _ in steps[: real - 1])
    clip = Clip(tuple(Observation(*row) for row in rows), actions)
    return EventWalk(seed, clip, tuple(steps[real - 1 :]), tuple(happened[real - 1 :]))


def event_scores(
    engine: Judge,
    walks: Iterable[EventWalk],
    *,
    on_frame: Callable[[int], object] = lambda _count: None,
) -> dict[str, EventScore]:
    """Scores of `reward` and `end` over the dreamed ticks of all walks.

    The dream is given the true actions and poses: judged is what it sees, not where it walks.

    Args:
        on_frame: called with the number of frames that the engine was shown or dreamed.
    """
    told: list[Chances] = []
    truth: list[Happened] = []
    for walk in walks:
        engine.reset(seed=walk.seed, clip=walk.clip)
        on_frame(len(walk.clip.observations))
        for action, pose in walk.steps:
            engine.step(action, pose=pose)
            told.append(engine.chances)
            on_frame(1)
        truth += walk.happened
    return {
        "reward": score([c.reward for c in told], [h.reward for h in truth]),
        "end": score([c.end for c in told], [h.end for h in truth]),
    }


def score(chances: Sequence[float], happened: Sequence[bool]) -> EventScore:
    """Precision and recall of what is likelier than not, and average precision."""
    likely, true = np.array(chances) > LIKELY, np.array(happened, dtype=np.bool_)
    hits = int((likely & true).sum())
    return EventScore(
        ticks=len(true),
        happened=int(true.sum()),
        base_rate=float(true.mean()),
        precision=_share(hits, int(likely.sum())),
        recall=_share(hits, int(true.sum())),
        average_precision=average_precision(np.array(chances), true),
    )


def average_precision(
    scores: NDArray[np.floating],  # [N] higher is likelier
    happened: NDArray[np.bool_],  # [N]
) -> float | None:
    """The area under the steps of the precision-recall curve; None if nothing ever happened.

    AP = sum over thresholds n of (R_n - R_{n-1}) P_n; equal scores share a threshold. Source: the
    definition of scikit-learn's `average_precision_score`; Zhu 2004, "Recall, precision and average
    precision".
    """
    if not happened.any():
        return None
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(happened[order])
    thresholds = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    precision = hits[thresholds] / (thresholds + 1)
    recall = hits[thresholds] / hits[-1]
    return float((np.diff(recall, prepend=0.0) * precision).sum())


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
