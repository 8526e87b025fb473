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


class Picturing(Protocol):
    """A dream: what else can start in a picture?"""

    def reset(self, *, seed: int | None, image: Path) -> Observation: ...


@runtime_checkable
class Recorded(Protocol):
    """An input source that was written down: it has an end, and can be continued anywhere."""

    @property
    def ended(self) -> bool: ...

    def seek(self, tick: int, /) -> None: ...


def keyframes_of(world: object) -> int | None:
    return len(world.memory) if isinstance(world, Remembering) else None


def stages_of(world: object) -> Mapping[str, Mapping[str, float]]:
    """Milliseconds by stage and quantile; empty where a world is not metered."""
    return world.metrics.stages_ms() if isinstance(world, Metered) else {}
