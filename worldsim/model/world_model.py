"""The world model: RGB-D frames from noise, a reprojected hint, camera rays, action and context.

Convolutional stages at high resolution surround a causal transformer at 1/16 (`Trunk`). The
prediction is the clean picture, as a gated copy of what geometry moved there, plus a residual: the
network repairs and invents. Geometry gives two pictures to choose from: the hint, made of sharp
keyframes whose silhouettes fall on whole pixels, and the last frame, whose smooth edges move by
fractions of a pixel, but which blurs if it is moved again and again. A `Compositor` then chooses
once more, pixel by pixel.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from worldsim.camera import plucker_rays
from worldsim.model.codec import make_codec
from worldsim.model.compositor import Candidates, Compositor, where_shown
from worldsim.model.conditioning import FrameConditioner, RayEncoder
from worldsim.model.conv import Down, Stage, Up, channel_norm
from worldsim.model.heads import EventHead, PoseHead
from worldsim.model.outpainter import Outpainter
from worldsim.model.presets import ModelConfig
from worldsim.model.trunk import Context, FrameKV, Trunk

GATE_BIAS = 4.0  # sigmoid(4) = 0.98: an untrained model shows its hint
CHOICE_BIAS = -3.0  # and little of the last frame


@dataclass(frozen=True, slots=True)
class FrameInputs:
    """T frames to denoise. C, h, w: the codec's space (for pixels: 4, H, W)."""

    noisy: Tensor  # [B, T, C, h, w] (1 - sigma) * clean + sigma * noise
    sigma: Tensor  # [B, T] noise level in [0, 1]
    action: Tensor  # [B, T, action_size] the action that led to the frame
    anchor_from_camera: Tensor  # [B, T, 4, 4]
    hint: Tensor  # [B, T, 4, H, W] a picture
    confidence: Tensor  # [B, T, 1, H, W] in [0, 1], 0 where unknown
    last: Tensor  # [B, T, 4, H, W] a picture, the last frame moved along the hint's surfaces
    last_confidence: Tensor  # [B, T, 1, H, W] in [0, 1], 0 where it does not show the place
    time: Tensor  # [B or 1, T] positions on the trunk's time axis


@dataclass(frozen=True, slots=True)
class Prediction:
    """The clean picture, the trunk's tokens (for heads), and what a cache keeps."""

    clean: Tensor  # [B, T, C, h, w] float32
    tokens: Tensor  # [B, T, S, D]
    kv: FrameKV


