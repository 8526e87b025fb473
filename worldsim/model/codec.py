"""The boundary between pictures and the space that the world model works in.

The small presets work on pixels, where the losses act on what the player sees and the hint needs
no encoding. The large ones work on the latents of a per-frame convolutional autoencoder with a
tapered decoder (wide where the picture is small).
"""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from worldsim.model.picture import CHANNELS
from worldsim.model.presets import ModelConfig

ENCODER_WIDTHS = (32, 64, 128, 192)
DECODER_WIDTHS = (192, 96, 48, 24)


class Codec(Protocol):
    """Pictures [B, 4, H, W] to latents [B, C, h, w] and back."""

    def encode(self, picture: Tensor) -> Tensor: ...

    def decode(self, latent: Tensor) -> Tensor: ...


class PixelCodec(nn.Module):
    """The identity: latents are pictures."""

    def encode(
        self,
        picture: Tensor,  # [B, 4, H, W]
    ) -> Tensor:  # [B, 4, H, W]
        return picture

    def decode(
        self,
        latent: Tensor,  # [B, 4, H, W]
    ) -> Tensor:  # [B, 4, H, W]
        return latent


class AutoencoderCodec(nn.Module):
    """A per-frame convolutional autoencoder, 8x smaller on each side.

    `scale` brings latents to unit variance; the codec stage of training sets it.
    """

    scale: Tensor  # [1]

    def __init__(self, latent_channels: int) -> None:
        super().__init__()
        self.encoder = _encoder(latent_channels)
        self.decoder = _decoder(latent_channels)
        self.register_buffer("scale", torch.ones(1))

    def encode(
        self,
        picture: Tensor,  # [B, 4, H, W]
    ) -> Tensor:  # [B, latent_channels, H/8, W/8]
        return self.encoder(picture) / self.scale

    def decode(
        self,
        latent: Tensor,  # [B, latent_channels, h, w]
    ) -> Tensor:  # [B, 4, 8h, 8w]
        return self.decoder(latent * self.scale)


def make_codec(config: ModelConfig) -> PixelCodec | AutoencoderCodec:
    """The codec that a model configuration asks for."""
    if config.codec == "pixels":
        return PixelCodec()
    return AutoencoderCodec(config.latent_channels)


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.silu(self.conv1(F.silu(x))))


def _encoder(latent_channels: int) -> nn.Sequential:
    first, *rest = ENCODER_WIDTHS
    layers: list[nn.Module] = [nn.Conv2d(CHANNELS, first, 3, padding=1)]
    for narrow, wide in zip(ENCODER_WIDTHS, rest, strict=False):
        layers += [_Residual(narrow), nn.Conv2d(narrow, wide, 2, stride=2)]
    return nn.Sequential(*layers, _Residual(rest[-1]), nn.Conv2d(rest[-1], latent_channels, 1))


def _decoder(latent_channels: int) -> nn.Sequential:
    first, *rest = DECODER_WIDTHS
    layers: list[nn.Module] = [nn.Conv2d(latent_channels, first, 1)]
    for wide, narrow in zip(DECODER_WIDTHS, rest, strict=False):
        layers += [_Residual(wide), nn.Conv2d(wide, 4 * narrow, 1), nn.PixelShuffle(2)]
    return nn.Sequential(*layers, _Residual(rest[-1]), nn.Conv2d(rest[-1], CHANNELS, 3, padding=1))
