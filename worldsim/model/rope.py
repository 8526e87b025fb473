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


def rope_angles(
    time: Tensor,  # [..., T] frame positions
    tokens_hw: tuple[int, int],
    head_dim: int,
) -> Tensor:  # [..., T, S, E/2] radians
    """The rotation angle of every channel pair of every token."""
    height, width = tokens_hw
    y = torch.arange(height, device=time.device).repeat_interleave(width)
    x = torch.arange(width, device=time.device).repeat(height)
    shape = (*time.shape, height * width)
    axes = (time.unsqueeze(-1).expand(shape), y.expand(shape), x.expand(shape))
    angles = [
        axis.float().unsqueeze(-1) * _frequencies(channels, time.device)
        for axis, channels in zip(axes, axis_widths(head_dim), strict=True)
    ]
    return torch.cat(angles, dim=-1)


def rotate(
    x_BLNE: Tensor,
    angles: Tensor,  # [B or 1, L, E/2] radians
) -> Tensor:  # [B, L, N, E]
    """Turn each channel pair (first half, second half) by its angle."""
    cos, sin = angles.cos().unsqueeze(-2), angles.sin().unsqueeze(-2)
    first, second = x_BLNE.float().chunk(2, dim=-1)
    turned = torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
    return turned.to(x_BLNE.dtype)


def _frequencies(
    channels: int,
    device: torch.device,
) -> Tensor:  # [channels / 2]
    steps = torch.arange(channels // 2, device=device) / max(channels // 2, 1)
    return MAX_PERIOD**-steps
