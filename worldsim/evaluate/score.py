"""The score of one generated frame, and the mean of many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from worldsim.evaluate.metrics import depth_error, flying_rate, psnr, sharpness, ssim
from worldsim.evaluate.statistics import mean_or_none, ratio_or_none, standard_errors
from worldsim.types import SKY_DEPTH_M, Observation

PSNR_CEILING_DB = 60.0  # better than this counts as this: equal frames would make means infinite
MIN_SHARE = 0.01  # fewer pixels than this share of the frame are not scored apart

Summary = dict[str, Any]  # figures by name, and under "se" their standard errors


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
    gradient: float  # grey levels a pixel
    gradient_target: float
    gradient_unseen: float  # on surfaces that the model was not shown
    gradient_unseen_target: float
    flying_rate: float  # share of lone pixels
    flying_rate_target: float
    depth_error: float  # relative, median over seen surfaces


_PSNRS: Final = frozenset(
    ("psnr", "psnr_seen", "psnr_unseen", "copy_last", "warp_last", "warp_only", "warp_only_seen")
)
_RATIOS: Final = {  # mean of the dream over mean of the target
    "sharpness": ("gradient", "gradient_target"),
    "sharpness_unseen": ("gradient_unseen", "gradient_unseen_target"),
    "flying": ("flying_rate", "flying_rate_target"),
}


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
    unseen = _enough(~seen)
    return FrameScore(
        psnr=psnr(dreamed.rgb, target.rgb),
        psnr_seen=psnr(dreamed.rgb, target.rgb, _enough(seen)),
        psnr_unseen=psnr(dreamed.rgb, target.rgb, unseen),
        ssim=ssim(dreamed.rgb, target.rgb),
        copy_last=psnr(baselines.copied, target.rgb),
        warp_last=psnr(baselines.last_warped, target.rgb),
        warp_only=psnr(baselines.warped, target.rgb),
        warp_only_seen=psnr(baselines.warped, target.rgb, _enough(seen)),
        seen=float(seen.mean()),
        gradient=sharpness(dreamed.rgb),
        gradient_target=sharpness(target.rgb),
        gradient_unseen=sharpness(dreamed.rgb, unseen),
        gradient_unseen_target=sharpness(target.rgb, unseen),
        flying_rate=flying_rate(dreamed.rgb),
        flying_rate_target=flying_rate(target.rgb),
        depth_error=depth_error(dreamed.depth, target.depth, seen & (target.depth < SKY_DEPTH_M)),
    )


def summarise(
    walks: Sequence[Sequence[FrameScore]],  # the scored frames of each walk
) -> Summary:
    """The mean of every score over the frames that have it, `frames`, and `n` walks.

    Sharpness and flying pixels are told relative to the target's. `se` holds standard errors
    over walks: frames of one walk are too much alike to count as many.
    """
    return {
        "n": len(walks),
        "frames": sum(map(len, walks)),
        **_figures(walks),
        "se": standard_errors(walks, _figures),
    }


def _figures(walks: Sequence[Sequence[FrameScore]]) -> dict[str, float | None]:
    scores = [score for walk in walks for score in walk]
    means = {
        field.name: mean_or_none(
            [_capped(field.name, getattr(score, field.name)) for score in scores]
        )
        for field in fields(FrameScore)
    }
    ratios = {
        name: ratio_or_none(means[ours], means[target]) for name, (ours, target) in _RATIOS.items()
    }
    return {**means, **ratios}


def _capped(name: str, value: float) -> float:
    return min(value, PSNR_CEILING_DB) if name in _PSNRS else value


def _enough(
    mask: NDArray[np.bool_],  # [H, W]
) -> NDArray[np.bool_]:  # [H, W]
    """The mask, or an empty one if it covers too little to be scored."""
    return mask if mask.mean() >= MIN_SHARE else np.zeros_like(mask)
