"""The model's own frames as training input: dreamed keyframes and a dreamed draft of the clip.

At run time a hint is made from frames that the model generated, with their wrong colours and wrong
depths. A network trained on true keyframes alone does not repair those (measured: confetti).

Dreams stand only where their own hint knew something. What they invented elsewhere cannot agree
with the truth that they are scored against: a network trained on it learns to distrust its own
keyframes, and its worlds blur (measured: the loss doubled in 150 steps). There the truth stands in.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from worldsim.camera import composed
from worldsim.engine.hints import TRUST_DREAM, Remembered
from worldsim.model.trunk import Context
from worldsim.model.world_model import FrameInputs, WorldModel
from worldsim.train.batch import ClipBatch
from worldsim.train.hints import bare_hints, imagine


def frame_inputs(
    batch: ClipBatch,
    noisy: Tensor,  # [B, T, C, h, w] in the codec's space
    sigma: Tensor,  # [B, T]
    hint: Tensor,  # [B, T, 4, H, W]
    confidence: Tensor,  # [B, T, 1, H, W]
    anchor_from_world: Tensor,  # [B, T, 4, 4]
    last: tuple[Tensor, Tensor] | None = None,  # [B, T, 4, H, W], [B, T, 1, H, W], see FrameInputs
) -> FrameInputs:
    """Model inputs of a whole clip."""
    frames = batch.poses.shape[1]
    picture, last_confidence = no_last(hint) if last is None else last
    return FrameInputs(
        noisy=noisy,
        sigma=sigma,
        action=batch.actions,
        anchor_from_camera=composed(anchor_from_world, batch.poses),
        hint=hint,
        confidence=confidence,
        last=picture,
        last_confidence=last_confidence,
        time=torch.arange(frames, device=noisy.device, dtype=torch.float32)[None],
    )


def no_last(
    hint: Tensor,  # [B, T, 4, H, W]
) -> tuple[Tensor, Tensor]:  # [B, T, 4, H, W], [B, T, 1, H, W]
    """For frames that come after none."""
    return torch.zeros_like(hint), torch.zeros_like(hint[:, :, :1])


@torch.no_grad()
def dream_keyframes(
    model: WorldModel,
    batch: ClipBatch,
    remembered: Remembered,
    hops: int,
) -> Remembered:
    """Replace the newest keyframes by dreams of them, oldest hop first.

    Each hop sees the real frames older than itself and the dreams made before it.
    """
    for k in reversed(range(hops)):
        older = replace(remembered, valid=remembered.valid.clone())
        older.valid[:, : k + 1] = False
        pose = remembered.poses[:, k : k + 1]
        hint, confidence = bare_hints(older, pose, model.config.intrinsics)
        hint, confidence = imagine(hint, confidence, remembered.pictures[:, k : k + 1])
        dream = _dream_one(model, batch, hint, confidence, pose)
        dream = torch.where(confidence[:, 0] > 0, dream, remembered.pictures[:, k])
        remembered = _replace_keyframe(remembered, k, dream)
    return remembered


@torch.no_grad()
def dream_clip(
    model: WorldModel,
    inputs: FrameInputs,  # `noisy` is replaced by noise, `sigma` by 1
    context: Context | None,
    truth: Tensor,  # [B, T, 4, H, W]
) -> Tensor:  # [B, T, 4, H, W] as a player would have seen them, rounded to 8 bits
    """A one-step draft of every frame of a clip, in parallel, under the given context."""
    noise = torch.randn_like(inputs.noisy)
    inputs = replace(inputs, noisy=noise, sigma=torch.ones_like(inputs.sigma))
    draft = quantised(model.decode(model(inputs, context).clean))
    return torch.where(inputs.confidence > 0, draft, truth)


def quantised(
    picture: Tensor,  # [..., 4, H, W]
) -> Tensor:  # [..., 4, H, W]
    """Colours rounded to 8 bits and clipped, as they come back from memory; depth codes clipped."""
    clipped = picture.clamp(-1.0, 1.0)
    colour = ((clipped[..., :3, :, :] + 1.0) * 127.5).round() / 127.5 - 1.0
    return torch.cat((colour, clipped[..., 3:, :, :]), dim=-3)


def _dream_one(
    model: WorldModel,
    batch: ClipBatch,
    hint: Tensor,  # [B, 1, 4, H, W]
    confidence: Tensor,  # [B, 1, 1, H, W]
    pose: Tensor,  # [B, 1, 4, 4]
) -> Tensor:  # [B, 4, H, W]
    level_pose = torch.eye(4, device=pose.device).expand_as(pose).clone()
    level_pose[..., :3, 3] = -pose[..., :3, 3]
    config = model.config
    last, last_confidence = no_last(hint)
    shape = (len(pose), 1, config.latent_channels, *config.latent_hw)
    inputs = FrameInputs(
        noisy=torch.randn(shape, device=hint.device),
        sigma=torch.ones_like(pose[..., 0, 0]),
        action=batch.actions[:, :1],
        anchor_from_camera=composed(level_pose, pose),
        hint=hint,
        confidence=confidence,
        last=last,
        last_confidence=last_confidence,
        time=torch.zeros(1, 1, device=hint.device),
    )
    return quantised(model.decode(model(inputs).clean))[:, 0]


def _replace_keyframe(remembered: Remembered, k: int, picture: Tensor) -> Remembered:
    pictures, trust = remembered.pictures.clone(), remembered.trust.clone()
    pictures[:, k], trust[:, k] = picture, TRUST_DREAM
    return replace(remembered, pictures=pictures, trust=trust)
