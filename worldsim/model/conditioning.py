"""What a frame is told about itself: its noise level, its action, and its camera rays."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from worldsim.camera import RAY_CHANNELS

LEVEL_FREQUENCIES = 16


def level_features(
    sigma: Tensor,  # [...] noise level in [0, 1]
) -> Tensor:  # [..., 2 * LEVEL_FREQUENCIES]
    """Fourier features of the noise level."""
    frequencies = torch.pi * torch.logspace(-1, 1.5, LEVEL_FREQUENCIES, device=sigma.device)
    angle = sigma.float().unsqueeze(-1) * frequencies
    return torch.cat((angle.cos(), angle.sin()), dim=-1)


class FrameConditioner(nn.Module):
    """Noise level + action -> one vector per frame, by addition (NanoWM: better than attention)."""

    def __init__(self, action_size: int, dim: int) -> None:
        super().__init__()
        self.level = nn.Linear(2 * LEVEL_FREQUENCIES, dim)
        self.action = nn.Linear(action_size, dim)
        self.mix = nn.Linear(dim, dim)

    def forward(
        self,
        sigma: Tensor,  # [B, T]
        action: Tensor,  # [B, T, action_size], the action that led to the frame
    ) -> Tensor:  # [B, T, dim]
        level = self.level(level_features(sigma).to(self.level.weight.dtype))
        added = level + self.action(action.to(self.action.weight.dtype))
        return F.silu(self.mix(F.silu(added)))


class RayEncoder(nn.Module):
    """Plücker rays -> features; the last layer starts at zero, so rays fade in."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(RAY_CHANNELS, dim)
        self.out = nn.Linear(dim, dim)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(
        self,
        rays: Tensor,  # [..., 6]
    ) -> Tensor:  # [..., dim]
        return self.out(F.silu(self.hidden(rays.to(self.hidden.weight.dtype))))
