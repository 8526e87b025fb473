"""Distilling an outpainter: few steps that lead where many would.

A student at a level of its own learns to jump, at once, to where its teacher gets in several small
steps. Noise and samples keep their pairing, so a distilled model imagines what its teacher would.
Source: Salimans & Ho 2022, "Progressive distillation for fast sampling of diffusion models",
eq. 43, for the straight paths of flow matching.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from worldsim.errors import ConfigError
from worldsim.model.outpainter import Outpainter
from worldsim.model.world_model import WorldModel
from worldsim.train.data import BlockWalks, Episode, EpisodeSource
from worldsim.train.outpainter_stage import SHARPEST
from worldsim.train.trainer import RunConfig, train
from worldsim.train.view_stage import ViewStage, fixed_noise, weighted_error, write_sheet
from worldsim.train.views import ViewConfig, Views


@dataclass(frozen=True, kw_only=True)
class DistillRunConfig(RunConfig):
    """Distil the outpainter of a trained model into fewer steps; the rest stays as it is.

    Start it with `--init-from CHECKPOINT`. Evaluations give the difference from the teacher's
    samples, dB, and that of the teacher itself in as few steps.
    """

    out: Path = Path("runs/distilled")
    minutes: float = 15.0
    evaluate_minutes: float = 5.0
    learning_rate: float = 3e-4
    ema_decay: float = 0.99
    episodes_per_step: float = 0.1
    levels: tuple[float, ...] = (1.0, 0.7, 0.4)
    """Noise levels of the student's steps."""
    substeps: int = 3
    """Steps of the teacher for one of the student."""
    views: ViewConfig = field(default_factory=lambda: ViewConfig(batch=48))


class DistillStage(ViewStage):
    """The outpainter as its own student."""

    name = "distill"

    def __init__(
        self,
        model: WorldModel,
        config: DistillRunConfig,
        source: EpisodeSource = BlockWalks(),  # noqa: B008 - immutable
    ) -> None:
        if not model.outpainter.is_trained:
            raise ConfigError(
                "a model with a trained outpainter", "an untrained one",
                "Name one with --init-from; python -m worldsim.tools.train_outpainter makes it.",
            )  # fmt: skip
        self.teacher = copy.deepcopy(model.outpainter).requires_grad_(False)
        super().__init__(model, config, config.views, source)
        self.levels, self.substeps = config.levels, config.substeps
        model.config = replace(model.config, outpaint_levels=config.levels)
        model.outpainter.levels = config.levels

    def losses(
        self,
        average: WorldModel,  # noqa: ARG002 - stages share one signature
        episodes: list[Episode],
        step: int,
        rng: np.random.Generator,
    ) -> dict[str, Tensor]:
        views = self.views(episodes, rng)
        ends = list(pairwise((*self.levels, 0.0)))
        level, lower = ends[step % len(ends)]
        teacher = self.teacher.to(views.truth.device)
        return {
            "total": distillation_loss(
                self.model.outpainter, teacher, views, (level, lower), self.substeps
            )
        }

    def evaluate(self, average: WorldModel, step: int, folder: Path) -> dict[str, float]:
        views = self.held_out
        noise, teacher = fixed_noise(views), self.teacher.to(views.truth.device)
        wanted = teacher.sample(views.told, noise, many_levels(self.levels, self.substeps))
        ours = average.outpainter.sample(views.told, noise)
        hurried = teacher.sample(views.told, noise, self.levels)
        samples = {"many steps": wanted, "distilled": ours, "few steps": hurried}
        write_sheet(views, samples, folder / f"{step:06d}.png")
        return {"psnr": _psnr(ours, wanted), "psnr_undistilled": _psnr(hurried, wanted)}


def many_levels(levels: tuple[float, ...], substeps: int) -> tuple[float, ...]:
    """Where a teacher's steps begin: several for one of the student's.

    A teacher that was itself distilled from another samples in as few steps as its student would.
    """
    parts = [np.linspace(a, b, substeps, endpoint=False) for a, b in pairwise((*levels, 0.0))]
    return tuple(float(level) for level in np.concatenate(parts))


def distillation_loss(
    student: Outpainter,
    teacher: Outpainter,
    views: Views,
    ends: tuple[float, float],  # the level that a step of the student starts from and ends at
    substeps: int,
) -> Tensor:  # []
    """Squared error to the clean picture that would take the student where its teacher gets."""
    (level, lower), truth = ends, views.truth
    noisy = (1.0 - level) * truth + level * torch.randn_like(truth)
    with torch.no_grad():
        reached = noisy
        for high, low in pairwise(np.linspace(level, lower, substeps + 1)):
            reached = teacher.step(reached, float(high), float(low), views.told)
        wanted = behind(noisy, reached, level, lower)
    predicted = student(noisy, torch.full_like(noisy[:, 0, 0, 0], level), views.told)
    error = weighted_error(predicted, wanted, views.told.known)
    return error.mean() / max(level, SHARPEST) ** 2


def behind(
    noisy: Tensor,  # [B, 4, h, w] at `level`
    reached: Tensor,  # [B, 4, h, w] at `lower`
    level: float,
    lower: float,
) -> Tensor:  # [B, 4, h, w]
    """The clean picture for which `moved` leads from one to the other."""
    kept = lower / level
    return (reached - kept * noisy) / ((1.0 - lower) - kept * (1.0 - level))


def _psnr(a: Tensor, b: Tensor) -> float:
    """Of the colours, dB, with a peak of 2."""
    mse = (a[:, :3] - b[:, :3]).square().mean(dim=(1, 2, 3)).clamp(min=1e-8)
    return float((10.0 * torch.log10(4.0 / mse)).mean())


def distill(config: DistillRunConfig, console: Console) -> None:
    """The distillation stage, from its configuration."""
    train(config, lambda model, source: DistillStage(model, config, source), console)
