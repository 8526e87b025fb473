"""What the frame in flight attends to: recalled keyframes, and the cached frames before it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from worldsim.engine.assemble import Dreamer
from worldsim.engine.dream_world import DreamWorld
from worldsim.memory.bank import Keyframe
from worldsim.model.trunk import Context, join_contexts


def context_of(
    dreamer: Dreamer, worlds: Sequence[DreamWorld], recalled: Sequence[list[Keyframe]]
) -> Context | None:
    """Recalled frames first, then the cached frames of each world at fresh positions."""
    parts = (_recalled(dreamer, worlds, recalled), _cached(dreamer, worlds))
    return join_contexts([part for part in parts if part is not None])


def _recalled(
    dreamer: Dreamer, worlds: Sequence[DreamWorld], recalled: Sequence[list[Keyframe]]
) -> Context | None:
    """The best keyframes of each world, padded to one number."""
    count = dreamer.model.config.recalled
    rows = [
        [dreamer.prepared.recalled(keyframe, world.anchor) for keyframe in keyframes[:count]]
        for world, keyframes in zip(worlds, recalled, strict=True)
    ]
    longest = max(len(row) for row in rows)
    if longest == 0:
        return None
    blank = _blank(next(row[0] for row in rows if row))
    joined = [join_contexts(row + [blank] * (longest - len(row))) for row in rows]
    whole = [context for context in joined if context is not None]
    return Context(
        torch.cat([context.keys for context in whole], dim=1),
        torch.cat([context.values for context in whole], dim=1),
        torch.cat([context.valid for context in whole]),
    )


def _blank(like: Context) -> Context:
    return Context(
        torch.zeros_like(like.keys), torch.zeros_like(like.values), torch.zeros_like(like.valid)
    )


def _cached(dreamer: Dreamer, worlds: Sequence[DreamWorld]) -> Context | None:
    longest = max(len(world.cache) for world in worlds)
    if longest == 0:
        return None
    trunk, tokens = dreamer.model.trunk, dreamer.model.config.tokens
    read = [world.cache.read() for world in worlds]
    keys, values = (
        torch.stack([_padded(pair[i], longest * tokens) for pair in read], dim=1) for i in range(2)
    )
    time = torch.arange(longest, dtype=torch.float32, device=dreamer.device)[None]
    length = torch.tensor([len(w.cache) * tokens for w in worlds], device=dreamer.device)
    valid = torch.arange(longest * tokens, device=dreamer.device)[None] < length[:, None]
    return Context(trunk.rotate_cached(keys, time), values, valid)


def _padded(
    x: Tensor,  # [layers, L, N, E]
    length: int,
) -> Tensor:  # [layers, length, N, E]
    missing = length - x.shape[1]
    return x if missing == 0 else F.pad(x, (0, 0, 0, 0, 0, missing))
