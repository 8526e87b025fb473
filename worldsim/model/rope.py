"""Rotary position embedding on three axes: time, height, width (Su et al. 2021)."""

from __future__ import annotations

import torch
from torch import Tensor

TIME_SHARE = 4  # a quarter of each head turns with time, the rest with space
MAX_PERIOD = 100.0


def axis_widths(head_dim: int) -> tuple[int, int, int]:
    """How many channels of a head turn with time, height and width; each is even."""
    time = 2 * (head_dim // (2 * TIME_SHARE))
    height = 2 * ((head_dim - time) // 4)
    return time, height, head_dim - time - height


def rope_turns(
    time: Tensor,  # [..., T] frame positions
    tokens_hw: tuple[int, int],
    head_dim: int,
) -> Tensor:  # [..., T, S, 2, E/2] cosine and sine
    """The rotation of every channel pair of every token, computed once for all layers."""
    height, width = tokens_hw
    y = torch.arange(height, device=time.device).repeat_interleave(width)
    x = torch.arange(width, device=time.device).repeat(height)
    shape = (*time.shape, height * width)
    axes = (time.unsqueeze(-1).expand(shape), y.expand(shape), x.expand(shape))
    angles_rad = [
        axis.float().unsqueeze(-1) * _frequencies(channels, time.device)
        for axis, channels in zip(axes, axis_widths(head_dim), strict=True)
    ]
    angle_rad = torch.cat(angles_rad, dim=-1)
    return torch.stack((angle_rad.cos(), angle_rad.sin()), dim=-2)


def rotate(
    x_BLNE: Tensor,
    turns: Tensor,  # [B or 1, L, 2, E/2] cosine and sine
) -> Tensor:  # [B, L, N, E]
    """Turn each channel pair (first half, second half) by its angle."""
    cos, sin = turns.unsqueeze(-3).unbind(dim=-2)
    first, second = x_BLNE.float().chunk(2, dim=-1)
    turned = torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
    return turned.to(x_BLNE.dtype)


def _frequencies(
    channels: int,
    device: torch.device,
) -> Tensor:  # [channels / 2]
    steps = torch.arange(channels // 2, device=device) / max(channels // 2, 1)
    return MAX_PERIOD**-steps
