"""Convolutional stages: residual blocks with per-frame modulation, down- and upsampling.

All feature maps are channels-last, which oneDNN and cuDNN run fastest.
"""

from __future__ import annotations

from typing import TypeVar

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn
from torch.nn.utils import convert_conv2d_weight_memory_format

M = TypeVar("M", bound=nn.Module)


def channels_last(module: M) -> M:
    """The module with its kernels laid out as its feature maps; else each call would copy them."""
    convert_conv2d_weight_memory_format(module, torch.channels_last)
    return module


def channel_norm(
    x: Tensor,  # [B, C, H, W]
) -> Tensor:  # [B, C, H, W]
    """Layer norm over the channels of each pixel, without parameters."""
    last = rearrange(x, "b c h w -> b h w c")
    return rearrange(F.layer_norm(last, last.shape[-1:]), "b h w c -> b c h w")


class ResBlock(nn.Module):
    """Norm, modulate by the frame's condition, two 3x3 convolutions, add (zero-init)."""

    def __init__(self, channels: int, cond_dim: int) -> None:
        super().__init__()
        self.modulation = nn.Linear(cond_dim, 2 * channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)
        for parameter in self.conv2.parameters():
            nn.init.zeros_(parameter)

    def forward(
        self,
        x: Tensor,  # [B, C, H, W]
        cond: Tensor,  # [B, cond_dim]
    ) -> Tensor:  # [B, C, H, W]
        scale, shift = self.modulation(cond)[..., None, None].chunk(2, dim=1)
        h = F.silu(torch.addcmul(shift, channel_norm(x), 1 + scale))
        return x + self.conv2(F.silu(self.conv1(h)))


class Stage(nn.Module):
    """Residual blocks at one resolution."""

    def __init__(self, channels: int, cond_dim: int, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(ResBlock(channels, cond_dim) for _ in range(blocks))

    def forward(
        self,
        x: Tensor,  # [B, C, H, W]
        cond: Tensor,  # [B, cond_dim]
    ) -> Tensor:  # [B, C, H, W]
        for block in self.blocks:
            x = block(x, cond)
        return x


class Down(nn.Conv2d):
    """Halve the resolution."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__(c_in, c_out, 2, stride=2)


class Up(nn.Module):
    """Double the resolution: a 1x1 convolution, then depth-to-space."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, 4 * c_out, 1)

    def forward(
        self,
        x: Tensor,  # [B, c_in, H, W]
    ) -> Tensor:  # [B, c_out, 2H, 2W]
        return F.pixel_shuffle(self.conv(x), 2)
