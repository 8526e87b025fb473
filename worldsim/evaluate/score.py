"""The score of one generated frame, and the mean of many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from worldsim.evaluate.metrics import depth_error, flying_rate, psnr, sharpness, ssim
from worldsim.types import SKY_DEPTH_M, Observation

PSNR_CEILING_DB = 60.0  # better than this counts as this: equal frames would make means infinite
MIN_SHARE = 0.01  # fewer pixels than this share of the frame are not scored apart

Summary = dict[str, float | int | None]


@dataclass(frozen=True, slots=True)
class FrameScore:
    """Against one target frame. NaN where there is nothing to score."""

    psnr: float  # dB, as all PSNRs
    psnr_seen: float  # on surfaces that the model was shown
    psnr_unseen: float
    ssim: float
    copy_last: float  # PSNR of the last known frame
    warp_last: float  # PSNR of the last known frame warped by its depth
    warp_only: float  # PSNR of all known frames, as memory recalls them, warped by their depth
    warp_only_seen: float
    seen: float  # share of the pixels
    sharpness: float  # relative to the target's
    flying: float  # share of lone pixels
    depth_error: float  # relative, median over seen surfaces


@dataclass(frozen=True, slots=True, kw_only=True)
class Baselines:
    """What the models without a network say of the target."""

    copied: NDArray[np.uint8]  # [H, W, 3]
    last_warped: NDArray[np.uint8]  # [H, W, 3]
    warped: NDArray[np.uint8]  # [H, W, 3]


def score_frame(
    dreamed: Observation,
    target: Observation,
    seen: NDArray[np.bool_],  # [H, W]
    baselines: Baselines,
) -> FrameScore:
    """Compare a dreamed frame with its target, on seen and unseen surfaces apart."""
    return FrameScore(
        psnr=psnr(dreamed.rgb, target.rgb),
        psnr_seen=_psnr_where(dreamed.rgb, target.rgb, seen),
        psnr_unseen=_psnr_where(dreamed.rgb, target.rgb, ~seen),
        ssim=ssim(dreamed.rgb, target.rgb),
        copy_last=psnr(baselines.copied, target.rgb),
        warp_last=psnr(baselines.last_warped, target.rgb),
        warp_only=psnr(baselines.warped, target.rgb),
        warp_only_seen=_psnr_where(baselines.warped, target.rgb, seen),
        seen=float(seen.mean()),
        sharpness=sharpness(dreamed.rgb) / max(sharpness(target.rgb), 1e-6),
        flying=flying_rate(dreamed.rgb),
        depth_error=depth_error(dreamed.depth, target.depth, seen & (target.depth < SKY_DEPTH_M)),
    )


def summarise(scores: Sequence[FrameScore], walks: int) -> Summary:
    """The mean of every score over the frames that have it, `frames`, and `n` walks."""
    columns: dict[str, list[float]] = {}
    for score in scores:
        for name, value in asdict(score).items():
            columns.setdefault(name, []).append(min(value, PSNR_CEILING_DB))
    means: Summary = {name: mean_or_none(values) for name, values in columns.items()}
    return {"n": walks, "frames": len(scores), **means}


def mean_or_none(values: Sequence[float]) -> float | None:
    """The mean of the finite values, None (JSON null) if there are none."""
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else None


def _psnr_where(
    frame: NDArray[np.uint8],  # [H, W, 3]
    target: NDArray[np.uint8],  # [H, W, 3]
    mask: NDArray[np.bool_],  # [H, W]
) -> float:
    return psnr(frame, target, mask) if mask.mean() >= MIN_SHARE else math.nan
