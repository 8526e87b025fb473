"""Polishing: the last layers learn from what the engine really hands them.

The teacher's clips imitate play, and the compositor has learnt how far hint and last frame are to
be trusted there. Here it is told what it is told in play, and asked for what was to be seen
(`exercises`). It has few weights and needs no pass of the others, so a step takes a tenth of a
second. All else stays as it is: tokens, contexts and heads, too.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor

from worldsim.model.picture import CHANNELS, SKY_CODE, from_picture
from worldsim.model.world_model import WorldModel
from worldsim.record.contact_sheet import contact_sheet, evenly_spaced, save_png
from worldsim.train.critic import Critic, balance
from worldsim.train.data import BlockWalks, DataConfig, Episode, EpisodeSource
from worldsim.train.exercises import Exercises, Practice, batched
from worldsim.train.losses import polish_loss
from worldsim.train.trainer import RunConfig, train

HELD_OUT_EPISODES = 6
ON_SHEET = 8  # frames


@dataclass(frozen=True, kw_only=True)
class PolishRunConfig(RunConfig):
    """Polish a trained model's last layers on what its engine hands them in play.

    Start it with `--init-from CHECKPOINT`. Evaluations give the PSNR of what held-out walks had
    shown, in frames after true ones (`next`) and after dreamed ones (`later`), beside that of the
    weights it started from.
    """

    out: Path = Path("runs/polished")
    minutes: float = 30.0
    learning_rate: float = 5e-4
    ema_decay: float = 0.99
    weight_decay: float = 0.0
    evaluate_minutes: float = 10.0
    episodes_per_step: float = 0.03
    batch: int = 12
    """Exercises a step."""
    kept: int = 3000
    """Exercises to draw from; 0.5 MB each with the preset small."""
    first: int = 300
    """Exercises to wait for before training starts."""
    ticks: int = 1
    """Of play, for each step; a third of them are exercises."""
    renew_steps: int = 1500
    """Steps after which play goes on with the new weights."""
    critic_weight: float = 0.0
    """How strongly a patch critic pulls; without one, what was invented stays as it was."""
    data: DataConfig = field(default_factory=lambda: DataConfig(pool=64, first=12))


class PolishStage:
    """The compositor, under `polish_loss`."""

    name = "polish"

    def __init__(
        self,
        model: WorldModel,
        config: PolishRunConfig,
        source: EpisodeSource = BlockWalks(),  # noqa: B008 - immutable
    ) -> None:
        self.model, self.config, self.source = model.requires_grad_(False), config, source
        model.compositor.requires_grad_(True)
        self.drawn: list[Episode] = []
        self._begun_with = copy.deepcopy(model)
        self._practice: Practice | None = None
        self._held_out: Exercises | None = None
        self._critic: Critic | None = None

    def losses(
        self, average: WorldModel, episodes: list[Episode], step: int, rng: np.random.Generator
    ) -> dict[str, Tensor]:
        self.drawn = episodes
        practice = self._practised(average, episodes, step, rng)
        chosen = rng.integers(len(practice.kept), size=self.config.batch)
        batch = batched([practice.kept[int(i)] for i in chosen], self.model.stem.weight.device)
        clean = self.model.compositor(batch.among)[:, 0]
        if not self.config.critic_weight:
            return {"total": polish_loss(clean, batch.before, batch.truth, batch.asked)}
        return self._criticised(clean, batch)

    def evaluate(self, average: WorldModel, step: int, folder: Path) -> dict[str, float]:
        held = self._held_out or self._hold_out()
        self._held_out = held
        pictures = {
            "truth": _decoded(average, held.truth),
            "before": _decoded(average, held.before),
            "now": _decoded(average, average.compositor(held.among)[:, 0].float()),
        }
        _write_sheet(pictures, folder / f"{step:06d}.png")
        asked = F.interpolate(held.asked, pictures["truth"].shape[-2:])
        return {
            f"{when}{suffix}": seen_psnr(pictures[name][rows], pictures["truth"][rows], asked[rows])
            for name, suffix in (("now", ""), ("before", "_before"))
            for when, rows in (("next", held.is_next), ("later", ~held.is_next))
        }

    def _criticised(
        self,
        clean: Tensor,  # [N, C, h, w]
        batch: Exercises,
    ) -> dict[str, Tensor]:
        """The loss beside a critic of the land: the sky, and all tones, are to stay as they were.

        Details of the sky would stay there, and be strengthened tick by tick.
        """
        with torch.no_grad():
            first = self._begun_with.compositor(batch.among)[:, 0]
        land = _land(first)
        picture = polish_loss(clean, first, batch.truth, batch.asked, land)
        self._critic = self._critic or Critic(clean.shape[1], clean.device)
        shown = clean * land, batch.confidence
        told = self._critic.learn(batch.truth * _land(batch.truth), *shown)
        parts = {"picture": picture.detach(), "critic": told}
        if not self._critic.is_warm:
            return {"total": picture, **parts}
        complaint = self._critic.complaint(*shown)
        pull = balance(picture, complaint, self.model.compositor.out.weight)
        return {"total": picture + self.config.critic_weight * pull * complaint, **parts}

    def _practised(
        self, average: WorldModel, episodes: list[Episode], step: int, rng: np.random.Generator
    ) -> Practice:
        """A little more of play, or enough of it to begin with."""
        practice = self._practice = self._practice or Practice(average, self.config.kept)
        if step and step % self.config.renew_steps == 0:
            practice.renew(average)
        for _ in range(self.config.ticks):
            practice.go_on(episodes, rng)
        while len(practice.kept) < self.config.first:
            practice.go_on(episodes, rng)
        return practice

    def _hold_out(self) -> Exercises:
        """Exercises of walks that training never sees, played by the weights it started from."""
        camera, rng = self.model.config.intrinsics, np.random.default_rng(0)
        practice = Practice(self._begun_with, self.config.kept)
        for episode in self.source.held_out(self.config.data, camera, HELD_OUT_EPISODES):
            practice.play(episode, rng)
        return batched(list(practice.kept), self.model.stem.weight.device)


def seen_psnr(
    pictures: Tensor,  # [N, 4, H, W]
    truth: Tensor,  # [N, 4, H, W]
    asked: Tensor,  # [N, 1, H, W]
) -> float:
    """Mean over frames of the colour PSNR of what had been shown, dB, with a peak of 2."""
    seen = (asked == 1).float()
    share = seen.mean(dim=(1, 2, 3))
    error = ((pictures - truth)[:, :3].square() * seen).mean(dim=(1, 2, 3))
    mse = (error / share.clamp(min=1e-6)).clamp(min=1e-8)[share > 0]
    return float((10.0 * torch.log10(4.0 / mse)).mean())


def _land(
    clean: Tensor,  # [N, C, h, w]
) -> Tensor:  # [N, 1, h, w] 0 in the sky of pictures, else 1
    if clean.shape[1] != CHANNELS:
        return torch.ones_like(clean[:, :1])
    return (clean[:, -1:] >= SKY_CODE).to(clean.dtype)


def _decoded(
    model: WorldModel,
    clean: Tensor,  # [N, C, h, w]
) -> Tensor:  # [N, 4, H, W]
    return model.decode(clean[:, None])[:, 0].clamp(-1.0, 1.0)


def _write_sheet(pictures: Mapping[str, Tensor], path: Path) -> None:
    """Evenly spread frames, row by row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        [_colours(row[i]) for i in evenly_spaced(len(row), ON_SHEET)] for row in pictures.values()
    ]
    save_png(contact_sheet(rows, list(pictures)), path)


def _colours(picture: Tensor) -> NDArray[np.uint8]:  # [H, W, 3]
    colours: NDArray[np.uint8] = from_picture(picture[None])[0][0].cpu().numpy()
    return colours


def polish(config: PolishRunConfig, console: Console) -> None:
    """The stage, from its configuration."""
    train(config, lambda model, source: PolishStage(model, config, source), console)
