"""Few-step sampling: one step for what memory knows, more for what has to be invented.

At level 1 there is nothing but hint and context, and the best guess of what neither shows is the
mean of all that could be there: a blur. Further steps along the path from noise to picture choose
one of the possibilities. They cost a pass each, so only frames with much to invent take them, and
only unknown pixels change: what is remembered stays as the first step has it.
Sources: Song et al. 2021 (DDIM), as deterministic steps along the straight path of Lipman et al.
2023 (flow matching); the mask after Lugmayr et al. 2022 (RePaint).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor

from worldsim.model.trunk import Context, FrameKV
from worldsim.model.world_model import FrameInputs, Prediction, pool_confidence

Pass = Callable[[FrameInputs, Context | None], Prediction]

INVENT_SHARE = 0.05  # of a frame that is unknown: from here on more steps are worth their time


def add_noise(
    clean: Tensor,  # [B, T, C, h, w]
    noise: Tensor,  # [B, T, C, h, w]
    sigma: Tensor,  # [B, T]
) -> Tensor:  # [B, T, C, h, w]
    """The straight path of flow matching: (1 - sigma) * clean + sigma * noise."""
    level = sigma[..., None, None, None]
    return (1.0 - level) * clean + level * noise


def denoise(
    one_pass: Pass,  # the model, or what computes it
    frames: FrameInputs,  # `noisy` holds pure noise, `sigma` is replaced
    context: Context | None,
    levels: Sequence[float],  # falling from 1; the first is every frame's
) -> Prediction:
    """Predict the clean frames; those with much unknown go down the levels."""
    first = one_pass(_at_level(frames, frames.noisy, levels[0]), context)
    unknown = (frames.confidence == 0).float().mean(dim=(1, 2, 3, 4))
    rows = (unknown > INVENT_SHARE).nonzero()[:, 0]
    if len(levels) == 1 or len(rows) == 0:
        return first
    if len(rows) == len(unknown):
        return _invent(one_pass, frames, context, first, levels)
    picked = _rows_of_frames(frames, rows)
    part = _invent(one_pass, picked, _rows_of_context(context, rows), _rows(first, rows), levels)
    return _with_rows(first, part, rows)


def _invent(
    one_pass: Pass,
    frames: FrameInputs,
    context: Context | None,
    first: Prediction,
    levels: Sequence[float],
) -> Prediction:
    """Further steps for the unknown pixels. The heads' tokens stay those of the first step."""
    downscale = frames.confidence.shape[-1] // frames.noisy.shape[-1]
    known = pool_confidence(frames.confidence, downscale) > 0
    noisy, clean, prediction = frames.noisy, first.clean, first
    for level, lower in pairwise(levels):
        noise = (noisy - (1.0 - level) * clean) / level
        noisy = (1.0 - lower) * clean + lower * noise
        prediction = one_pass(_at_level(frames, noisy, lower), context)
        clean = torch.where(known, first.clean, prediction.clean)
    return Prediction(clean, first.tokens, prediction.kv)


def _at_level(frames: FrameInputs, noisy: Tensor, level: float) -> FrameInputs:
    return replace(frames, noisy=noisy, sigma=torch.full_like(frames.sigma, level))


def _rows_of_frames(frames: FrameInputs, rows: Tensor) -> FrameInputs:
    time = frames.time if len(frames.time) == 1 else frames.time[rows]
    parts = {name: getattr(frames, name)[rows] for name in frames.__slots__ if name != "time"}
    return FrameInputs(**parts, time=time)


def _rows_of_context(context: Context | None, rows: Tensor) -> Context | None:
    if context is None:
        return None
    return Context(context.keys[:, rows], context.values[:, rows], context.valid[rows])


def _rows(prediction: Prediction, rows: Tensor) -> Prediction:
    kv = FrameKV(prediction.kv.keys[:, rows], prediction.kv.values[:, rows])
    return Prediction(prediction.clean[rows], prediction.tokens[rows], kv)


def _with_rows(whole: Prediction, part: Prediction, rows: Tensor) -> Prediction:
    kv = FrameKV(
        whole.kv.keys.index_copy(1, rows, part.kv.keys),
        whole.kv.values.index_copy(1, rows, part.kv.values),
    )
    return Prediction(whole.clean.index_copy(0, rows, part.clean), whole.tokens, kv)
