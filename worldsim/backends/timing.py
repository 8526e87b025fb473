"""Times of denoising passes that take turns: a busy machine is unfair to all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import torch

from worldsim.backends.denoiser import Denoiser
from worldsim.model.trunk import Context
from worldsim.model.world_model import FrameInputs

MIN_TURNS = 3


def take_turns(
    calls: Mapping[str, Callable[[], object]],
    seconds: float,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Milliseconds of every call; the first turn is not counted, at least three are."""
    spent_ms: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    end_s = clock() + seconds
    while clock() < end_s or any(len(times) < MIN_TURNS for times in spent_ms.values()):
        for name, call in calls.items():
            begun_s = clock()
            call()
            spent_ms[name].append((clock() - begun_s) * 1e3)
    return spent_ms


@torch.inference_mode()
def finished_pass(denoiser: Denoiser, frames: FrameInputs, context: Context) -> None:
    """One pass, over when the clean frame is in the processor's memory."""
    denoiser(frames, context).clean.cpu()
