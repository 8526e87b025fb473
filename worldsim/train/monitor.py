"""A quick look at a model in training: a few fixed walks that training never sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worldsim.engine.hints import Remembered
from worldsim.model.picture import from_picture
from worldsim.model.sampler import denoise
from worldsim.model.world_model import WorldModel
from worldsim.record.contact_sheet import contact_sheet, save_png
from worldsim.train.batch import ClipBatch, ClipConfig, sample_clips
from worldsim.train.data import Episode
from worldsim.train.hints import (
    DamageConfig,
    bare_hints,
    completed_by,
    damage,
    last_frames,
    remembered_keyframes,
)
from worldsim.train.rollouts import dream_keyframes, frame_inputs, quantised
from worldsim.train.teacher import anchor_from_world, recall_context

EPISODES = 8
NO_DAMAGE = DamageConfig(drop_all=0, drop_one=0, depth_scale=0, colour_shift=0, worn=0)


class Monitor:
    """Owns its walks; `evaluate` writes `STEP.png` and returns PSNRs in dB."""

    def __init__(self, episodes: list[Episode]) -> None:
        self.episodes = episodes

    @torch.no_grad()
    def evaluate(self, model: WorldModel, step: int, folder: Path) -> dict[str, float]:
        """Next-frame PSNR from real and from dreamed keyframes, beside the bare hint."""
        rng = np.random.default_rng(0)
        batch = sample_clips(self.episodes, ClipConfig(clips=EPISODES, sink_share=0.0), rng)
        device = next(model.parameters()).device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(0)
            return _scores(model, batch.to(device), folder / f"{step:06d}.png")


def _scores(model: WorldModel, batch: ClipBatch, sheet_path: Path) -> dict[str, float]:
    real = damage(remembered_keyframes(batch), NO_DAMAGE)
    dreamed = dream_keyframes(model, batch, real, hops=2)
    one, hint = _predict(model, batch, real, (1.0,))
    two, _ = _predict(model, batch, real, model.config.sample_levels)
    own, own_hint = _predict(model, batch, dreamed, model.config.sample_levels)
    rows = [batch.pictures, two, hint, own, own_hint]
    names = ["truth", "dream", "hint", "dream of dreams", "its hint"]
    sheet = contact_sheet([_last_frames(row) for row in rows], names)
    sheet_path.parent.mkdir(parents=True, exist_ok=True)
    save_png(sheet, sheet_path)
    truth = batch.pictures
    named = {"one_step": one, "two_steps": two, "own": own, "hint": hint, "own_hint": own_hint}
    return {name: colour_psnr(picture, truth) for name, picture in named.items()}


def _predict(
    model: WorldModel, batch: ClipBatch, remembered: Remembered, levels: tuple[float, ...]
) -> tuple[Tensor, Tensor]:  # [B, T, 4, H, W] dream and hint
    hint, confidence = bare_hints(remembered, batch.poses, model.config.intrinsics)
    hint, confidence = completed_by(batch.pictures, hint, confidence)
    anchors = anchor_from_world(batch.poses)
    sigma = torch.ones_like(batch.poses[..., 0, 0])
    noise = torch.randn_like(model.encode(hint))
    near = torch.ones_like(sigma, dtype=torch.bool)
    near[:, 0] = False
    before = torch.cat((batch.pictures[:, :1], batch.pictures[:, :-1]), dim=1)
    last = last_frames(hint, batch.poses, before, near, True, model.config.intrinsics)
    inputs = frame_inputs(batch, noise, sigma, hint, confidence, anchors, last)
    context = recall_context(model, batch, anchors)
    return quantised(model.decode(denoise(model, inputs, context, levels).clean)), hint


def colour_psnr(
    picture: Tensor,  # [B, T, 4, H, W]
    truth: Tensor,  # [B, T, 4, H, W]
) -> float:
    """Mean over frames of the colour PSNR, dB, with a peak of 2 ([-1, 1])."""
    mse = (picture[:, :, :3] - truth[:, :, :3]).square().mean(dim=(2, 3, 4)).clamp(min=1e-8)
    return float((10.0 * torch.log10(4.0 / mse)).mean())


def _last_frames(pictures: Tensor) -> list[NDArray[np.uint8]]:
    rgb, _ = from_picture(pictures[:, -1].float())
    return list(rgb.cpu().numpy())
