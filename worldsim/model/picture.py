"""The model's picture: RGB and a depth code, four channels in [-1, 1].

Depth is squashed by `code = 2 / (1 + depth / 4 m) - 1`: +1 at the lens, 0 at 4 m, -0.78 at 32 m,
-1 in the sky. Codes below `SKY_CODE` are read as sky, a class of its own.
"""

from __future__ import annotations

import torch
from torch import Tensor

from worldsim.types import SKY_DEPTH_M

CHANNELS = 4
DEPTH_SCALE_M = 4.0
SKY_CODE = -0.87  # beyond about 57 m; the block world ends at 32 m


def encode_depth(
    depth: Tensor,  # [...] metres
) -> Tensor:  # [...] in [-1, 1]
    code = 2.0 / (1.0 + depth / DEPTH_SCALE_M) - 1.0
    return torch.where(depth >= SKY_DEPTH_M / 2, torch.full_like(code, -1.0), code)


def decode_depth(
    code: Tensor,  # [...]
) -> Tensor:  # [...] metres, SKY_DEPTH_M where sky
    depth = DEPTH_SCALE_M * (2.0 / (code.clamp(SKY_CODE, 1.0) + 1.0) - 1.0)
    return torch.where(code < SKY_CODE, torch.full_like(depth, SKY_DEPTH_M), depth)


def to_picture(
    rgb: Tensor,  # [..., H, W, 3] uint8
    depth: Tensor,  # [..., H, W] metres
) -> Tensor:  # [..., 4, H, W] float32
    colour = rgb.movedim(-1, -3).float() / 127.5 - 1.0
    return torch.cat((colour, encode_depth(depth.float()).unsqueeze(-3)), dim=-3)


def from_picture(
    picture: Tensor,  # [..., 4, H, W] float32
) -> tuple[Tensor, Tensor]:  # [..., H, W, 3] uint8, [..., H, W] metres
    colour = ((picture[..., :3, :, :] + 1.0) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return colour.movedim(-3, -1), decode_depth(picture[..., 3, :, :])
