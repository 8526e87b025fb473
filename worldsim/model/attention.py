"""Causal attention over frames: QK-norm, rotary positions given at read time, adaLN blocks.

Keys leave the block before rotation, so that a cache may move them to new positions.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

MLP_RATIO = 4
MODULATIONS = 6  # scale, shift and gate for attention and for the MLP


def block_causal_mask(
    frames: int,
    tokens: int,
    device: torch.device | str = "cpu",
) -> Tensor:  # [T*S, T*S] bool, True = may attend
    """Each frame sees the frames before it and itself."""
    frame = torch.arange(frames, device=device).repeat_interleave(tokens)
    return frame[:, None] >= frame[None, :]


class Attention(nn.Module):
    """Projections of one attention layer; the caller owns keys, values and positions."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.out = nn.Linear(dim, dim)
        head_dim = dim // heads
        self.q_scale = nn.Parameter(torch.ones(head_dim))
        self.k_scale = nn.Parameter(torch.ones(head_dim))

    def project(
        self,
        x_BLD: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:  # each [B, L, N, E]
        """Normalised queries and keys, and values, before rotation."""
        q, k, v = rearrange(
            self.qkv(x_BLD), "b l (three n e) -> three b l n e", three=3, n=self.heads
        )
        head_dim = (q.shape[-1],)
        q = F.rms_norm(q, head_dim, self.q_scale.to(q.dtype))
        k = F.rms_norm(k, head_dim, self.k_scale.to(k.dtype))
        return q, k, v

    def attend(
        self,
        q_BSNE: Tensor,  # rotated
        k_BLNE: Tensor,  # rotated
        v_BLNE: Tensor,
        mask: Tensor | None,  # [S, L] or [B, 1, S, L] bool
    ) -> Tensor:  # [B, S, D]
        q, k, v = (rearrange(t, "b l n e -> b n l e") for t in (q_BSNE, k_BLNE, v_BLNE))
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.out(rearrange(mixed, "b n s e -> b s (n e)"))


class Block(nn.Module):
    """One pre-norm transformer block, modulated per token (adaLN-single, PixArt-alpha)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.attention = Attention(dim, heads)
        self.mlp_in = nn.Linear(dim, MLP_RATIO * dim)
        self.mlp_out = nn.Linear(MLP_RATIO * dim, dim)
        self.modulation_offset = nn.Parameter(torch.zeros(MODULATIONS, dim))

    def modulations(
        self,
        modulation: Tensor,  # [B, L, 6, D]
    ) -> tuple[Tensor, ...]:  # six of [B, L, D]
        return (modulation + self.modulation_offset).unbind(dim=-2)

    def mlp(self, x_BLD: Tensor) -> Tensor:  # [B, L, D]
        return self.mlp_out(F.gelu(self.mlp_in(x_BLD), approximate="tanh"))


def modulated_norm(
    x_BLD: Tensor,
    scale: Tensor,  # [B, L, D]
    shift: Tensor,  # [B, L, D]
) -> Tensor:  # [B, L, D]
    return torch.addcmul(shift, F.layer_norm(x_BLD, x_BLD.shape[-1:]), 1 + scale)
