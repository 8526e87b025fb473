"""What only some worlds have: each trait is asked for by its own small protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Sized
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

from worldsim.memory.bank import MemoryBank
from worldsim.memory.keyframe import Keyframe
from worldsim.record.worlds import SceneWorld
from worldsim.types import Action, Observation, Pose, StepResult, World


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
class Stepping(Protocol):
    """A dream, whose denoising steps a frame can be changed between ticks."""

    steps: int


@runtime_checkable
class Warming(Protocol):
    """A world that can do beforehand what would make its first ticks slow."""

    def warm_up(self) -> None: ...


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

    def reset(self, *, seed: int | None, image: Path) -> Observation: ...


@runtime_checkable
class Recorded(Protocol):
    """An input source that was written down: it has an end, and can be continued anywhere."""

    @property
    def ended(self) -> bool: ...

    def seek(self, tick: int, /) -> None: ...


@runtime_checkable
class Steered(Protocol):
    """An input source that others than the player may fill."""

    @property
    def told(self) -> str: ...

    def hand_over(self) -> None: ...

    def fly(self, flying: bool, /) -> None: ...


def driver_of(source: object) -> str:
    """Who drives, if it is not the player."""
    return source.told if isinstance(source, Steered) else ""


def keyframes_of(world: object) -> int | None:
    return len(world.memory) if isinstance(world, Remembering) else None


def steps_of(world: object) -> int | None:
    return world.steps if isinstance(world, Stepping) else None


@contextmanager
def in_steps(world: object, steps: int | None) -> Iterator[None]:
    """Within the block a dream takes so many steps a frame, and afterwards as many as before."""
    if steps is None or not isinstance(world, Stepping):
        yield
        return
    present, world.steps = world.steps, steps
    try:
        yield
    finally:
        world.steps = present


def stages_of(world: object) -> Mapping[str, Mapping[str, float]]:
    """Milliseconds by stage and quantile; empty where a world is not metered."""
    return world.metrics.stages_ms() if isinstance(world, Metered) else {}


def stepped(world: World, action: Action, lead: Pose | None) -> StepResult:
    """One step of a world; of a dream to where it is told, if it is."""
    return world.step(action) if lead is None else cast(Led, world).step(action, pose=lead)


def keyframes_in(world: object) -> Sequence[Keyframe]:
    """All that a world remembers, oldest first; nothing where it has no memory."""
    return world.memory.keyframes if isinstance(world, Recalling) else ()


def recalled_by(world: object) -> Sequence[Keyframe]:
    """What its last frame was made from, best first."""
    return world.recalled if isinstance(world, Recalling) else ()
