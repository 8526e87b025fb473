"""What many samples say together: means, standard errors, and Wilson's interval of a share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

Z_95 = 1.959964  # standard normal deviates on either side of the mean hold 95 %

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


def _jackknifed(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    count = len(values)
    if count < 2 or len(known) < count:
        return None
    mean = sum(known) / count
    return math.sqrt((count - 1) / count * sum((value - mean) ** 2 for value in known))
