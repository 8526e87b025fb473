"""The causal transformer between the convolutional stages, and the context that it attends to."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange, repeat
from torch import Tensor, nn

from worldsim.model.attention import (
    MODULATIONS,
    Block,
    block_causal_mask,
    modulated_norm,
)
from worldsim.model.presets import ModelConfig
from worldsim.model.rope import rope_turns, rotate

RECALLED_TIME = -2.0  # where recalled frames stand on the time axis; the sink stands at 0


@dataclass(frozen=True, slots=True)
class Context:
    """Keys and values of frames that are not in the sequence: cached and recalled ones."""

    keys: Tensor  # [layers, B, L, N, E], already rotated to their positions
    values: Tensor  # [layers, B, L, N, E]
    valid: Tensor  # [B, L] bool


@dataclass(frozen=True, slots=True)
class FrameKV:
    """The sequence's own keys, before rotation, and values: what a cache keeps."""

    keys: Tensor  # [layers, B, T*S, N, E]
    values: Tensor  # [layers, B, T*S, N, E]


class Trunk(nn.Module):
    """A stack of blocks over the tokens of T frames and a context."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.tokens_hw = config.tokens_hw
        self.head_dim = config.head_dim
        self.modulation = nn.Linear(config.dim, MODULATIONS * config.dim)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)
        self.blocks = nn.ModuleList(Block(config.dim, config.heads) for _ in range(config.depth))

    def forward(
        self,
        x_BTSD: Tensor,
        cond_BTSD: Tensor,  # per token: noise level, action, camera rays
        time: Tensor,  # [B or 1, T] frame positions
        context: Context | None,
    ) -> tuple[Tensor, FrameKV]:  # [B, T, S, D]
        frames, tokens = x_BTSD.shape[1:3]
        x = rearrange(x_BTSD, "b t s d -> b (t s) d")
        modulation = rearrange(
            self.modulation(cond_BTSD), "b t s (six d) -> b (t s) six d", six=MODULATIONS
        )
        turns = rearrange(self.turns(time), "b t s cs e -> b (t s) cs e")
        mask = attention_mask(frames, tokens, context, x.device)
        keys, values = [], []
        for layer, block in enumerate(self.blocks):
            x, k, v = run_block(block, x, modulation, turns, mask, layer, context)
            keys.append(k)
            values.append(v)
        kv = FrameKV(torch.stack(keys), torch.stack(values))
        return rearrange(x, "b (t s) d -> b t s d", s=tokens), kv

    def turns(
        self,
        time: Tensor,  # [B or 1, T]
    ) -> Tensor:  # [B or 1, T, S, 2, E/2] cosine and sine
        return rope_turns(time, self.tokens_hw, self.head_dim)

    def project_recalled(
        self,
        tokens_BMSD: Tensor,
        valid: Tensor,  # [B, M] bool
    ) -> Context:
        """Recalled frames as context: every block projects them, none of them is updated."""
        x = rearrange(tokens_BMSD, "b m s d -> b (m s) d")
        time = torch.full((1, tokens_BMSD.shape[1]), RECALLED_TIME, device=x.device)
        turns = rearrange(self.turns(time), "b m s cs e -> b (m s) cs e")
        keys, values = [], []
        for block in self.blocks:
            assert isinstance(block, Block)
            _, k, v = block.attention.project(x)
            keys.append(rotate(k, turns))
            values.append(v)
        seen = repeat(valid, "b m -> b (m s)", s=tokens_BMSD.shape[2])
        return Context(torch.stack(keys), torch.stack(values), seen)

    def rotate_cached(
        self,
        keys: Tensor,  # [layers, B, T*S, N, E] before rotation
        time: Tensor,  # [B or 1, T] the positions to read them at
    ) -> Tensor:  # [layers, B, T*S, N, E]
        turns = rearrange(self.turns(time), "b t s cs e -> b (t s) cs e")
        return rotate(keys, turns)


def join_contexts(contexts: list[Context]) -> Context | None:
    """One context of all keys, or None when there is none."""
    if len(contexts) < 2:
        return contexts[0] if contexts else None
    return Context(
        torch.cat([c.keys for c in contexts], dim=2),
        torch.cat([c.values for c in contexts], dim=2),
        torch.cat([c.valid for c in contexts], dim=1),
    )


def attention_mask(
    frames: int,
    tokens: int,
    context: Context | None,
    device: torch.device,
) -> Tensor | None:  # [B, 1, T*S, L + T*S] bool
    """Block-causal over the sequence; every frame sees the valid part of the context."""
    if context is None:
        return None if frames == 1 else block_causal_mask(frames, tokens, device)
    batch = context.valid.shape[0]
    causal = block_causal_mask(frames, tokens, device)
    own = causal.expand(batch, 1, *causal.shape)
    return torch.cat((context.valid[:, None, None].expand(-1, 1, frames * tokens, -1), own), dim=3)


def run_block(
    block: nn.Module,
    x_BLD: Tensor,
    modulation: Tensor,  # [B, L, 6, D]
    turns: Tensor,  # [B or 1, L, 2, E/2]
    mask: Tensor | None,
    layer: int,
    context: Context | None,
) -> tuple[Tensor, Tensor, Tensor]:  # [B, L, D], keys and values [B, L, N, E]
    assert isinstance(block, Block)
    scale1, shift1, gate1, scale2, shift2, gate2 = block.modulations(modulation)
    q, k, v = block.attention.project(modulated_norm(x_BLD, scale1, shift1))
    q_rotated, k_rotated = rotate(torch.cat((q, k), dim=2), turns).chunk(2, dim=2)
    all_keys, all_values = k_rotated, v
    if context is not None:
        all_keys = torch.cat((context.keys[layer].to(k.dtype), all_keys), dim=1)
        all_values = torch.cat((context.values[layer].to(v.dtype), all_values), dim=1)
    mixed = block.attention.attend(q_rotated, all_keys, all_values, mask)
    x = x_BLD + (1 + gate1) * mixed
    x = x + (1 + gate2) * block.mlp(modulated_norm(x, scale2, shift2))
    return x, k, v
