"""What only some worlds have: each trait is asked for by its own small protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from pathlib import Path
from typing import Protocol, runtime_checkable

from worldsim.types import Observation


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


class Picturing(Protocol):
    """A dream: what else can start in a picture?"""

    def reset(self, *, seed: int, image: Path) -> Observation: ...


def keyframes_of(world: object) -> int | None:
    return len(world.memory) if isinstance(world, Remembering) else None


def steps_of(world: object) -> int | None:
    return world.steps if isinstance(world, Stepping) else None


def stages_of(world: object) -> Mapping[str, Mapping[str, float]]:
    """Milliseconds by stage and quantile; empty where a world is not metered."""
    return world.metrics.stages_ms() if isinstance(world, Metered) else {}
