"""The heads alone, on the tokens of a frozen model: thousands of steps in a few minutes.

Heads are small and see few samples while the whole model trains. Here tokens are kept and reused.
All of them are tokens of dreamed frames, as at run time: some dreamed from true keyframes and the
true last frame, others from the model's own.
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

from worldsim.engine.hints import Remembered
from worldsim.envs.blocks.seeker import STREWN_GEMS
from worldsim.errors import ConfigError
from worldsim.evaluate.events import average_precision
from worldsim.model.heads import EVENTS, MOVE_SIZE
from worldsim.model.world_model import FrameInputs, WorldModel
from worldsim.train.batch import ClipBatch, ClipConfig, cut_clips, draw
from worldsim.train.data import DataConfig, Episode, WalkMix
from worldsim.train.hints import (
    DamageConfig,
    clip_hints,
    damage,
    last_frames,
    remembered_keyframes,
)
from worldsim.train.losses import event_loss, pose_loss
from worldsim.train.rollouts import dream_clip, dream_keyframes, frame_inputs
from worldsim.train.teacher import anchor_from_world, noisy_motion, recall_context
from worldsim.train.trainer import RunConfig, train

REFRESH_EVERY = 6  # steps between forward passes of the model
BATCH = 512
KEPT_FRAMES = 20_000
HELD_OUT_EPISODES = 8
HELD_OUT_FRAMES = 512
MOST_HOPS = 3  # newest keyframes that are dreamed, when the model's own are asked for


@dataclass(frozen=True, kw_only=True)
class HeadsRunConfig(RunConfig):
    """Train the pose and event heads of a trained model, which stays as it is otherwise.

    Start it with `--init-from CHECKPOINT`; its own checkpoint holds the whole model. Evaluations
    give the average precision of rewards and ends beside their base rates.
    """

    out: Path = Path("runs/heads")
    minutes: float = 8.0
    evaluate_minutes: float = 2.0
    episodes_per_step: float = 0.1
    warmup_steps: int = 100
    own_share: float = 0.5
    """Clips dreamed from the model's own keyframes and last frames."""
    clips: ClipConfig = field(default_factory=lambda: ClipConfig(event_share=0.6))
    damage: DamageConfig = field(default_factory=DamageConfig)
    data: DataConfig = field(
        default_factory=lambda: DataConfig(mix=WalkMix(seek_share=0.7, strewn_gems=STREWN_GEMS))
    )


@dataclass(frozen=True, slots=True)
class HeadSamples:
    """Inputs and targets of N frames."""

    tokens: Tensor  # [N, S, D]
    action: Tensor  # [N, A]
    motion: Tensor  # [N, 5]
    move: Tensor  # [N, 2] metres
    events: Tensor  # [N, len(EVENTS)] 0 or 1


