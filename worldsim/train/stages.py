"""The stages that exist: the world model's teacher, and the codec of the large presets."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from worldsim.errors import ConfigError
from worldsim.model.codec import AutoencoderCodec
from worldsim.model.picture import from_picture, to_picture
from worldsim.model.world_model import WorldModel
from worldsim.record.contact_sheet import contact_sheet, save_png
from worldsim.train.batch import ClipConfig, cut_clips, draw
from worldsim.train.critic import Critic
from worldsim.train.data import BlockWalks, Episode, EpisodeSource
from worldsim.train.losses import picture_loss
from worldsim.train.monitor import EPISODES, Monitor, colour_psnr
from worldsim.train.teacher import TeacherConfig, teacher_losses
from worldsim.train.trainer import RunConfig, train
from worldsim.train.walks import Walks

CODEC_BATCH = 32
CODEC_NOISE = 0.1  # latents are decoded with noise, so that decoding forgives the model's error
LATENT_WEIGHT = 1e-3


@dataclass(frozen=True, kw_only=True)
class ModelRunConfig(RunConfig):
    """Train the world model on the block world, rendered on the fly, or on recorded episodes.

    The run stops itself after `minutes`, saves when it is killed, and continues where it stopped
    when called again with the same `out`. Every evaluation writes `out/sheets/STEP.png` (truth
    above dream) and `out/checkpoint`, which `worldsim play --checkpoint` loads.
    """

    clips: ClipConfig = field(default_factory=ClipConfig)
    teacher: TeacherConfig = field(default_factory=TeacherConfig)


@dataclass(frozen=True, kw_only=True)
class CodecRunConfig(RunConfig):
    """Train the autoencoder of a preset that works on latents (base, xl).

    The checkpoint it leaves holds the whole model with the trained codec: start the model stage
    from it with `--init-from`.
    """

    out: Path = Path("runs/codec")
    preset: str = "base"


class TeacherStage:
    """The world model under `teacher_losses`."""

    name = "teacher"

    def __init__(
        self,
        model: WorldModel,
        config: ModelRunConfig,
        source: EpisodeSource = BlockWalks(),  # noqa: B008 - immutable
    ) -> None:
        self.model = model
        self.config = config
        self.source = source
        self.drawn: list[Episode] = []
        self.model.codec.requires_grad_(False)
        self.model.event_head.requires_grad_(False)  # of the heads stage
        self.model.outpainter.requires_grad_(False)  # of its own stage
        self._walks: Walks | None = None

    @cached_property
    def critic(self) -> Critic | None:
        if self.config.teacher.critic_weight == 0:
            return None
        return Critic(self.model.config.latent_channels, next(self.model.parameters()).device)

    @cached_property
    def monitor(self) -> Monitor:
        camera = self.model.config.intrinsics
        return Monitor(self.source.held_out(self.config.data, camera, EPISODES))

    def losses(
        self, average: WorldModel, episodes: list[Episode], step: int, rng: np.random.Generator
    ) -> dict[str, Tensor]:
        device, config = next(self.model.parameters()).device, self.config.teacher
        finished = self._walk_on(average, episodes, rng)
        walked = len(finished) > 0 and rng.random() < config.walk_share
        source = finished if walked else episodes
        self.drawn = draw(source, self.config.clips.clips, rng)
        batch = cut_clips(self.drawn, self.config.clips, rng).to(device)
        return teacher_losses(
            self.model, average, batch, config, step, rng, self.critic, walked=walked
        )

    def _walk_on(
        self, average: WorldModel, episodes: list[Episode], rng: np.random.Generator
    ) -> list[Episode]:
        """One more frame of each of the model's own walks; returns those that are over."""
        config = self.config.teacher
        if config.walk_share == 0:
            return []
        if self._walks is None:
            self._walks = Walks(average, at_once=config.walks, kept=config.walks_kept)
        self._walks.advance(episodes, rng)
        return list(self._walks.finished)

    def evaluate(self, average: WorldModel, step: int, folder: Path) -> dict[str, float]:
        return self.monitor.evaluate(average, step, folder)


class CodecStage:
    """The autoencoder alone, on single frames."""

    name = "codec"

    def __init__(self, model: WorldModel) -> None:
        codec = model.codec
        if not isinstance(codec, AutoencoderCodec):
            raise ConfigError(
                "a preset on latents, such as base", "one on pixels", "Choose another --preset."
            )
        self.model, self.codec = model, codec
        self.drawn: list[Episode] = []
        self._held_out: Tensor | None = None

    def losses(
        self,
        average: WorldModel,  # noqa: ARG002 - stages share one signature
        episodes: list[Episode],
        step: int,  # noqa: ARG002
        rng: np.random.Generator,
    ) -> dict[str, Tensor]:
        self.drawn = draw(episodes, CODEC_BATCH, rng)
        picture = _frames(self.drawn, rng).to(self.codec.scale.device)
        if self._held_out is None:
            self._held_out = picture[:8]
        latent = self.codec.encoder(picture)
        with torch.no_grad():
            self.codec.scale.lerp_(latent.float().std(), 0.05)
        noisy = latent + CODEC_NOISE * self.codec.scale * torch.randn_like(latent)
        decoded = self.codec.decoder(noisy).float()
        picture_error = picture_loss(decoded[None], picture[None]).mean()
        size = latent.float().square().mean()
        return {"total": picture_error + LATENT_WEIGHT * size, "picture": picture_error.detach()}

    def evaluate(self, average: WorldModel, step: int, folder: Path) -> dict[str, float]:
        assert self._held_out is not None, "evaluated before the first step"
        codec = average.codec
        decoded = codec.decode(codec.encode(self._held_out)).float().clamp(-1.0, 1.0)
        rows = [list(from_picture(p)[0].cpu().numpy()) for p in (self._held_out, decoded)]
        folder.mkdir(parents=True, exist_ok=True)
        save_png(contact_sheet(rows, ["truth", "decoded"]), folder / f"{step:06d}.png")
        return {"psnr": colour_psnr(decoded[None], self._held_out[None])}


def train_teacher(config: ModelRunConfig, console: Console) -> None:
    """The model stage, from its configuration."""
    train(config, lambda model, source: TeacherStage(model, config, source), console)


def train_codec(config: CodecRunConfig, console: Console) -> None:
    """The codec stage, from its configuration."""
    train(config, lambda model, _: CodecStage(model), console)


def _frames(chosen: list[Episode], rng: np.random.Generator) -> Tensor:  # [N, 4, H, W]
    """One random frame of each episode."""
    frames = [int(rng.integers(len(episode))) for episode in chosen]
    rgb = np.stack([episode.rgb[t] for episode, t in zip(chosen, frames, strict=True)])
    depth = np.stack([episode.depth[t] for episode, t in zip(chosen, frames, strict=True)])
    return to_picture(torch.from_numpy(rgb), torch.from_numpy(depth))
