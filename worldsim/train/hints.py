"""Hints for training clips: from real, damaged and self-generated keyframes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from einops import rearrange, repeat
from torch import Tensor

from worldsim.camera import Intrinsics
from worldsim.engine.hints import (
    TRUST_DREAM,
    Remembered,
    make_hint,
    moved_along,
    trust_of_last,
    with_imagined,
)
from worldsim.model.outpainter import coarse
from worldsim.model.picture import SKY_CODE
from worldsim.train.batch import ClipBatch

IMAGINED_SHARE = 0.85  # clips in which an outpainter completes the hints
IMAGINED_NOISE = 0.15  # largest standard deviation of its errors
SKY_RENEWED = 0.15  # of those clips: it draws the sky anew


@dataclass(frozen=True, slots=True, kw_only=True)
class DamageConfig:
    """How remembered frames are damaged, so that the network learns to doubt its hint."""

    drop_all: float = 0.03  # clips without memory
    drop_one: float = 0.1  # keyframes missing
    depth_scale: float = 0.005  # standard deviation of a keyframe's relative depth error
    colour_shift: float = 0.01  # of a keyframe's colour offset
    drop_last: float = 0.25  # clips without the last frame as a source
    worn: float = 0.25  # keyframes that look like dreams of dreams: tinted, with specks
    tint: float = 0.04  # standard deviation of a worn keyframe's colour offset
    specks: float = 0.01  # share of a worn keyframe's pixels that come from elsewhere in it


def remembered_keyframes(batch: ClipBatch) -> Remembered:
    """The clip's keyframes as memory would hand them out."""
    return Remembered(
        pictures=batch.keyframes,
        poses=batch.keyframe_poses,
        trust=batch.keyframe_trust,
        age=batch.keyframe_age,
        valid=torch.ones_like(batch.keyframe_age, dtype=torch.bool),
    )


def damage(remembered: Remembered, config: DamageConfig) -> Remembered:
    """Drop keyframes, scale their depth, shift their colour, wear some out."""
    batch, count = remembered.valid.shape
    device = remembered.valid.device
    keep = torch.rand(batch, count, device=device) >= config.drop_one
    keep &= torch.rand(batch, 1, device=device) >= config.drop_all
    shift = torch.randn(batch, count, 4, 1, 1, device=device) * config.colour_shift
    code = remembered.pictures[:, :, 3]
    scale = 1.0 + torch.randn(batch, count, 1, 1, device=device) * config.depth_scale
    shift[:, :, 3] = 0.0
    pictures = remembered.pictures + shift
    pictures[:, :, 3] = scale_depth_code(code, scale)
    kept = replace(remembered, pictures=pictures, valid=remembered.valid & keep)
    return wear(kept, config)


def wear(remembered: Remembered, config: DamageConfig) -> Remembered:
    """Make some keyframes look like dreams of dreams, and trust them as such.

    Long dreams end in tints and in specks that each generation hands on to the next.
    """
    pictures, device = remembered.pictures, remembered.pictures.device
    batch, count, _, height, width = pictures.shape
    worn = torch.rand(batch, count, device=device) < config.worn
    tint = torch.randn(batch, count, 4, 1, 1, device=device) * config.tint
    tint[:, :, 3] = 0.0
    elsewhere = torch.randperm(height * width, device=device)
    strangers = pictures.flatten(3)[..., elsewhere].view_as(pictures)
    speck = torch.rand(batch, count, 1, height, width, device=device) < config.specks
    damaged = torch.where(speck, strangers, pictures + tint)
    trust = torch.where(worn, remembered.trust.clamp(max=TRUST_DREAM), remembered.trust)
    chosen = torch.where(worn[:, :, None, None, None], damaged, pictures)
    return replace(remembered, pictures=chosen, trust=trust)


def scale_depth_code(
    code: Tensor,  # [...] in [-1, 1]
    scale: Tensor,  # broadcastable, relative depth
) -> Tensor:  # [...]
    """The code of `scale` times the depth: code = 2 / (1 + d) - 1 with d in units of 4 m."""
    nearness = (code + 1.0) / 2.0
    return 2.0 * nearness / (nearness + scale * (1.0 - nearness)).clamp(min=1e-6) - 1.0


def clip_hints(
    remembered: Remembered,
    poses: Tensor,  # [B, T, 4, 4]
    previous: Tensor | None,  # [B, T, 4, H, W] the frame before each, or None
    previous_valid: Tensor | None,  # [B, T] bool
    previous_is_real: bool,
    intrinsics: Intrinsics,
) -> tuple[Tensor, Tensor]:  # [B, T, 4, H, W], [B, T, 1, H, W]
    """Reproject the keyframes, and each frame's predecessor, into every frame of a clip."""
    frames = poses.shape[1]
    each = Remembered(
        *(
            repeat(getattr(remembered, name), "b k ... -> (b t) k ...", t=frames)
            for name in ("pictures", "poses", "trust", "age", "valid")
        )
    )
    if previous is not None and previous_valid is not None:
        trust = trust_of_last(previous_is_real)
        each = _with_previous(each, poses, previous, previous_valid, trust)
    hint, confidence = make_hint(each, rearrange(poses, "b t i j -> (b t) i j"), intrinsics)
    return (
        rearrange(hint, "(b t) c h w -> b t c h w", t=frames),
        rearrange(confidence, "(b t) c h w -> b t c h w", t=frames),
    )


