"""The last layers, at full resolution: they choose pixel by pixel what to show.

The stages before them work on squares of pixels, for speed, and cannot tell a silhouette from its
neighbour: where the hint's hard edges or the moved last frame's smooth ones are better than the
draft is a matter of single pixels. These few thin layers see all three side by side.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from worldsim.model.presets import ModelConfig

LAYERS = 2  # between the first and the last
CONTRAST = 4.0  # how much larger the layers see the differences, which are what they judge by
DRAFT_BIAS = 3.0  # untrained layers show the draft
SURELY_SHOWN = 0.05  # from this confidence on the last frame may be chosen; below it fades out


class Candidates(NamedTuple):
    """What there is to choose from, in the codec's space."""

    draft: Tensor  # [B, T, C, h, w] what the stages before predict
    hint: Tensor  # [B, T, C, h, w]
    confidence: Tensor  # [B, T, 1, h, w]
    last: Tensor  # [B, T, C, h, w]
    shown: Tensor  # [B, T, 1, h, w] 0 where the last frame does not show the place


class Compositor(nn.Module):
    """Weights of draft, hint and last frame for each pixel, and a small residual."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        channels, width = config.latent_channels, config.compositor
        self.stem = nn.Conv2d(3 * channels + 2, width, 3, padding=1)
        self.layers = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(LAYERS))
        self.out = nn.Conv2d(width, channels + 3, 3, padding=1)
        for parameter in self.out.parameters():
            nn.init.zeros_(parameter)

    @property
    def is_trained(self) -> bool:
        """Whether it has ever learnt: its last layer starts at zero."""
        return bool(self.out.weight.any())

    def forward(self, among: Candidates) -> Tensor:  # [B, T, C, h, w] float32
        draft, hint, confidence, last, shown = among
        to_hint, to_last = hint - draft, last - draft
        told = (draft, CONTRAST * to_hint, CONTRAST * to_last, confidence, shown)
        x = rearrange(torch.cat(told, dim=2), "b t c h w -> (b t) c h w").to(self.stem.weight.dtype)
        x = self.stem(x.contiguous(memory_format=torch.channels_last))
        for layer in self.layers:
            x = layer(F.silu(x))
        out = rearrange(self.out(F.silu(x)).float(), "(b t) c h w -> b t c h w", b=draft.shape[0])
        logits, residual = out[:, :, :3], out[:, :, 3:]
        bias = logits.new_tensor((DRAFT_BIAS, 0.0, 0.0)).view(3, 1, 1)
        _, of_hint, of_last = (logits + bias).softmax(dim=2).split(1, dim=2)
        of_last = of_last * where_shown(shown)
        return draft + of_hint * to_hint + of_last * to_last + residual


def where_shown(
    shown: Tensor,  # [...] confidence of the last frame
) -> Tensor:  # [...] in [0, 1]
    """How far the last frame may be chosen; gradual, so that rounding decides nothing."""
    return (shown / SURELY_SHOWN).clamp(max=1.0)
