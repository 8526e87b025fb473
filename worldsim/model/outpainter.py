"""Imagines what memory does not know, coarsely: a small diffusion model of 1/4 of the resolution.

What lies beyond the known can be many things. A network that looks once takes their mean, a blur;
diffusion chooses one, but needs many steps, and much training. At a sixteenth of the pixels both
are cheap. The world model then has shapes to render in detail, instead of inventing any.
Source: Ho et al. 2022, "Cascaded diffusion models for high fidelity image generation".
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from worldsim.camera import Intrinsics, pixel_rays
from worldsim.model.attention import MODULATIONS, Block
from worldsim.model.conditioning import LEVEL_FREQUENCIES, level_features
from worldsim.model.conv import Down, Stage, Up, channel_norm
from worldsim.model.picture import CHANNELS
from worldsim.model.presets import ModelConfig
from worldsim.model.rope import rope_turns
from worldsim.model.trunk import run_block
from worldsim.precision import full_precision

COARSE_PX = 4  # side of a coarse pixel
GLANCE_PX = 2  # side of a pixel of the hint that such a picture is made from
INPUTS = 3 * CHANNELS + 1 + 3  # noisy, hint and elsewhere; known; rays


@dataclass(frozen=True, slots=True)
class CoarseView:
    """What is told of a view, at 1/4 of the model's resolution."""

    hint: Tensor  # [B, 4, h, w] what memory shows, filled where it is unknown
    known: Tensor  # [B, 1, h, w] share of each pixel that memory knows
    elsewhere: Tensor  # [B, 4, h, w] another view of the same place, for its colours; or zeros
    rays: Tensor  # [B, 3, h, w] directions in the world's axes, of unit length

    def worlds(self, part: Tensor) -> CoarseView:
        """A part of the batch."""
        return CoarseView(*(getattr(self, field.name)[part] for field in fields(self)))


def coarse(
    picture: Tensor,  # [B, C, H, W]
) -> Tensor:  # [B, C, H/4, W/4]
    """The picture's means over squares of `COARSE_PX`."""
    return F.avg_pool2d(picture, COARSE_PX)


def wholly_unknown(
    confidence: Tensor,  # [B, 1, H, W] 0 where unknown
) -> Tensor:  # [B, 1, H/4, W/4] 1 where nothing of a coarse pixel is known, else 0
    return (coarse((confidence > 0).float()) == 0).float()


def glance(
    picture: Tensor,  # [B, 4, H, W]
) -> Tensor:  # [B, 4, H/2, W/2]
    """The means of its colours; of its depths, which cannot be mixed, each second one."""
    depth = picture[:, 3:, ::GLANCE_PX, ::GLANCE_PX]
    return torch.cat((F.avg_pool2d(picture[:, :3], GLANCE_PX), depth), dim=1)


