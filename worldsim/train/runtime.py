"""Where a training process runs: device, precision, processes, and when it must stop."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import nn

from worldsim.engine.clock import Clock, RealClock
from worldsim.engine.engine import choose_device


@dataclass(frozen=True, slots=True)
class Runtime:
    """One of `world_size` training processes."""

    device: torch.device
    rank: int
    world_size: int
    limit_s: float
    clock: Clock
    started_s: float

    @staticmethod
    def start(device: str, limit_s: float) -> Runtime:
        """Join the process group that torchrun announces, if any, and pick the device."""
        world_size = int(os.environ.get("WORLD_SIZE", "1"))
        rank = int(os.environ.get("RANK", "0"))
        chosen = choose_device(device)
        if chosen.type == "cuda":
            chosen = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        if world_size > 1 and not dist.is_initialized():
            dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
        clock = RealClock()
        return Runtime(chosen, rank, world_size, limit_s, clock, clock.now())

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def elapsed_s(self) -> float:
        return self.clock.now() - self.started_s

    def time_is_up(self, reserve_s: float = 0.0) -> bool:
        """Whether the limit, less a reserve, has passed; all processes agree."""
        up = self.elapsed_s() > self.limit_s - reserve_s
        if self.world_size > 1:
            flag = torch.tensor(float(up), device=self.device)
            dist.all_reduce(flag, dist.ReduceOp.MAX)
            up = bool(flag > 0)
        return up

    def autocast(self) -> AbstractContextManager[object]:
        """bf16 where the hardware multiplies it natively, float32 elsewhere."""
        if self.device.type == "cuda" or has_fast_bf16():
            return torch.autocast(self.device.type, torch.bfloat16)
        return nullcontext()

    def average_gradients(self, model: nn.Module) -> None:
        """Mean of all processes' gradients, in place, as one flat transfer."""
        if self.world_size == 1:
            return
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        flat = torch.cat([g.flatten() for g in grads])
        dist.all_reduce(flat)
        flat /= self.world_size
        pieces = flat.split([g.numel() for g in grads])
        torch._foreach_copy_(
            grads, [piece.view_as(g) for piece, g in zip(pieces, grads, strict=True)]
        )

    def close(self) -> None:
        if dist.is_initialized():
            dist.destroy_process_group()


def has_fast_bf16() -> bool:
    """Whether this CPU multiplies bf16 natively (AVX512-BF16 or AMX)."""
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
