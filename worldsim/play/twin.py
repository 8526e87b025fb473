"""The true world beside a dream: the same seed, the same start, the same actions.

What a dream does to the place of the eye and what it does to the picture are two questions. A
pixel's difference answers the second only if both are seen from one place: half a metre of drift
already moves every edge, and the heat map would show parallax alone. So while the twin is open, the
truth leads: its physics say where an action gets to, and the dream is told. How far the dream had
drifted by itself is said when the twin is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from worldsim.camera import Intrinsics
from worldsim.engine.hints import TRUST_REAL
from worldsim.engine.start import fitted
from worldsim.errors import SceneError
from worldsim.evaluate.seen import Witnesses
from worldsim.memory.keyframe import Keyframe
from worldsim.play.orders import Start
from worldsim.play.stage import Stage
from worldsim.play.traits import Walked, keyframes_in
from worldsim.play.twin_picture import TwinShot, compared
from worldsim.record.worlds import MadeWorld, SceneWorld, WorldKind
from worldsim.types import TICK_HZ, Action, Observation, Pose, StepResult

MAX_TICKS = 30 * 60 * TICK_HZ  # half an hour: to be walked again in about three seconds
Moment: TypeAlias = tuple[int, Pose]  # the tick of a world, and the eye
RECENT = 100  # ticks of which the difference is kept


@dataclass(frozen=True, slots=True)
class _Open:
    """An open twin: the true world, and how far from it the dream was found."""

    truth: Walked
    jump_m: float


class Twin:
    """Owns the true world, which is made when it is first asked for, and a dream's history."""

    def __init__(self, make_world: Callable[[WorldKind], MadeWorld]) -> None:
        self._make_world = make_world
        self._made: MadeWorld | None = None
        self._origin: Start | None = None
        self._actions: list[Action] = []
        self._end: Moment | None = None  # to where those actions led; None: they are not all known
        self._open: _Open | None = None
        self._witnesses: tuple[tuple[int, ...], Witnesses] | None = None
        self.shot: TwinShot | None = None  # of the last tick, while the twin is open

    @property
    def is_open(self) -> bool:
        return self._open is not None

    def begin(self, stage: Stage) -> None:
        """A dream began anew. An open twin begins with it, where it can."""
        self._origin, self._actions, self._end = stage.origin, [], _moment(stage)
        was_open = self.is_open
        self.shut()
        if was_open and self._has_truth():
            self.open(stage)

    def follows(self, stage: Stage) -> bool:
        """Whether the twin knows of all that happened to this dream."""
        return self._end == _moment(stage)

    def open(self, stage: Stage) -> None:
        """Walk the true world to where the dream's actions lead.

        Raises:
            SceneError: if there is no true world to this dream.
        """
        if not self.follows(stage):
            raise SceneError(
                f"a dream played from its beginning, for at most {MAX_TICKS} ticks",
                "one whose actions are not all known",
                "Restart to see its twin.",
            )
        if not self._has_truth():
            raise SceneError(
                "a dream that began in the world of a seed",
                "one that began in a picture",
                "Begin another one in the menu.",
            )
        assert self._origin is not None  # it has begun
        self._made = self._made or self._make_world("real")
        truth = cast(Walked, self._made.world)
        start = truth.reset(seed=self._origin.seed, scene=self._origin.scene)
        for action in self._actions[:-1]:
            truth.advance(action)
        there = truth.step(self._actions[-1]).observation if self._actions else start
        self._open = _Open(truth, _distance_m(there.pose, _seen_by(stage).pose))

    def shut(self) -> None:
        self._open = self.shot = self._witnesses = None

    def close(self) -> None:
        self.shut()
        if self._made is not None:
            self._made.world.close()

    def step(self, stage: Stage, action: Action) -> StepResult:
        """Step a dream, and its twin where that is open.

        Where the dream has been somewhere else in between the twin is shut: `is_open` tells.
        """
        if not self.follows(stage):
            self._forget()
            self.shut()
        result = stage.step(action) if self._open is None else self._both(self._open, stage, action)
        self._note(action, _moment(stage))
        return result

    def _both(self, twin: _Open, stage: Stage, action: Action) -> StepResult:
        dream = stage.made.world
        true = fitted(twin.truth.step(action).observation, dream.intrinsics)
        result = stage.step(action, lead=true.pose)
        before_db = self.shot.recent_db if self.shot else ()
        self.shot = compared(
            result.observation.rgb,
            true.rgb,
            self._seen(dream, true),
            true.pose,
            jump_m=twin.jump_m,
            before_db=before_db[1 - RECENT :],
        )
        return result

    def _seen(self, dream: SceneWorld, true: Observation) -> NDArray[np.bool_]:  # [H, W]
        """Which of its surfaces the dream was shown, by the real frames in its memory."""
        real = [one for one in keyframes_in(dream) if one.trust == TRUST_REAL]
        if not real:
            return np.zeros(true.depth.shape, dtype=np.bool_)
        frames = tuple(one.frame for one in real)
        if self._witnesses is None or self._witnesses[0] != frames:
            self._witnesses = (frames, _witnesses(real, dream.intrinsics))
        return self._witnesses[1].seen(true)

    def _note(self, action: Action, now: Moment) -> None:
        if self._end is None:
            return
        if len(self._actions) == MAX_TICKS:
            self._forget()
            return
        self._actions.append(action)
        self._end = now

    def _has_truth(self) -> bool:
        origin = self._origin
        return origin is not None and origin.image is None and origin.seed is not None

    def _forget(self) -> None:
        self._actions, self._end = [], None


def _seen_by(stage: Stage) -> Observation:
    assert stage.observation is not None  # it has begun
    return stage.observation


def _moment(stage: Stage) -> Moment:
    return stage.tick, _seen_by(stage).pose


def _distance_m(a: Pose, b: Pose) -> float:
    return float(np.linalg.norm(a.position() - b.position()))


def _witnesses(real: Sequence[Keyframe], intrinsics: Intrinsics) -> Witnesses:
    seen = [Observation(one.rgb, one.depth.astype(np.float32), one.pose) for one in real]
    return Witnesses(seen, intrinsics)
