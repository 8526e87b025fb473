"""The heads alone, on the tokens of a frozen model: thousands of steps in a few minutes.

Heads are small and see few samples while the whole model trains. Here tokens are kept and reused.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from rich.console import Console
from torch import Tensor

from worldsim.model.world_model import WorldModel
from worldsim.train.batch import ClipBatch, ClipConfig, cut_clips, draw
from worldsim.train.data import Episode
from worldsim.train.hints import DamageConfig, clip_hints, damage, remembered_keyframes
from worldsim.train.losses import pose_loss
from worldsim.train.rollouts import frame_inputs
from worldsim.train.teacher import anchor_from_world, noisy_motion, recall_context
from worldsim.train.trainer import RunConfig, train

REFRESH_EVERY = 6  # steps between forward passes of the model
BATCH = 512
KEPT_FRAMES = 20_000
HELD_OUT_FRAMES = 512


@dataclass(frozen=True, kw_only=True)
class HeadsRunConfig(RunConfig):
    """Train the pose head of a trained model, which stays as it is otherwise.

    Start it with `--init-from CHECKPOINT`; its own checkpoint holds the whole model.
    """

    out: Path = Path("runs/heads")
    warmup_steps: int = 100
    clips: ClipConfig = field(default_factory=ClipConfig)
    damage: DamageConfig = field(default_factory=DamageConfig)


@dataclass(frozen=True, slots=True)
class HeadSamples:
    """Inputs and targets of N frames."""

    tokens: Tensor  # [N, S, D]
    action: Tensor  # [N, A]
    motion: Tensor  # [N, 5]
    move: Tensor  # [N, 2] metres

    def pick(self, index: Tensor) -> HeadSamples:
        return HeadSamples(*(getattr(self, name)[index] for name in self.__slots__))


class HeadsStage:
    """Owns a bounded store of tokens; fills it a little every few steps."""

    name = "heads"

    def __init__(self, model: WorldModel, config: HeadsRunConfig) -> None:
        self.model, self.config = model.requires_grad_(False), config
        model.pose_head.requires_grad_(True)
        self.drawn: list[Episode] = []  # for the newest of the tokens kept
        self._kept: deque[HeadSamples] = deque()
        self._held_out: HeadSamples | None = None

    def losses(
        self,
        average: WorldModel,  # noqa: ARG002 - stages share one signature
        episodes: list[Episode],
        step: int,
        rng: np.random.Generator,
    ) -> dict[str, Tensor]:
        if step % REFRESH_EVERY == 0 or not self._kept:
            self._refresh(episodes, rng)
        chosen = rng.integers(len(self._kept), size=max(1, BATCH // self._frames_a_batch))
        samples = joined([self._kept[int(i)] for i in chosen])
        moves = self.model.pose_head(samples.tokens, samples.action, noisy_motion(samples.motion))
        return {"total": pose_loss(moves, samples.move)}

    def evaluate(self, average: WorldModel, step: int, folder: Path) -> dict[str, float]:  # noqa: ARG002
        """Mean error in centimetres a tick, beside that of inertia, on frames never trained on."""
        assert self._held_out is not None, "evaluated before the first step"
        held = self._held_out
        moves = average.pose_head(held.tokens, held.action, held.motion)
        error, inertia = moves - held.move, held.motion[:, (0, 2)] - held.move
        named = {"right": 0, "forward": 1}
        scores = {f"{name}_cm": float(error[:, i].abs().mean()) * 100 for name, i in named.items()}
        return {**scores, "inertia_cm": float(inertia.abs().mean()) * 100}

    @property
    def _frames_a_batch(self) -> int:
        return self.config.clips.clips * self.config.clips.frames

    def _refresh(self, episodes: list[Episode], rng: np.random.Generator) -> None:
        """The first episodes are held out; the others fill the store."""
        held, rest = episodes[:4], episodes[4:]
        if self._held_out is None:
            count = HELD_OUT_FRAMES // self._frames_a_batch
            self._held_out = joined([self._forward(held, rng) for _ in range(count)])
        self._kept.append(self._forward(rest, rng))
        while len(self._kept) * self._frames_a_batch > KEPT_FRAMES:
            self._kept.popleft()

    @torch.no_grad()
    def _forward(self, episodes: list[Episode], rng: np.random.Generator) -> HeadSamples:
        device = self.model.stem.weight.device
        self.drawn = draw(episodes, self.config.clips.clips, rng)
        batch = cut_clips(self.drawn, self.config.clips, rng).to(device)
        remembered = damage(remembered_keyframes(batch), self.config.damage)
        previous = torch.cat((batch.pictures[:, :1], batch.pictures[:, :-1]), dim=1)
        near = torch.ones_like(batch.poses[..., 0, 0], dtype=torch.bool)
        near[:, 0] = False
        camera = self.model.config.intrinsics
        hint, confidence = clip_hints(remembered, batch.poses, previous, near, False, camera)
        anchors = anchor_from_world(batch.poses)
        sigma = torch.ones_like(batch.poses[..., 0, 0])
        noise = torch.randn_like(self.model.encode(hint))
        inputs = frame_inputs(batch, noise, sigma, hint, confidence, anchors)
        prediction = self.model(inputs, recall_context(self.model, batch, anchors))
        return head_samples(batch, prediction.tokens)


def head_samples(batch: ClipBatch, tokens_BTSD: Tensor) -> HeadSamples:
    """One sample for each frame of each clip."""
    return HeadSamples(
        rearrange(tokens_BTSD, "b t s d -> (b t) s d"),
        rearrange(batch.next_actions, "b t a -> (b t) a"),
        rearrange(batch.motion, "b t m -> (b t) m"),
        rearrange(batch.moves, "b t m -> (b t) m"),
    )


def joined(parts: list[HeadSamples]) -> HeadSamples:
    return HeadSamples(*(torch.cat([getattr(p, n) for p in parts]) for n in HeadSamples.__slots__))


def train_heads(config: HeadsRunConfig, console: Console) -> None:
    """The heads stage, from its configuration."""
    train(config, lambda model, _: HeadsStage(model, config), console)