def last_frames(
    hint: Tensor,  # [B, T, 4, H, W]
    poses: Tensor,  # [B, T, 4, 4]
    previous: Tensor,  # [B, T, 4, H, W] the frame before each
    previous_valid: Tensor,  # [B, T] bool
    previous_is_real: bool,
    intrinsics: Intrinsics,
) -> tuple[Tensor, Tensor]:  # [B, T, 4, H, W], [B, T, 1, H, W]
    """Each frame's predecessor, moved along the surfaces of its hint."""
    last_poses = torch.cat((poses[:, :1], poses[:, :-1]), dim=1)
    trust = trust_of_last(previous_is_real) * previous_valid
    moved, confidence = moved_along(
        previous.flatten(0, 1),
        last_poses.flatten(0, 1),
        trust.flatten(0, 1),
        hint.flatten(0, 1),
        poses.flatten(0, 1),
        intrinsics,
    )
    return moved.unflatten(0, trust.shape), confidence.unflatten(0, trust.shape)


def bare_hints(
    remembered: Remembered,
    poses: Tensor,  # [B, T, 4, 4]
    intrinsics: Intrinsics,
) -> tuple[Tensor, Tensor]:  # [B, T, 4, H, W], [B, T, 1, H, W]
    """Hints from keyframes alone."""
    return clip_hints(remembered, poses, None, None, False, intrinsics)


def imagine(
    hint: Tensor,  # [B, T, 4, H, W]
    confidence: Tensor,  # [B, T, 1, H, W]
    truth: Tensor,  # [B, T, 4, H, W]
) -> tuple[Tensor, Tensor]:  # [B, T, 4, H, W], [B, T, 1, H, W]
    """Hints as an outpainter completes them, for most clips: here it imagines the truth.

    What it imagines is never quite right, so the coarse picture is noisy, by a level that differs
    from clip to clip (conditioning augmentation; Ho et al. 2022, "Cascaded diffusion models"). In
    some clips it imagines the sky anew, as it does for a horizon that comes nearer.
    """
    each = (len(hint), 1, 1, 1, 1)
    wanted = torch.rand(each, device=hint.device) < IMAGINED_SHARE
    renewed = torch.rand(each, device=hint.device) < SKY_RENEWED
    level = IMAGINED_NOISE * torch.rand(each, device=hint.device)
    sure = confidence * ~(renewed & (hint[:, :, 3:] < SKY_CODE))
    completed, told = completed_by(truth, hint, sure, level)
    return torch.where(wanted, completed, hint), torch.where(wanted, told, confidence)


def completed_by(
    truth: Tensor,  # [B, T, 4, H, W]
    hint: Tensor,  # [B, T, 4, H, W]
    confidence: Tensor,  # [B, T, 1, H, W]
    noise_level: Tensor | float = 0.0,  # or [B, 1, 1, 1, 1]
) -> tuple[Tensor, Tensor]:  # [B, T, 4, H, W], [B, T, 1, H, W]
    """Hints completed by the coarse truth, with noise of this standard deviation."""
    batch = len(hint)
    picture = rearrange(
        coarse(rearrange(truth, "b t c h w -> (b t) c h w")), "(b t) c h w -> b t c h w", b=batch
    )
    picture = picture + noise_level * torch.randn_like(picture)
    flat = (rearrange(x, "b t c h w -> (b t) c h w") for x in (hint, confidence, picture))
    hint, confidence = with_imagined(*flat)
    return (
        rearrange(hint, "(b t) c h w -> b t c h w", b=batch),
        rearrange(confidence, "(b t) c h w -> b t c h w", b=batch),
    )


def _with_previous(
    each: Remembered,
    poses: Tensor,  # [B, T, 4, 4]
    previous: Tensor,  # [B, T, 4, H, W]
    previous_valid: Tensor,  # [B, T]
    previous_trust: float,
) -> Remembered:
    """Append the last frame as one more source; its pose is the clip's pose one frame earlier."""
    last_pose = torch.cat((poses[:, :1], poses[:, :-1]), dim=1)
    valid = rearrange(previous_valid, "b t -> (b t) 1")
    return Remembered(
        pictures=torch.cat((each.pictures, rearrange(previous, "b t c h w -> (b t) 1 c h w")), 1),
        poses=torch.cat((each.poses, rearrange(last_pose, "b t i j -> (b t) 1 i j")), 1),
        trust=torch.cat((each.trust, torch.full_like(each.trust[:, :1], previous_trust)), 1),
        age=torch.cat((each.age, torch.zeros_like(each.age[:, :1])), 1),
        valid=torch.cat((each.valid, valid), 1),
    )