def glance_camera(camera: Intrinsics) -> Intrinsics:
    return camera.resized(camera.width // GLANCE_PX, camera.height // GLANCE_PX)


def coarse_view(
    hint: Tensor,  # [B, 4, H/2, W/2] whole
    known: Tensor,  # [B, 1, H/2, W/2] 1 where memory shows something, else 0
    elsewhere: Tensor,  # [B, 4, h, w] the last frame, or 0
    world_from_camera: Tensor,  # [B, 4, 4] of the view
    camera: Intrinsics,  # of the model's resolution
) -> CoarseView:
    """What an outpainter is told of a view, in training and in play."""
    side = COARSE_PX // GLANCE_PX
    return CoarseView(
        F.avg_pool2d(hint, side),
        F.avg_pool2d(known, side),
        elsewhere,
        coarse_rays(world_from_camera, camera),
    )


@full_precision
def coarse_rays(
    world_from_camera: Tensor,  # [B, 4, 4]
    camera: Intrinsics,  # of the model's resolution
) -> Tensor:  # [B, 3, h, w]
    """Directions of a view's coarse pixels in the world's axes."""
    grid = camera.resized(camera.width // COARSE_PX, camera.height // COARSE_PX)
    rays = F.normalize(pixel_rays(grid, world_from_camera.device), dim=-1)
    return torch.einsum("bij,hwj->bihw", world_from_camera[:, :3, :3], rays)


class Outpainter(nn.Module):
    """A U-Net with a few transformer blocks in the middle; it predicts the clean coarse picture."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        widths = config.outpaint
        self.levels = config.outpaint_levels
        self.heads_dim = widths[-1] // config.heads
        self.level = nn.Linear(2 * LEVEL_FREQUENCIES, widths[-1])
        self.mix = nn.Linear(widths[-1], widths[-1])
        self.stem = nn.Conv2d(INPUTS, widths[0], 3, padding=1)
        self.down_stages = nn.ModuleList(Stage(c, widths[-1], 2) for c in widths[:-1])
        self.downs = nn.ModuleList(Down(a, b) for a, b in itertools.pairwise(widths))
        self.modulation = nn.Linear(widths[-1], MODULATIONS * widths[-1])
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)
        self.blocks = nn.ModuleList(
            Block(widths[-1], config.heads) for _ in range(config.outpaint_depth)
        )
        self.ups = nn.ModuleList(Up(b, a) for a, b in itertools.pairwise(widths))
        self.up_stages = nn.ModuleList(Stage(c, widths[-1], 2) for c in widths[:-1])
        self.out = nn.Conv2d(widths[0], CHANNELS, 3, padding=1)
        nn.init.zeros_(self.out.weight)
        assert self.out.bias is not None
        nn.init.zeros_(self.out.bias)

    @property
    def is_trained(self) -> bool:
        """Whether it has ever learnt: its last layer starts at zero."""
        return bool(self.out.weight.any())

    def forward(
        self,
        noisy: Tensor,  # [B, 4, h, w] (1 - sigma) * clean + sigma * noise
        sigma: Tensor,  # [B]
        view: CoarseView,
    ) -> Tensor:  # [B, 4, h, w] float32, the clean picture
        dtype = self.stem.weight.dtype
        told = torch.cat((noisy, view.hint, view.known, view.elsewhere, view.rays), dim=1)
        cond = F.silu(self.mix(F.silu(self.level(level_features(sigma).to(dtype)))))
        x = self.stem(told.to(dtype).contiguous(memory_format=torch.channels_last))
        skips = []
        for stage, down in zip(self.down_stages, self.downs, strict=True):
            x = stage(x, cond)
            skips.append(x)
            x = down(x)
        x = self._mixed(x, cond)
        for i in reversed(range(len(skips))):
            x = self.up_stages[i](self.ups[i](x) + skips[i], cond)
        return view.hint + self.out(F.silu(channel_norm(x))).float()

    def _mixed(
        self,
        x: Tensor,  # [B, D, h, w]
        cond: Tensor,  # [B, D]
    ) -> Tensor:  # [B, D, h, w]
        height, width = x.shape[-2:]
        modulation = rearrange(self.modulation(cond), "b (six d) -> b 1 six d", six=MODULATIONS)
        turns = rope_turns(torch.zeros(1, 1, device=x.device), (height, width), self.heads_dim)[0]
        tokens = rearrange(x, "b d h w -> b (h w) d")
        for layer, block in enumerate(self.blocks):
            tokens, _, _ = run_block(block, tokens, modulation, turns, None, layer, None)
        return rearrange(tokens, "b (h w) d -> b d h w", h=height)

    @torch.no_grad()
    def sample(
        self,
        view: CoarseView,
        noise: Tensor,  # [B, 4, h, w]
        levels: Sequence[float] | None = None,  # by default those it was made for
    ) -> Tensor:  # [B, 4, h, w] in [-1, 1]
        """One of the pictures that this view may be. What is wholly known stays.

        Deterministic steps along the straight path of flow matching (Song et al. 2021, DDIM).
        """
        noisy = noise
        for level, lower in itertools.pairwise((*(levels or self.levels), 0.0)):
            noisy = self.step(noisy, level, lower, view)
        return noisy

    def step(
        self,
        noisy: Tensor,  # [B, 4, h, w]
        level: float,
        lower: float,
        view: CoarseView,
    ) -> Tensor:  # [B, 4, h, w] at the lower level
        predicted = self(noisy, torch.full_like(noisy[:, 0, 0, 0], level), view)
        return towards(noisy, predicted, level, lower, view)


def towards(
    noisy: Tensor,  # [B, 4, h, w] at a level
    predicted: Tensor,  # [B, 4, h, w] the clean picture
    level: float,
    lower: float,
    view: CoarseView,
) -> Tensor:  # [B, 4, h, w] at the lower level
    """A step towards what was predicted, or is known."""
    clean = torch.where(view.known == 1.0, view.hint, predicted).clamp(-1.0, 1.0)
    return moved(noisy, clean, level, lower)


def moved(
    noisy: Tensor,  # [B, 4, h, w] at a level
    clean: Tensor,  # [B, 4, h, w] what is taken to be behind it
    level: float,
    lower: float,
) -> Tensor:  # [B, 4, h, w] at the lower level
    """A step towards the clean picture, along a straight path."""
    noise = (noisy - (1.0 - level) * clean) / level
    return (1.0 - lower) * clean + lower * noise
