"""Noise as a pure function of (seed, frame): rollouts are reproducible, resumable, branchable."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor


def frame_noise(
    seed: int,
    frame: int,
    shape: tuple[int, ...],
) -> Tensor:  # `shape`, float32, standard normal, on the CPU
    """The noise that frame number `frame` of a dream with this seed begins from."""
    digest = hashlib.blake2b(f"{seed}:{frame}".encode(), digest_size=8).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)
    return torch.randn(shape, generator=generator)
