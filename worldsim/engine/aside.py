"""A second thread for what a tick needs beside its hint.

Traces hold no lock of Python's, so that two of them run side by side on two cores. What is made
here is made in the same way as it would be later, so that nobody can tell the difference.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from typing import TypeVar

import torch
from torch import Tensor

from worldsim.engine.assemble import Dreamer
from worldsim.engine.context import context_of
from worldsim.engine.dream_world import DreamWorld
from worldsim.engine.recollect import Sight, reshown
from worldsim.kernels.threads import one_thread
from worldsim.memory.bank import Keyframe
from worldsim.model.trunk import Context
from worldsim.types import Pose

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What was imagined before, as it will be seen in the next frame."""

    imagined: Keyframe
    shown: Future[tuple[Tensor, Tensor]]  # [1, 4, H, W] a picture, [1, 1, H, W] its confidence
    is_new: bool  # since the frame before

    def of(self, imagined: Keyframe) -> tuple[Tensor, Tensor] | None:
        """How that frame will be seen; None if this was made of another one."""
        return self.shown.result() if imagined is self.imagined else None


def foresee(
    dreamer: Dreamer, world: DreamWorld, target: Pose, sight: Sight, is_new: bool = False
) -> Foreseen | None:
    """Begin to look at what was imagined before, if there is something."""
    if world.imagined is None:
        return None
    shown = _aside(partial(reshown, dreamer, world.imagined, target, sight))
    return Foreseen(world.imagined, shown, is_new)


def context_aside(
    dreamer: Dreamer, worlds: Sequence[DreamWorld], recalled: Sequence[list[Keyframe]]
) -> Future[Context | None]:
    """Begin to make the context."""
    return _aside(partial(context_of, dreamer, worlds, recalled))


def _aside(work: Callable[[], R]) -> Future[R]:
    return _helper(os.getpid()).submit(partial(_without_gradients, work))


@cache
def _helper(_process: int) -> ThreadPoolExecutor:
    """One for each process: after a fork, the thread is not there any more."""
    return ThreadPoolExecutor(1, thread_name_prefix="worldsim-aside")


def _without_gradients(work: Callable[[], R]) -> R:
    with torch.inference_mode(), one_thread():
        return work()
