"""What only some worlds have: each trait is asked for by its own small protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from pathlib import Path
from typing import Protocol, runtime_checkable

from worldsim.memory.bank import MemoryBank
from worldsim.memory.keyframe import Keyframe
from worldsim.record.worlds import SceneWorld
from worldsim.types import Action, Observation, Pose, StepResult


class Metrics(Protocol):
    def stages_ms(self) -> Mapping[str, Mapping[str, float]]: ...


@runtime_checkable
class Remembering(Protocol):
    @property
    def memory(self) -> Sized: ...


@runtime_checkable
class Metered(Protocol):
    @property
    def metrics(self) -> Metrics: ...


@runtime_checkable
class Recalling(Protocol):
    """A dream: what else looks things up in a memory of keyframes?"""

    @property
    def memory(self) -> MemoryBank: ...

    @property
    def recalled(self) -> Sequence[Keyframe]: ...


class Led(Protocol):
    """A dream that can be told where an action leads to."""

    def step(self, action: Action, *, pose: Pose) -> StepResult: ...


class Walked(SceneWorld, Protocol):
    """A true world, in which one can walk without drawing."""

    def advance(self, action: Action) -> object: ...


class Picturing(Protocol):
    """A dream: what else can start in a picture?"""

    def reset(self, *, seed: int, image: Path) -> Observation: ...


def keyframes_of(world: object) -> int | None:
    return len(world.memory) if isinstance(world, Remembering) else None


def stages_of(world: object) -> Mapping[str, Mapping[str, float]]:
    """Milliseconds by stage and quantile; empty where a world is not metered."""
    return world.metrics.stages_ms() if isinstance(world, Metered) else {}


def keyframes_in(world: object) -> Sequence[Keyframe]:
    """All that a world remembers, oldest first; nothing where it has no memory."""
    return world.memory.keyframes if isinstance(world, Recalling) else ()


def recalled_by(world: object) -> Sequence[Keyframe]:
    """What its last frame was made from, best first."""
    return world.recalled if isinstance(world, Recalling) else ()
