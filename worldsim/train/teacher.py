"""One training step of the world model: hints, drafts, noise, prediction, losses."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from worldsim.camera import composed
from worldsim.engine.hints import Remembered
from worldsim.model.sampler import add_noise
from worldsim.model.trunk import Context
from worldsim.model.world_model import FrameInputs, Prediction, WorldModel, pool_confidence
from worldsim.train.batch import ClipBatch
from worldsim.train.critic import Critic, balance
from worldsim.train.hints import (
    DamageConfig,
    bare_hints,
    clip_hints,
    damage,
    imagine,
    last_frames,
    remembered_keyframes,
)
from worldsim.train.losses import (
    UNKNOWN_WEIGHT,
    noise_levels,
    picture_loss,
    pose_loss,
    relative_loss,
    weight_of_unknown,
)
from worldsim.train.rollouts import dream_clip, dream_keyframes, frame_inputs

RECALL_DROP = 0.2  # clips without recalled frames in the context
RECALL_NOISE = 0.1
REANCHOR = 0.25  # clips whose anchor moves on in the middle
ANCHOR_REACH_M = 6.0
MOTION_NOISE_SHARE = 0.6
MOTION_NOISE_M = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherConfig:
    """What the model stage does in each step."""

    own_share: float = 0.4  # steps that train on the model's own keyframes and drafts
    own_from: int = 400  # first step that may do so
    draft_input: float = 0.6  # clips whose noisy input comes from the draft, of those steps
    pose_weight: float = 0.1
    unknown_weight: float = UNKNOWN_WEIGHT
    """of what memory does not know in the squared error"""
    critic_weight: float = 0.0
    """how strongly a patch critic pulls, beside the squared error; 0 trains without one"""
    walk_share: float = 0.0
    """steps that train on the model's own long walks; 0 dreams none"""
    walks: int = 8
    """walks dreamed at once, a frame of each at every step"""
    walks_kept: int = 48
    """finished walks to train on"""
    damage: DamageConfig = field(default_factory=DamageConfig)


def teacher_losses(
    model: WorldModel,
    dreamer: WorldModel,  # an averaged copy that makes the own frames
    batch: ClipBatch,
    config: TeacherConfig,
    step: int,
    rng: np.random.Generator,
    critic: Critic | None = None,
    *,
    walked: bool = False,
) -> dict[str, Tensor]:  # "total" to descend, and its parts
    """Losses of one batch; own-frame training begins at `config.own_from`.

    Args:
        walked: the clips were cut from the model's own walks, and need no dreams of their own.
    """
    own = step >= config.own_from and rng.random() < config.own_share and not walked
    remembered = damage(remembered_keyframes(batch), config.damage)
    if own:
        remembered = dream_keyframes(dreamer, batch, remembered, hops=int(rng.integers(0, 4)))
    anchors = anchor_from_world(batch.poses)
    draft = batch.shown if walked else None
    if own:
        draft = _draft(dreamer, batch, remembered, anchors)
    inputs = _noisy_inputs(model, batch, remembered, anchors, draft, config)
    prediction = model(inputs, recall_context(model, batch, anchors))
    target = _target(model, inputs, batch)
    weight = weight_of_unknown(inputs.sigma, config.unknown_weight)
    picture = target.loss(prediction.clean, weight)
    pose = _pose_loss(model, prediction, batch)
    total = picture + config.pose_weight * pose
    parts = {"picture": picture.detach(), "pose": pose.detach()}
    if critic is not None:
        total = total + config.critic_weight * _complaint(
            model, critic, prediction, target, picture
        )
        parts["critic"] = critic.learn(*target.frames(prediction.clean))
    return {"total": total, **parts}


def anchor_from_world(
    poses: Tensor,  # [B, T, 4, 4] world_from_camera
) -> Tensor:  # [B, T, 4, 4]
    """A level frame near the clip's start, as a live window's anchor would lie; sometimes renewed.

    Anchors keep the world's axes (the sun does not turn with the player); only the origin moves.
    """
    batch, frames = poses.shape[:2]
    device = poses.device
    offset = (torch.rand(batch, 1, 3, device=device) * 2 - 1) * ANCHOR_REACH_M
    origin = (poses[:, :1, :3, 3] + offset).expand(batch, frames, 3).clone()
    moved = torch.rand(batch, device=device) < REANCHOR
    half = frames // 2
    origin[moved, half:] = poses[moved, half : half + 1, :3, 3]
    anchors = torch.eye(4, device=device).repeat(batch, frames, 1, 1)
    anchors[..., :3, 3] = -origin
    return anchors


def recall_context(model: WorldModel, batch: ClipBatch, anchors: Tensor) -> Context:
    """The newest keyframes as recalled frames; dropped for some clips, noisy for all."""
    count = model.config.recalled
    pictures = batch.keyframes[:, :count]
    level = torch.rand(len(pictures), 1, 1, 1, 1, device=pictures.device) * RECALL_NOISE
    noisy = pictures + level * torch.randn_like(pictures)
    valid = torch.rand(len(pictures), 1, device=pictures.device) >= RECALL_DROP
    poses = composed(anchors[:, -1:], batch.keyframe_poses[:, :count])
    return model.recall(noisy, poses, valid.expand(-1, count))


