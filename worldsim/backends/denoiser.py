"""The denoising pass as the engine sees it, and its implementation by the model itself."""

from __future__ import annotations

from typing import Protocol

import torch

from worldsim.model.checkpoint import Checkpoint
from worldsim.model.conv import channels_last
from worldsim.model.traced import traced
from worldsim.model.trunk import Context
from worldsim.model.world_model import FrameInputs, Prediction, WorldModel


class Denoiser(Protocol):
    """One pass of the world model: predicts the clean frame of each of B worlds (T = 1)."""

    @property
    def name(self) -> str: ...

    def __call__(self, frames: FrameInputs, context: Context | None, /) -> Prediction: ...


class TorchDenoiser:
    """The model on its own device, in its own precision."""

    name = "torch"

    def __init__(self, model: WorldModel) -> None:
        self._pass = traced(model.forward)

    def __call__(self, frames: FrameInputs, context: Context | None, /) -> Prediction:
        return self._pass(frames, context)


def torch_denoiser(checkpoint: Checkpoint, device: torch.device) -> TorchDenoiser:
    """The model, moved to the device and into the precision that it computes fastest."""
    return TorchDenoiser(placed(checkpoint.model, device, choose_dtype(device)))


def placed(model: WorldModel, device: torch.device, dtype: torch.dtype) -> WorldModel:
    """The same model, moved, for dreaming alone."""
    return channels_last(model.to(device=device, dtype=dtype)).requires_grad_(False)


def choose_dtype(device: torch.device) -> torch.dtype:
    """bf16 where the hardware multiplies it natively, float32 elsewhere."""
    native = device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if native else torch.float32
