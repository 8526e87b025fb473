"""What many samples say together: means, their intervals and errors, Wilson's, correlations."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

Z_95 = 1.959964  # standard normal deviates on either side of the mean hold 95 %

RESAMPLES = 10_000  # of the bootstrap

Sample = TypeVar("Sample")
Figures = Mapping[str, float | None]


def mean_or_none(values: Sequence[float]) -> float | None:
    """The mean of the finite values, None (JSON null) if there are none."""
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else None


def means(rows: Sequence[Mapping[str, float]], names: Sequence[str]) -> dict[str, float | None]:
    """The mean of each named column."""
    return {name: mean_or_none([row[name] for row in rows]) for name in names}


def ratio_or_none(
    numerator: float | None,
    denominator: float | None,
) -> float | None:
    """None where either is missing or nothing stands below the line."""
    return numerator / denominator if numerator is not None and denominator else None


def standard_errors(
    samples: Sequence[Sample],
    figures: Callable[[Sequence[Sample]], Figures],
) -> dict[str, float | None]:
    """The standard error of every figure, each sample left out in turn.

    For a mean of single values this is the usual standard error; it serves ratios and means of
    unequal groups as well. None for fewer than two samples, or where one sample holds all values.

    Source: the jackknife, Efron and Tibshirani 1993 (An Introduction to the Bootstrap), eq. 11.5.
    """
    without = [figures([*samples[:i], *samples[i + 1 :]]) for i in range(len(samples))]
    return {name: _jackknifed([rest[name] for rest in without]) for name in figures(samples)}


def wilson(
    hits: int,
    trials: int,
) -> tuple[float, float]:
    """The 95 % interval of a share, also for few trials and shares near 0 or 1.

    Source: Wilson 1927 (Probable Inference, the Law of Succession, and Statistical Inference).
    """
    if trials == 0:
        return 0.0, 1.0
    share, z2 = hits / trials, Z_95**2
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    spread = math.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2))
    half = Z_95 * spread / (1 + z2 / trials)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def bootstrap_interval(
    values: Sequence[float],
    *,
    seed: int = 0,
) -> tuple[float, float]:
    """The 95 % interval of a mean; the same for the same values and seed.

    Source: the percentile method, Efron and Tibshirani 1993 (An Introduction to the Bootstrap),
    chapter 13.
    """
    known = np.asarray(values, dtype=np.float64)
    drawn = np.random.default_rng(seed).integers(len(known), size=(RESAMPLES, len(known)))
    low, high = np.percentile(known[drawn].mean(axis=1), (2.5, 97.5)).tolist()
    return low, high


def correlation(
    a: ArrayLike,  # [samples]
    b: ArrayLike,  # [samples]
) -> float | None:
    """Pearson's; None where either is constant."""
    x, y = (np.asarray(values, dtype=np.float64) for values in (a, b))
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x**2).sum() * (y**2).sum()))
    return float((x * y).sum()) / size if size else None


def rank_correlation(
    a: ArrayLike,  # [samples]
    b: ArrayLike,  # [samples]
) -> float | None:
    """Spearman's: Pearson's of the ranks, equal values sharing their mean rank."""
    return correlation(_ranks(a), _ranks(b))


def _ranks(
    values: ArrayLike,  # [samples]
) -> NDArray[np.float64]:  # [samples] from 1
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: NDArray[np.float64] = (last - (counts - 1) / 2)[places]
    return ranks


def _jackknifed(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    count = len(values)
    if count < 2 or len(known) < count:
        return None
    mean = sum(known) / count
    return math.sqrt((count - 1) / count * sum((value - mean) ** 2 for value in known))
