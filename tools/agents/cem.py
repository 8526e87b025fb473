"""The cross-entropy method over sequences of choices.

Source: Rubinstein 1999 (The Cross-Entropy Method for Combinatorial and Continuous Optimization);
for planning as here, Chua et al. 2018 (arXiv 1805.12114), section 5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldsim.errors import ConfigError
from worldsim.tools.agents.choices import ACTIONS
from worldsim.tools.agents.planner import DISCOUNT
from worldsim.tools.agents.worlds import Worlds


@dataclass(frozen=True, kw_only=True)
class CemConfig:
    """How many sequences are tried."""

    depth: int = 8
    """Choices of a sequence."""
    candidates: int = 16
    """Sequences of each round."""
    elites: int = 4
    """The best of each round, towards which the next one is drawn."""
    rounds: int = 3
    """How often sequences are drawn."""
    gain: float = 0.7
    """How far the chances move towards the elites."""

    def __post_init__(self) -> None:
        counts = (self.depth, self.elites, self.rounds)
        if min(counts) < 1 or self.elites > self.candidates or not 0.0 < self.gain <= 1.0:
            raise ConfigError(
                "depth, elites and rounds from 1, candidates from elites, gain in (0, 1]",
                f"{self}",
                "Correct the settings.",
            )


class Cem:
    """Owns nothing but its settings; `branches` are worlds to try things out in."""

    def __init__(self, branches: Worlds, config: CemConfig) -> None:
        self._branches, self._config = branches, config

    def plan(self, state: bytes, rng: np.random.Generator) -> list[int]:
        """The best sequence that any round tried."""
        config = self._config
        chances_HA = np.full((config.depth, len(ACTIONS)), 1.0 / len(ACTIONS))
        best, most = np.zeros(config.depth, dtype=np.int64), -np.inf
        for _ in range(config.rounds):
            tried_KH = _drawn(chances_HA, config.candidates, rng)
            sequences = [[ACTIONS[choice] for choice in row] for row in tried_KH.tolist()]
            returns_K = self._branches.returns(state, sequences, DISCOUNT)
            order_K = np.argsort(-returns_K, kind="stable")
            if returns_K[order_K[0]] > most:
                best, most = tried_KH[order_K[0]], returns_K[order_K[0]]
            elites_EH = tried_KH[order_K[: config.elites]]
            shares_HA = np.eye(len(ACTIONS))[elites_EH].mean(axis=0)
            chances_HA = (1.0 - config.gain) * chances_HA + config.gain * shares_HA
        return [int(choice) for choice in best]


def _drawn(
    chances_HA: NDArray[np.float64],  # [depth, choices], rows sum to 1
    count: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:  # [count, depth]
    rows = [rng.choice(len(chances), size=count, p=chances) for chances in chances_HA]
    return np.stack(rows, axis=1)
