"""Stand-ins for what a model is trained with, and for who computes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from fakes import FakeClock
from torch import Tensor

from worldsim.model.trunk import Context
from worldsim.model.world_model import FrameInputs, Prediction, WorldModel
from worldsim.train.data import Episode
from worldsim.types import Action

WALK = [Action(forward=True, yaw_deg=3.0)] * 31


class FakeDenoiser:
    """A backend of its own name that lets a model work, and counts its passes."""

    name = "fake"

    def __init__(self, model: WorldModel) -> None:
        self.passes = 0
        self._model = model

    def __call__(self, frames: FrameInputs, context: Context | None, /) -> Prediction:
        self.passes += 1
        prediction: Prediction = self._model(frames, context)
        return prediction


class FakePool:
    """One episode again and again, in place of those that worker processes render."""

    def __init__(self, episode: Episode) -> None:
        self.episode = episode
        self.episodes: list[Episode] = []
        self.rendered = 0
        self.closed = 0

    def refresh(self, *, wait: bool = False) -> bool:
        self.episodes.append(self.episode)
        self.rendered += 1
        return True

    def close(self) -> None:
        self.closed += 1


class FakeStage:
    """A loss that is as quick as it is senseless; each step takes a second of a fake clock."""

    name = "fake"

    def __init__(self, clock: FakeClock, model: WorldModel) -> None:
        self.model = model
        self.clock = clock
        self.stops_at: int | None = None
        self.drawn: list[Episode] = []
        self.steps: list[int] = []
        self.evaluated: list[int] = []

    def losses(
        self, average: WorldModel, episodes: list[Episode], step: int, rng: np.random.Generator
    ) -> dict[str, Tensor]:
        if step == self.stops_at:
            raise KeyboardInterrupt
        self.drawn = episodes[:2]
        self.steps.append(step)
        self.clock.spend(1.0)
        total = torch.stack([(p - 0.5).square().mean() for p in self.model.parameters()]).sum()
        return {"total": total, "part": total.detach() / 2}

    def evaluate(self, average: WorldModel, step: int, folder: Path) -> dict[str, float]:
        self.evaluated.append(step)
        return {"psnr": 20.0}
