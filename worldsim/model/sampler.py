"""Few-step sampling: from noise to a clean frame along a short list of noise levels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from worldsim.model.trunk import Context
from worldsim.model.world_model import FrameInputs, Prediction

Pass = Callable[[FrameInputs, Context | None], Prediction]


def add_noise(
    clean: Tensor,  # [B, T, C, h, w]
    noise: Tensor,  # [B, T, C, h, w]
    sigma: Tensor,  # [B, T]
) -> Tensor:  # [B, T, C, h, w]
    """The straight path of flow matching: (1 - sigma) * clean + sigma * noise."""
    level = sigma[..., None, None, None]
    return (1.0 - level) * clean + level * noise


def denoise(
    one_pass: Pass,  # the model, or what computes it
    frames: FrameInputs,  # `noisy` holds pure noise, `sigma` is replaced
    context: Context | None,
    levels: tuple[float, ...],
) -> Prediction:
    """Predict the clean frame at each level and step along the straight path to the next."""
    noise = frames.noisy
    prediction: Prediction | None = None
    for level in levels:
        sigma = torch.full_like(frames.sigma, level)
        noisy = noise if prediction is None else add_noise(prediction.clean, noise, sigma)
        prediction = one_pass(replace(frames, noisy=noisy, sigma=sigma), context)
    assert prediction is not None, "levels must not be empty"
    return prediction