def _draft(
    dreamer: WorldModel, batch: ClipBatch, remembered: Remembered, anchors: Tensor
) -> Tensor:  # [B, T, 4, H, W]
    hint, confidence = bare_hints(remembered, batch.poses, dreamer.config.intrinsics)
    hint, confidence = imagine(hint, confidence, batch.pictures)
    sigma = torch.ones_like(batch.poses[..., 0, 0])
    with torch.no_grad():
        noise = torch.randn_like(dreamer.encode(hint))
        inputs = frame_inputs(batch, noise, sigma, hint, confidence, anchors)
        context = recall_context(dreamer, batch, anchors)
    return dream_clip(dreamer, inputs, context, batch.pictures)


def _noisy_inputs(
    model: WorldModel,
    batch: ClipBatch,
    remembered: Remembered,
    anchors: Tensor,
    draft: Tensor | None,
    config: TeacherConfig,
) -> FrameInputs:
    """Noise the truth, or the draft; the last frame joins the hint where it would at run time."""
    shape, device = batch.poses.shape[:2], batch.poses.device
    shown = batch.pictures if draft is None else draft
    previous = torch.cat((shown[:, :1], shown[:, :-1]), dim=1)
    keep = torch.rand(shape[0], 1, device=device) >= config.damage.drop_last
    previous_valid = _consecutive(batch.poses) & keep
    with torch.no_grad():
        hint, confidence = clip_hints(
            remembered,
            batch.poses,
            previous,
            previous_valid,
            draft is None,
            model.config.intrinsics,
        )
        hint, confidence = imagine(hint, confidence, batch.pictures)
        last = last_frames(
            hint, batch.poses, previous, previous_valid, draft is None, model.config.intrinsics
        )
    sigma = noise_levels((shape[0], shape[1]), device)
    use_draft = torch.rand(shape[0], 1, 1, 1, 1, device=device) < config.draft_input
    with torch.no_grad():
        clean = model.encode(torch.where(use_draft, shown, batch.pictures))
    noisy = add_noise(clean, torch.randn_like(clean), sigma)
    return frame_inputs(batch, noisy, sigma, hint, confidence, anchors, last)


def _consecutive(poses: Tensor) -> Tensor:  # [B, T] bool
    """Frames whose predecessor in the clip is near: not the first, not the one after a sink."""
    gap = (poses[:, 1:, :3, 3] - poses[:, :-1, :3, 3]).norm(dim=-1) < 1.0
    return torch.cat((torch.zeros_like(gap[:, :1]), gap), dim=1)


def noisy_motion(
    motion: Tensor,  # [N, 5]
) -> Tensor:  # [N, 5]
    """The last displacement with an error, for some samples: a dream's own is never exact."""
    shaken = torch.rand(len(motion), 1, device=motion.device) < MOTION_NOISE_SHARE
    noise = torch.randn(len(motion), 3, device=motion.device) * MOTION_NOISE_M * shaken
    return torch.cat((motion[:, :3] + noise, motion[:, 3:]), dim=1)


@dataclass(frozen=True, slots=True)
class _Target:
    """What a prediction is compared with, in the codec's space."""

    truth: Tensor  # [B, T, C, h, w]
    hint: Tensor  # [B, T, C, h, w]
    confidence: Tensor  # [B, T, 1, h, w] of the hint, 0 where unknown
    witnessed: Tensor  # [B, T, 1, h, w] 1 where the truth can be asked of a dream

    def loss(
        self,
        predicted: Tensor,  # [B, T, C, h, w]
        unknown_weight: float | Tensor,  # or [B, T]
    ) -> Tensor:  # []
        """Relative to the bare hint's. What a dream invented before is to stay as it was."""
        known = (self.confidence > 0).to(self.truth.dtype)
        wanted = torch.lerp(self.truth, self.hint, known * (1 - self.witnessed))
        sure = known * self.witnessed
        return relative_loss(
            picture_loss(predicted, wanted, sure, unknown_weight),
            picture_loss(self.hint, wanted, sure, unknown_weight),
        )

    def frames(self, predicted: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Truth, prediction, and how far it had to be so, frame by frame: [B*T, C or 1, h, w]."""
        sure = self.confidence * self.witnessed
        return self.truth.flatten(0, 1), predicted.flatten(0, 1), sure.flatten(0, 1)


@torch.no_grad()
def _target(model: WorldModel, inputs: FrameInputs, batch: ClipBatch) -> _Target:
    hint, confidence = model.encode_hint(inputs.hint, inputs.confidence)
    witnessed = pool_confidence(batch.witnessed, model.config.downscale)
    return _Target(model.encode(batch.pictures), hint, confidence, witnessed)


def _complaint(
    model: WorldModel, critic: Critic, prediction: Prediction, target: _Target, picture: Tensor
) -> Tensor:  # [] the critic's loss, balanced against the picture's; 0 until it has warmed up
    if not critic.is_warm:
        return torch.zeros_like(picture)
    _, dreamed, sure = target.frames(prediction.clean)
    complaint = critic.complaint(dreamed, sure)
    return balance(picture, complaint, model.out.weight) * complaint


def _pose_loss(model: WorldModel, prediction: Prediction, batch: ClipBatch) -> Tensor:
    moves = model.pose_head(
        rearrange(prediction.tokens, "b t s d -> (b t) s d"),
        rearrange(batch.next_actions, "b t a -> (b t) a"),
        noisy_motion(rearrange(batch.motion, "b t m -> (b t) m")),
    )
    return pose_loss(moves, rearrange(batch.moves, "b t m -> (b t) m"))
