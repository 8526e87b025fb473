"""A ring of cached frames: one sink and the most recent ones, with keys before rotation.

Positions are given anew at each read, so that no index ever runs out: the sink stands at 0, the
others follow in order, and the frame in flight comes after them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from worldsim.model.presets import ModelConfig


@dataclass(frozen=True, slots=True)
class CacheState:
    """A complete copy of a cache."""

    keys: Tensor  # [slots, layers, S, N, E]
    values: Tensor  # [slots, layers, S, N, E]
    order: tuple[int, ...]  # slots in the order of their frames, the sink first


class KVCache:
    """Owns the buffers of one world; `commit` writes a slot in place."""

    def __init__(self, config: ModelConfig, dtype: torch.dtype, device: torch.device) -> None:
        shape = (config.context, config.depth, config.tokens, config.heads, config.head_dim)
        self._keys = torch.zeros(shape, dtype=dtype, device=device)
        self._values = torch.zeros(shape, dtype=dtype, device=device)
        self._order: list[int] = []

    def __len__(self) -> int:
        return len(self._order)

    def read(self) -> tuple[Tensor, Tensor]:  # two of [layers, L, N, E], frames in order
        """Keys before rotation, and values, of all cached frames."""
        keys = self._keys[self._order].transpose(0, 1).flatten(1, 2)
        values = self._values[self._order].transpose(0, 1).flatten(1, 2)
        return keys, values

    def commit(
        self,
        keys: Tensor,  # [layers, S, N, E]
        values: Tensor,  # [layers, S, N, E]
    ) -> None:
        """Add the newest frame; the oldest but the sink gives way when the ring is full."""
        if len(self._order) < len(self._keys):
            slot = next(i for i in range(len(self._keys)) if i not in self._order)
        else:
            slot = self._order.pop(1 if len(self._order) > 1 else 0)
        self._keys[slot], self._values[slot] = keys, values
        self._order.append(slot)

    def cut(self) -> None:
        """Keep the sink and the last frame: what lies between does not lead to here any more."""
        if len(self._order) > 2:
            self._order = [self._order[0], self._order[-1]]

    def state(self) -> CacheState:
        return CacheState(self._keys.clone(), self._values.clone(), tuple(self._order))

    def load(self, state: CacheState) -> None:
        self._keys.copy_(state.keys)
        self._values.copy_(state.values)
        self._order = list(state.order)
