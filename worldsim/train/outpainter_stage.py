"""The outpainter alone: a diffusion model of coarse views, by flow matching."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from worldsim.model.world_model import WorldModel
from worldsim.train.data import BlockWalks, Episode, EpisodeSource
from worldsim.train.trainer import RunConfig, train
from worldsim.train.view_stage import ViewStage, fixed_noise, weighted_error, write_sheet
from worldsim.train.views import ViewConfig, Views

NOISE_MEAN, NOISE_SPREAD = 0.4, 1.2  # of the noise level's logit
SHARPEST = 0.2  # lower noise levels count no more than this one


@dataclass(frozen=True, kw_only=True)
class OutpainterRunConfig(RunConfig):
    """Train the outpainter of a model, which stays as it is otherwise.

    Its own checkpoint holds the whole model. Evaluations write sheets of what it imagines.
    """

    out: Path = Path("runs/outpainter")
    minutes: float = 60.0
    ema_decay: float = 0.999
    episodes_per_step: float = 0.1
    views: ViewConfig = field(default_factory=ViewConfig)


class OutpainterStage(ViewStage):
    """Learns to imagine views at every level of noise."""

    name = "outpainter"

    def __init__(
        self,
        model: WorldModel,
        config: OutpainterRunConfig,
        source: EpisodeSource = BlockWalks(),  # noqa: B008 - immutable
    ) -> None:
        super().__init__(model, config, config.views, source)

    def losses(
        self,
        average: WorldModel,  # noqa: ARG002 - stages share one signature
        episodes: list[Episode],
        step: int,  # noqa: ARG002
        rng: np.random.Generator,
    ) -> dict[str, Tensor]:
        return {"total": outpainter_loss(self.model, self.views(episodes, rng))}

    def evaluate(self, average: WorldModel, step: int, folder: Path) -> dict[str, float]:
        """Mean squared error from pure noise and from a level of 1/2, and a sheet of samples."""
        views = self.held_out
        noise = fixed_noise(views)
        samples = [average.outpainter.sample(views.told, noise.roll(i, 0)) for i in range(3)]
        write_sheet(
            views,
            dict(zip(("imagined", "again", "once more"), samples, strict=True)),
            folder / f"{step:06d}.png",
        )
        return {
            f"mse_{level}": float(_errors(average, views, noise, level).mean())
            for level in (1.0, 0.5)
        }


def outpainter_loss(model: WorldModel, views: Views) -> Tensor:  # []
    """Squared error of the clean picture, as flow matching weighs it: by 1 / sigma^2.

    Source: Li & He 2025, "Back to basics: let denoising generative models denoise".
    """
    truth = views.truth
    middle = torch.randn(len(truth), device=truth.device) * NOISE_SPREAD + NOISE_MEAN
    sigma = torch.sigmoid(middle)
    error = _errors(model, views, torch.randn_like(truth), sigma)
    return (error / sigma.clamp(min=SHARPEST).square()).mean()


def _errors(
    model: WorldModel,
    views: Views,
    noise: Tensor,  # [N, 4, h, w]
    sigma: Tensor | float,  # [N] or one
) -> Tensor:  # [N] weighted squared error of each view
    truth = views.truth
    levels = torch.as_tensor(sigma, device=truth.device).expand(len(truth))
    level = levels[:, None, None, None]
    predicted = model.outpainter((1.0 - level) * truth + level * noise, levels, views.told)
    return weighted_error(predicted, truth, views.told.known)


def train_outpainter(config: OutpainterRunConfig, console: Console) -> None:
    """The outpainter's stage, from its configuration."""
    train(config, lambda model, source: OutpainterStage(model, config, source), console)