class HeadsStage:
    """Owns a bounded store of tokens; fills it a little every few steps."""

    name = "heads"

    def __init__(self, model: WorldModel, config: HeadsRunConfig) -> None:
        self.model, self.config = model.requires_grad_(False), config
        model.pose_head.requires_grad_(True)
        model.event_head.requires_grad_(True)
        self.drawn: list[Episode] = []  # for the newest of the tokens kept
        self._kept: deque[HeadSamples] = deque()
        self._held_out: dict[str, HeadSamples] = {}

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
        motion = noisy_motion(samples.motion)
        moves = self.model.pose_head(samples.tokens, samples.action, motion)
        logits = self.model.event_head(samples.tokens, motion[:, :MOVE_SIZE])
        pose, events = pose_loss(moves, samples.move), event_loss(logits, samples.events)
        return {"total": pose + events, "pose": pose.detach(), "events": events.detach()}

    def evaluate(self, average: WorldModel, step: int, folder: Path) -> dict[str, float]:  # noqa: ARG002
        """On frames never trained on, those dreamed from own keyframes as `own_...`.

        Mean errors in centimetres a tick beside that of inertia, and for each event its average
        precision beside its base rate; left out if it did not happen.
        """
        assert self._held_out, "evaluated before the first step"
        return {
            prefix + name: value
            for prefix, held in self._held_out.items()
            for name, value in {**pose_scores(average, held), **event_aps(average, held)}.items()
        }

    @property
    def _frames_a_batch(self) -> int:
        return self.config.clips.clips * self.config.clips.frames

    def _refresh(self, episodes: list[Episode], rng: np.random.Generator) -> None:
        """The first episodes are held out; the others fill the store."""
        if len(episodes) <= HELD_OUT_EPISODES:
            raise ConfigError(
                f"more than {HELD_OUT_EPISODES} episodes, those that are held out",
                f"{len(episodes)}",
                "Raise --data.first.",
            )
        held, rest = episodes[:HELD_OUT_EPISODES], episodes[HELD_OUT_EPISODES:]
        if not self._held_out:
            self._held_out = {
                prefix: self._hold_out(held, rng, own=own)
                for prefix, own in (("", False), ("own_", True))
            }
        own = bool(rng.random() < self.config.own_share)
        self._kept.append(self._forward(rest, rng, own=own))
        while len(self._kept) * self._frames_a_batch > KEPT_FRAMES:
            self._kept.popleft()

    def _hold_out(
        self, episodes: list[Episode], rng: np.random.Generator, *, own: bool
    ) -> HeadSamples:
        count = max(1, HELD_OUT_FRAMES // self._frames_a_batch)
        return joined([self._forward(episodes, rng, own=own) for _ in range(count)])

    @torch.no_grad()
    def _forward(
        self, episodes: list[Episode], rng: np.random.Generator, *, own: bool
    ) -> HeadSamples:
        """Samples of fresh clips, dreamed from true keyframes or from the model's own."""
        model = self.model
        self.drawn = draw(episodes, self.config.clips.clips, rng)
        batch = cut_clips(self.drawn, self.config.clips, rng).to(model.stem.weight.device)
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
        return head_samples(batch, model(inputs, context).tokens)

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


def head_samples(batch: ClipBatch, tokens_BTSD: Tensor) -> HeadSamples:
    """One sample for each frame of each clip."""
    return HeadSamples(
        rearrange(tokens_BTSD, "b t s d -> (b t) s d"),
        rearrange(batch.next_actions, "b t a -> (b t) a"),
        rearrange(batch.motion, "b t m -> (b t) m"),
        rearrange(batch.moves, "b t m -> (b t) m"),
        rearrange(batch.events, "b t e -> (b t) e"),
    )


def joined(parts: list[HeadSamples]) -> HeadSamples:
    return HeadSamples(*(torch.cat([getattr(p, n) for p in parts]) for n in HeadSamples.__slots__))


def pose_scores(model: WorldModel, held: HeadSamples) -> dict[str, float]:
    """Mean errors of the next displacement, and that of repeating the last one; cm a tick."""
    error = model.pose_head(held.tokens, held.action, held.motion) - held.move
    inertia = held.motion[:, (0, 2)] - held.move
    named = {"right": 0, "forward": 1}
    scores = {f"{name}_cm": float(error[:, i].abs().mean()) * 100 for name, i in named.items()}
    return {**scores, "inertia_cm": float(inertia.abs().mean()) * 100}


def event_aps(model: WorldModel, held: HeadSamples) -> dict[str, float]:
    """Average precision and base rate of each event that happened at all."""
    logits = model.event_head(held.tokens, held.motion[:, :MOVE_SIZE]).cpu().numpy()
    happened = held.events.cpu().numpy() > 0
    scores: dict[str, float] = {}
    for i, name in enumerate(EVENTS):
        precision = average_precision(logits[:, i], happened[:, i])
        if precision is not None:
            scores |= {f"{name}_ap": precision, f"{name}_base": float(happened[:, i].mean())}
    return scores


def train_heads(config: HeadsRunConfig, console: Console) -> None:
    """The heads stage, from its configuration."""
    train(config, lambda model, _: HeadsStage(model, config), console)