class WorldModel(nn.Module):
    """One network for every preset; sizes come from its configuration."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.codec = make_codec(config)
        widths = (*config.stages, config.dim)
        channels, patch_area = config.latent_channels, config.patch**2
        self.conditioner = FrameConditioner(config.action_size, config.dim)
        self.stem = nn.Conv2d((3 * channels + 2) * patch_area, widths[0], 3, padding=1)
        self.stem_rays = RayEncoder(widths[0])
        self.token_rays = RayEncoder(config.dim)
        self.down_stages = _stages(config)
        self.downs = nn.ModuleList(Down(a, b) for a, b in itertools.pairwise(widths))
        self.trunk = Trunk(config)
        self.ups = nn.ModuleList(Up(b, a) for a, b in itertools.pairwise(widths))
        self.up_stages = _stages(config)
        self.out = nn.Conv2d(widths[0], (channels + 2) * patch_area, 3, padding=1)
        self.compositor = Compositor(config)
        self.recall_tokens = nn.Linear(channels * config.patch_of_token**2, config.dim)
        self.pose_head = PoseHead(config)
        self.event_head = EventHead()
        self.outpainter = Outpainter(config)
        _start_as_hint(self.out, channels)

    def forward(self, frames: FrameInputs, context: Context | None = None) -> Prediction:
        among, tokens, kv = self.draft(frames, context)
        return Prediction(self.compositor(among), tokens, kv)

    def draft(
        self, frames: FrameInputs, context: Context | None = None
    ) -> tuple[Candidates, Tensor, FrameKV]:  # and tokens [B, T, S, D]
        """All but the last layers: what there is to choose from, pixel by pixel."""
        batch = frames.sigma.shape[0]
        cond_BTD = self.conditioner(frames.sigma, frames.action)
        cond = rearrange(cond_BTD, "b t d -> (b t) d")
        hint, confidence = self.encode_hint(frames.hint, frames.confidence)
        last, shown = self.encode_hint(frames.last, frames.last_confidence)
        stacked = torch.cat((frames.noisy, hint, confidence, last, shown), dim=2)
        x, skips = self._convolve(stacked, frames, cond)
        ray_BTSD = self._token_rays(frames.anchor_from_camera)
        x_BTSD = rearrange(x, "(b t) d h w -> b t (h w) d", b=batch) + ray_BTSD
        tokens, kv = self.trunk(x_BTSD, cond_BTD.unsqueeze(2) + ray_BTSD, frames.time, context)
        out = self._deconvolve(tokens, skips, cond)
        draft = compose(out, hint, last, shown)
        return Candidates(draft, hint, confidence, last, shown), tokens, kv

    def encode(
        self,
        pictures: Tensor,  # [B, T, 4, H, W]
    ) -> Tensor:  # [B, T, C, h, w] float32
        """Pictures in the codec's space."""
        return self._per_frame(self.codec.encode, pictures)

    def decode(
        self,
        latents: Tensor,  # [B, T, C, h, w]
    ) -> Tensor:  # [B, T, 4, H, W] float32
        """The inverse of `encode`."""
        return self._per_frame(self.codec.decode, latents)

    def encode_hint(
        self,
        hint: Tensor,  # [B, T, 4, H, W]
        confidence: Tensor,  # [B, T, 1, H, W]
    ) -> tuple[Tensor, Tensor]:  # [B, T, C, h, w], [B, T, 1, h, w]
        """The hint in the codec's space."""
        return self.encode(hint), pool_confidence(confidence, self.config.downscale)

    def recall(
        self,
        pictures: Tensor,  # [B, M, 4, H, W] recalled frames
        anchor_from_camera: Tensor,  # [B, M, 4, 4]
        valid: Tensor,  # [B, M] bool
    ) -> Context:
        """Recalled frames as context tokens, placed by their rays relative to the anchor."""
        side = self.config.patch_of_token
        latents = self.encode(pictures)
        patches = rearrange(latents, "b m c (h p) (w q) -> b m (h w) (c p q)", p=side, q=side)
        tokens = self.recall_tokens(patches.to(self.recall_tokens.weight.dtype))
        tokens = tokens + self._token_rays(anchor_from_camera)
        return self.trunk.project_recalled(F.layer_norm(tokens, tokens.shape[-1:]), valid)

    def _convolve(
        self,
        stacked: Tensor,  # [B, T, 3C + 2, h, w] noise, hint, last frame, and how sure these are
        frames: FrameInputs,
        cond: Tensor,  # [B*T, D]
    ) -> tuple[Tensor, list[Tensor]]:  # [B*T, D, h, w] at token resolution, skips
        dtype = self.stem.weight.dtype
        x = rearrange(stacked, "b t c h w -> (b t) c h w").to(dtype)
        x = F.pixel_unshuffle(x, self.config.patch).contiguous(memory_format=torch.channels_last)
        x = self.stem(x) + self._stem_rays(frames.anchor_from_camera)
        skips = []
        for stage, down in zip(self.down_stages, self.downs, strict=True):
            x = stage(x, cond)
            skips.append(x)
            x = down(x)
        return x, skips

    def _deconvolve(
        self,
        tokens_BTSD: Tensor,
        skips: list[Tensor],
        cond: Tensor,  # [B*T, D]
    ) -> Tensor:  # [B*T, C + 2, h, w]
        height, _ = self.config.tokens_hw
        x = rearrange(tokens_BTSD, "b t (h w) d -> (b t) d h w", h=height)
        for i in reversed(range(len(skips))):
            x = self.up_stages[i](self.ups[i](x) + skips[i], cond)
        return F.pixel_shuffle(self.out(F.silu(channel_norm(x))), self.config.patch)

    def _per_frame(
        self, code: Callable[[Tensor], Tensor], frames: Tensor
    ) -> Tensor:  # [B, T, ...] float32
        if self.config.codec == "pixels":
            return frames
        flat = rearrange(frames, "b t c h w -> (b t) c h w").to(self.stem.weight.dtype)
        return rearrange(code(flat), "(b t) c h w -> b t c h w", b=frames.shape[0]).float()

    def _stem_rays(self, anchor_from_camera: Tensor) -> Tensor:  # [B*T, C, h/patch, w/patch]
        rays = self._rays(anchor_from_camera, self.config.downscale * self.config.patch)
        return rearrange(self.stem_rays(rays), "b t h w c -> (b t) c h w")

    def _token_rays(self, anchor_from_camera: Tensor) -> Tensor:  # [B, T, S, D]
        rays = self._rays(anchor_from_camera, self.config.token_stride)
        return rearrange(self.token_rays(rays), "b t h w d -> b t (h w) d")

    def _rays(self, anchor_from_camera: Tensor, stride: int) -> Tensor:  # [B, T, h, w, 6]
        config = self.config
        grid = config.intrinsics.resized(config.width // stride, config.height // stride)
        world = torch.eye(4, device=anchor_from_camera.device)
        return plucker_rays(anchor_from_camera, world, grid)


def pool_confidence(
    confidence: Tensor,  # [B, T, 1, H, W]
    downscale: int,  # pixels along a side of a latent pixel
) -> Tensor:  # [B, T, 1, h, w]
    """A latent pixel is as sure as its least sure pixel."""
    flat = rearrange(confidence, "b t c h w -> (b t) c h w")
    sure = -F.max_pool2d(-flat, downscale)
    return rearrange(sure, "(b t) c h w -> b t c h w", b=confidence.shape[0])


def compose(
    out: Tensor,  # [B*T, C + 2, h, w] residual, gate, choice
    hint: Tensor,  # [B, T, C, h, w]
    last: Tensor,  # [B, T, C, h, w]
    shown: Tensor,  # [B, T, 1, h, w] 0 where the last frame does not show the place
) -> Tensor:  # [B, T, C, h, w] float32
    """What geometry moved there, gated, plus residual."""
    out = rearrange(out.float(), "(b t) c h w -> b t c h w", b=hint.shape[0])
    residual, gate, choice = out[:, :, :-2], out[:, :, -2:-1], out[:, :, -1:]
    moved = torch.lerp(hint, last, torch.sigmoid(choice) * where_shown(shown))
    return torch.sigmoid(gate) * moved + residual


def _stages(config: ModelConfig) -> nn.ModuleList:
    sizes = zip(config.stages, config.stage_blocks, strict=True)
    return nn.ModuleList(Stage(channels, config.dim, blocks) for channels, blocks in sizes)


def _start_as_hint(out: nn.Conv2d, channels: int) -> None:
    nn.init.zeros_(out.weight)
    assert out.bias is not None
    with torch.no_grad():
        biases = rearrange(out.bias, "(c p) -> c p", c=channels + 2)
        biases.zero_()
        biases[-2].fill_(GATE_BIAS)
        biases[-1].fill_(CHOICE_BIAS)
