"""How the whole state of a world is kept, for going back, for branches and for saved games."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, cast, runtime_checkable

from worldsim.engine.state import EngineState
from worldsim.types import Observation


class Kept(Protocol):
    """Everything that a world's future depends on; it never changes."""

    @property
    def nbytes(self) -> int:
        """Bytes of its own, without what it shares with the running world."""

    def nbytes_beyond(self, later: Any, /) -> int:
        """Bytes that it alone keeps alive once the world has gone on to a later state."""

    def to_bytes(self) -> bytes: ...


class Keeper(Protocol):
    """Keeps the states of one world and returns to them: what follows is the same, bit for bit."""

    def keep(self) -> Kept: ...

    def bring_back(self, kept: Kept, /) -> Observation: ...

    def read(self, data: bytes, /) -> Kept:
        """The inverse of `Kept.to_bytes`. Raises StateError for damaged or foreign data."""


@runtime_checkable
class Snapshotting(Protocol):
    """A dream."""

    def snapshot(self) -> EngineState: ...

    def restore(self, state: EngineState, /) -> Observation: ...


@runtime_checkable
class Stateful(Protocol):
    """The real world, whose state is a few bytes: the seed and what was changed."""

    def get_state(self) -> bytes: ...

    def set_state(self, state: bytes, /) -> object: ...

    def observe(self) -> Observation: ...


class DreamKeeper:
    def __init__(self, dream: Snapshotting) -> None:
        self._dream = dream

    def keep(self) -> Kept:
        return self._dream.snapshot()

    def bring_back(self, kept: Kept) -> Observation:
        return self._dream.restore(cast(EngineState, kept))

    def read(self, data: bytes) -> Kept:
        return EngineState.from_bytes(data)


@dataclass(frozen=True, slots=True)
class KeptBytes:
    """A state that shares nothing."""

    data: bytes

    @property
    def nbytes(self) -> int:
        return len(self.data)

    def nbytes_beyond(self, _later: Any) -> int:
        return 0

    def to_bytes(self) -> bytes:
        return self.data


class RealKeeper:
    def __init__(self, world: Stateful) -> None:
        self._world = world

    def keep(self) -> Kept:
        return KeptBytes(self._world.get_state())

    def bring_back(self, kept: Kept) -> Observation:
        self._world.set_state(kept.to_bytes())
        return self._world.observe()

    def read(self, data: bytes) -> Kept:
        return KeptBytes(data)


def keeper_of(world: object) -> Keeper | None:
    """The keeper of a world's states; None for a world whose state cannot be had."""
    if isinstance(world, Snapshotting):
        return DreamKeeper(world)
    return RealKeeper(world) if isinstance(world, Stateful) else None
