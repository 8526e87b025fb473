"""The heads alone, beside a frozen model: thousands of steps in a few minutes.

Heads are small and see few samples while the whole model trains. Here samples are kept and reused.
The pose head's are tokens of dreamed frames, as at run time: some dreamed from true keyframes and
the true last frame, others from the model's own. The event head needs no tokens: it learns from
true walks and from dreams along them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from einops import rearrange
from rich.console import Console
from torch import Tensor

from worldsim.engine.hints import Remembered
from worldsim.envs.blocks.seeker import STREWN_GEMS
from worldsim.errors import ConfigError
from worldsim.model.world_model import FrameInputs, WorldModel
from worldsim.train.batch import ClipBatch, ClipConfig, cut_clips, draw
from worldsim.train.data import DataConfig, Episode, WalkMix
from worldsim.train.event_lessons import EventLessons
from worldsim.train.hints import (
    DamageConfig,
    clip_hints,
    damage,
    last_frames,
    remembered_keyframes,
)
from worldsim.train.losses import pose_loss
from worldsim.train.rollouts import dream_clip, dream_keyframes, frame_inputs
from worldsim.train.teacher import anchor_from_world, noisy_motion, recall_context
from worldsim.train.trainer import RunConfig, train

HeadName = Literal["pose", "events"]

REFRESH_EVERY = 6  # steps between forward passes of the model, or between episodes
BATCH = 512
KEPT_FRAMES = 20_000
HELD_OUT_EPISODES = 8
HELD_OUT_FRAMES = 512
MOST_HOPS = 3  # newest keyframes that are dreamed, when the model's own are asked for


@dataclass(frozen=True, kw_only=True)
class HeadsRunConfig(RunConfig):
    """Train the heads of a trained model, which stays as it is otherwise.

    Start it with `--init-from CHECKPOINT`; its own checkpoint holds the whole model. Evaluations
    give the average precision of rewards and ends beside their base rates.
    """

    out: Path = Path("runs/heads")
    minutes: float = 8.0
    evaluate_minutes: float = 2.0
    episodes_per_step: float = 0.1
    warmup_steps: int = 100
    heads: tuple[HeadName, ...] = ("pose", "events")
    """Which of them. Events alone are learnt faster."""
    own_share: float = 0.5
    """Clips dreamed from the model's own keyframes and last frames."""
    clips: ClipConfig = field(default_factory=ClipConfig)
    damage: DamageConfig = field(default_factory=DamageConfig)
    data: DataConfig = field(
        default_factory=lambda: DataConfig(mix=WalkMix(seek_share=0.7, strewn_gems=STREWN_GEMS))
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.heads:
            raise ConfigError("pose, events, or both", "no head", "Name a head to train.")


@dataclass(frozen=True, slots=True)
class PoseSamples:
    """Inputs and targets of N frames."""

    tokens: Tensor  # [N, S, D]
    action: Tensor  # [N, A]
    motion: Tensor  # [N, 5]
    move: Tensor  # [N, 2] metres


class HeadsStage:
    """Gives each head its lessons, and sets the first episodes apart for its figures."""

    name = "heads"

    def __init__(self, model: WorldModel, config: HeadsRunConfig) -> None:
        self.model, self.config = model.requires_grad_(False), config
        self.drawn: list[Episode] = []  # for the newest of the samples kept
        self._pose = PoseLessons(model, config) if "pose" in config.heads else None
        self._events = EventLessons(model) if "events" in config.heads else None
        model.pose_head.requires_grad_("pose" in config.heads)
        model.event_head.requires_grad_("events" in config.heads)

    def losses(
        self,
        average: WorldModel,  # noqa: ARG002 - stages share one signature
        episodes: list[Episode],
        step: int,
        rng: np.random.Generator,
    ) -> dict[str, Tensor]:
        if step % REFRESH_EVERY == 0 or not self.drawn:
            self._refresh(episodes, rng)
        losses: dict[str, Tensor] = {}
        if self._pose is not None:
            losses["pose"] = self._pose.loss(rng)
        if self._events is not None:
            self._events.dream_on(episodes[HELD_OUT_EPISODES:], rng)
            losses["events"] = self._events.loss(rng)
        total = torch.stack(list(losses.values())).sum()
        return {"total": total, **{name: loss.detach() for name, loss in losses.items()}}

    def evaluate(self, average: WorldModel, step: int, folder: Path) -> dict[str, float]:  # noqa: ARG002
        """On frames never trained on, those dreamed from own keyframes as `own_...`.

        Mean errors in centimetres a tick beside that of inertia, and for each event its average
        precision beside its base rate; left out if it did not happen.
        """
        scores: dict[str, float] = {}
        if self._pose is not None:
            scores |= self._pose.scores(average)
        if self._events is not None:
            scores |= self._events.scores(average)
        return scores

    def _refresh(self, episodes: list[Episode], rng: np.random.Generator) -> None:
        """The first episodes are held out; the others are learnt from."""
        if len(episodes) <= HELD_OUT_EPISODES:
            raise ConfigError(
                f"more than {HELD_OUT_EPISODES} episodes, those that are held out",
                f"{len(episodes)}",
                "Raise --data.first.",
            )
        held, rest = episodes[:HELD_OUT_EPISODES], episodes[HELD_OUT_EPISODES:]
        self.drawn = draw(rest, self.config.clips.clips, rng)
        if self._pose is not None:
            self._pose.hold_out(held, rng)
            self._pose.take(self.drawn, rng)
        if self._events is not None:
            self._events.hold_out(held)
            self._events.take(self.drawn[0], rng)


class PoseLessons:
    """Owns a bounded store of tokens, and those that are held out."""

    def __init__(self, model: WorldModel, config: HeadsRunConfig) -> None:
        self.model, self.config = model, config
        self._kept: deque[PoseSamples] = deque()
        self._held_out: dict[str, PoseSamples] = {}

    def hold_out(self, episodes: list[Episode], rng: np.random.Generator) -> None:
        """Of these the figures are."""
        if not self._held_out:
            self._held_out = {
                prefix: self._hold_out(episodes, rng, own=own)
                for prefix, own in (("", False), ("own_", True))
            }

    def take(self, episodes: list[Episode], rng: np.random.Generator) -> None:
        """Clips of these to learn from, too."""
        own = bool(rng.random() < self.config.own_share)
        self._kept.append(self._forward(episodes, rng, own=own))
        while len(self._kept) * self._frames_a_batch > KEPT_FRAMES:
            self._kept.popleft()

    def loss(self, rng: np.random.Generator) -> Tensor:  # []
        chosen = rng.integers(len(self._kept), size=max(1, BATCH // self._frames_a_batch))
        samples = joined([self._kept[int(i)] for i in chosen])
        moves = self.model.pose_head(samples.tokens, samples.action, noisy_motion(samples.motion))
        return pose_loss(moves, samples.move)

    def scores(self, average: WorldModel) -> dict[str, float]:
        assert self._held_out, "evaluated before the first step"
        return {
            prefix + name: value
            for prefix, held in self._held_out.items()
            for name, value in pose_scores(average, held).items()
        }

    @property
    def _frames_a_batch(self) -> int:
        return self.config.clips.clips * self.config.clips.frames

    def _hold_out(
        self, episodes: list[Episode], rng: np.random.Generator, *, own: bool
    ) -> PoseSamples:
        count = max(1, HELD_OUT_FRAMES // self._frames_a_batch)
        clips = self.config.clips.clips
        return joined(
            [self._forward(draw(episodes, clips, rng), rng, own=own) for _ in range(count)]
        )

    @torch.no_grad()
    def _forward(
        self, episodes: list[Episode], rng: np.random.Generator, *, own: bool
    ) -> PoseSamples:
        """Samples of fresh clips, dreamed from true keyframes or from the model's own."""
        model = self.model
        batch = cut_clips(episodes, self.config.clips, rng).to(model.stem.weight.device)
        remembered = damage(remembered_keyframes(batch), self.config.damage)
        if own:
            hops = int(rng.integers(1, MOST_HOPS + 1))
            remembered = dream_keyframes(model, batch, remembered, hops)
        anchors = anchor_from_world(batch.poses)
        context = recall_context(model, batch, anchors)
        inputs = self._inputs(batch, remembered, anchors, batch.pictures)
        if own:
            shown = dream_clip(model, inputs, context, batch.pictures)
            inputs = self._inputs(batch, remembered, anchors, shown)
        return pose_samples(batch, model(inputs, context).tokens)

    def _inputs(
        self,
        batch: ClipBatch,
        remembered: Remembered,
        anchors: Tensor,  # [B, T, 4, 4]
        shown: Tensor,  # [B, T, 4, H, W] what a player has seen of the clip
    ) -> FrameInputs:
        """Pure noise, and hints as a player would have them."""
        previous = torch.cat((shown[:, :1], shown[:, :-1]), dim=1)
        near = torch.ones_like(batch.poses[..., 0, 0], dtype=torch.bool)
        near[:, 0] = False
        camera = self.model.config.intrinsics
        hint, confidence = clip_hints(remembered, batch.poses, previous, near, False, camera)
        last = last_frames(hint, batch.poses, previous, near, False, camera)
        sigma = torch.ones_like(batch.poses[..., 0, 0])
        noise = torch.randn_like(self.model.encode(hint))
        return frame_inputs(batch, noise, sigma, hint, confidence, anchors, last)


def pose_samples(batch: ClipBatch, tokens_BTSD: Tensor) -> PoseSamples:
    """One sample for each frame of each clip."""
    return PoseSamples(
        rearrange(tokens_BTSD, "b t s d -> (b t) s d"),
        rearrange(batch.next_actions, "b t a -> (b t) a"),
        rearrange(batch.motion, "b t m -> (b t) m"),
        rearrange(batch.moves, "b t m -> (b t) m"),
    )


def joined(parts: list[PoseSamples]) -> PoseSamples:
    return PoseSamples(*(torch.cat([getattr(p, n) for p in parts]) for n in PoseSamples.__slots__))


def pose_scores(model: WorldModel, held: PoseSamples) -> dict[str, float]:
    """Mean errors of the next displacement, and that of repeating the last one; cm a tick."""
    error = model.pose_head(held.tokens, held.action, held.motion) - held.move
    inertia = held.motion[:, (0, 2)] - held.move
    named = {"right": 0, "forward": 1}
    scores = {f"{name}_cm": float(error[:, i].abs().mean()) * 100 for name, i in named.items()}
    return {**scores, "inertia_cm": float(inertia.abs().mean()) * 100}


def train_heads(config: HeadsRunConfig, console: Console) -> None:
    """The heads stage, from its configuration."""
    train(config, lambda model, _: HeadsStage(model, config), console)
