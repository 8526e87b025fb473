"""How well a dream ranks what an agent might do: whole policies, and sequences of actions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.evaluate.statistics import bootstrap_interval, correlation, rank_correlation
from worldsim.tools.agents.choices import ACTIONS, HOLD_TICKS
from worldsim.tools.agents.worlds import Worlds
from worldsim.types import Action

RESAMPLES = 1000

Returns = NDArray[np.float64]  # of policies or sequences, by starts


def policy_agreement(
    real: Returns,  # [policies, starts]
    dream: Returns,  # [policies, starts]
) -> dict[str, Any]:
    """Correlations of the policies' mean returns, and their 95 % intervals over starts.

    The starts of truth and dream are the same and are drawn anew together (bootstrap).
    """
    ranks, values = _correlations(real, dream)
    rng, count = np.random.default_rng(0), real.shape[1]
    drawn = [rng.integers(count, size=count) for _ in range(RESAMPLES)]
    again = [_correlations(real[:, starts], dream[:, starts]) for starts in drawn]
    return {
        "rank_correlation": ranks,
        "rank_correlation_95": _interval([rank for rank, _ in again]),
        "correlation": values,
        "correlation_95": _interval([value for _, value in again]),
    }


def sequence_agreement(
    real: Returns,  # [sequences, starts]
    dream: Returns,  # [sequences, starts]
) -> dict[str, Any]:
    """Rank correlations at each start, and what it is worth to follow the dream's favourite.

    `chosen` is the mean true return of the sequences that the dream ranks first; `best` that of
    the truly best, and `any` that of all. Starts where all returns are equal have no ranks.
    """
    told = [rank_correlation(a, b) for a, b in zip(real.T, dream.T, strict=True)]
    known = [value for value in told if value is not None]
    starts = np.arange(real.shape[1])
    return {
        "starts": len(known),
        "rank_correlation": float(np.mean(known)) if known else None,
        "rank_correlation_95": bootstrap_interval(known) if known else None,
        "chosen": float(real[dream.argmax(axis=0), starts].mean()),
        "best": float(real.max(axis=0).mean()),
        "any": float(real.mean()),
    }


def drawn_sequences(seed: int, count: int, ticks: int) -> list[list[Action]]:
    """`count` sequences of random choices, each held as long as agents do."""
    rng = np.random.default_rng((seed, 3))
    held = -(-ticks // HOLD_TICKS)
    drawn = rng.integers(len(ACTIONS), size=(count, held)).repeat(HOLD_TICKS, axis=1)
    return [[ACTIONS[choice] for choice in row[:ticks]] for row in drawn.tolist()]


def sequence_returns(
    worlds: Worlds, seed: int, sequences: Sequence[Sequence[Action]]
) -> Returns:  # [sequences]
    """Sums of rewards, each sequence from the very same start of `seed`."""
    worlds.begin([seed])
    return worlds.returns(worlds.state(), sequences)


def _correlations(real: Returns, dream: Returns) -> tuple[float | None, float | None]:
    a, b = real.mean(axis=1), dream.mean(axis=1)
    return rank_correlation(a, b), correlation(a, b)


def _interval(values: Sequence[float | None]) -> tuple[float, float] | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    low, high = np.percentile(known, (2.5, 97.5)).tolist()
    return low, high
