"""The outpainter alone: a diffusion model of coarse views, by flow matching."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor

from worldsim.model.outpainter import COARSE_PX
from worldsim.model.picture import from_picture
from worldsim.model.world_model import WorldModel
from worldsim.record.contact_sheet import contact_sheet, save_png
from worldsim.train.data import BlockWalks, Episode, EpisodeSource
from worldsim.train.losses import DEPTH_WEIGHT
from worldsim.train.trainer import RunConfig, train
from worldsim.train.views import ViewConfig, Views, ViewStore, anywhere, look_at

KNOWN_WEIGHT = 0.1  # of pixels that memory knows in the loss
NOISE_MEAN, NOISE_SPREAD = 0.4, 1.2  # of the noise level's logit
SHARPEST = 0.2  # lower noise levels count no more than this one
HELD_OUT_EPISODES, HELD_OUT_VIEWS = 8, 3


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


class OutpainterStage:
    """Owns a bounded store of views; adds some at each step."""

    name = "outpainter"

    def __init__(
        self,
        model: WorldModel,
        config: OutpainterRunConfig,
        source: EpisodeSource = BlockWalks(),  # noqa: B008 - immutable
    ) -> None:
        self.model, self.config, self.source = model.requires_grad_(False), config, source
        model.outpainter.requires_grad_(True)
        self.store = ViewStore(config.views, model.config.intrinsics)

    @property
    def drawn(self) -> list[Episode]:
        return self.store.drawn

    @cached_property
    def held_out(self) -> Views:
        return held_out_views(self.source, self.config, self.model)

    def losses(
        self,
        average: WorldModel,  # noqa: ARG002 - stages share one signature
        episodes: list[Episode],
        step: int,  # noqa: ARG002
        rng: np.random.Generator,
    ) -> dict[str, Tensor]:
        device = next(self.model.parameters()).device
        return {"total": outpainter_loss(self.model, self.store.draw(episodes, rng, device))}

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


def held_out_views(source: EpisodeSource, config: RunConfig, model: WorldModel) -> Views:
    """The same ones at every call, of walks that training never sees."""
    camera, rng = model.config.intrinsics, np.random.default_rng(0)
    episodes = source.held_out(config.data, camera, HELD_OUT_EPISODES)
    chosen = [(e, anywhere(e, rng)) for e in episodes for _ in range(HELD_OUT_VIEWS)]
    return look_at(chosen, camera, rng).full(next(model.parameters()).device)


def fixed_noise(views: Views) -> Tensor:  # [N, 4, h, w] the same at every call
    noise = torch.randn(views.truth.shape, generator=torch.Generator().manual_seed(0))
    return noise.to(views.truth.device)


def write_sheet(views: Views, samples: Mapping[str, Tensor], path: Path) -> None:
    """Truth, what of it was known, and rows of samples."""
    known = views.told.hint * (views.told.known > 0)
    rows = {"truth": views.truth, "known": known, **samples}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_png(contact_sheet([_pictures(row) for row in rows.values()], list(rows)), path)


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


def weighted_error(
    predicted: Tensor,  # [N, 4, h, w]
    wanted: Tensor,  # [N, 4, h, w]
    known: Tensor,  # [N, 1, h, w]
) -> Tensor:  # [N]
    """Squared error of colour and depth code; known pixels weigh little."""
    channels = wanted.new_tensor((1.0, 1.0, 1.0, DEPTH_WEIGHT))[:, None, None]
    weight = channels * (1.0 - (1.0 - KNOWN_WEIGHT) * known)
    return ((predicted - wanted).square() * weight).mean(dim=(1, 2, 3))


def _pictures(coarse_pictures: Tensor) -> list[NDArray[np.uint8]]:  # each [H, W, 3]
    """Enlarged for a sheet."""
    large = F.interpolate(coarse_pictures.float().clamp(-1, 1), scale_factor=COARSE_PX)
    return list(from_picture(large)[0].cpu().numpy())


def train_outpainter(config: OutpainterRunConfig, console: Console) -> None:
    """The outpainter's stage, from its configuration."""
    train(config, lambda model, source: OutpainterStage(model, config, source), console)
