"""Stand-ins for worlds that break or die while they are recorded."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from fakes import FakeWorld

from worldsim.errors import SceneError
from worldsim.record.format import WorldInfo
from worldsim.record.worlds import MadeWorld, WorldConfig
from worldsim.types import Observation


class MortalWorld(FakeWorld):
    """A FakeWorld whose process is killed at a reset to a seed that a file of `deaths` names.

    The file is gone then, so each one kills once. Its name is the seed, and anything after a dot.
    """

    def __init__(self, deaths: Path) -> None:
        super().__init__()
        self._deaths = deaths

    def reset(self, *, seed: int | None = None, scene: str | None = None) -> Observation:
        for death in sorted(self._deaths.glob(f"{seed}.*")):
            death.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().reset(seed=seed, scene=scene)


class BrokenWorld(FakeWorld):
    """Cannot be begun with seed 3."""

    def reset(self, *, seed: int | None = None, scene: str | None = None) -> Observation:
        if seed == 3:
            raise SceneError("a seed that works", "3", "Try another.")
        return super().reset(seed=seed, scene=scene)


@dataclass(frozen=True)
class FakeMaker:
    """Makes a world in whatever process it is sent to."""

    deaths: Path | None = None
    broken: bool = False
    version: str = "1"

    def __call__(self, config: WorldConfig) -> MadeWorld:
        world = BrokenWorld() if self.broken else FakeWorld()
        if self.deaths is not None:
            world = MortalWorld(self.deaths)
        return MadeWorld(world, WorldInfo(kind="real", version=self.version))
