"""Where a loop begins and ends, and what looks over its shoulder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from worldsim.camera import Intrinsics
from worldsim.errors import ConfigError
from worldsim.play.orders import Start
from worldsim.play.save_file import Save
from worldsim.play.timeline import RewindConfig
from worldsim.record.format import WorldInfo
from worldsim.record.worlds import WorldKind
from worldsim.types import Action, Observation, StepResult


class Watcher(Protocol):
    """Sees every tick on the model thread, where nothing is dropped: a recorder, a test."""

    def began(self, first: Observation, info: WorldInfo, camera: Intrinsics, /) -> None: ...

    def ticked(self, action: Action, result: StepResult, /) -> None: ...

    def ended(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopConfig:
    world: WorldKind
    seed: int | None
    scene: str | None = None
    image: Path | None = None  # where the dream starts, in place of the seed's world
    frames: int | None = None  # stop after so many ticks; None: play on
    save: Save | None = None  # begin where this game was saved, in place of the seed's world
    rewind: RewindConfig = field(default_factory=RewindConfig)

    def __post_init__(self) -> None:
        if self.frames is not None and self.frames < 1:
            raise ConfigError("frames of 1 or more", repr(self.frames), "Leave it out to play on.")

    @property
    def origin(self) -> Start:
        """Where the first world begins, or began before it was saved."""
        if self.save is not None:
            return self.save.info.origin
        return Start(seed=self.seed, scene=self.scene, image=self.image)
