"""Whole episodes of a player, and what came of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from worldsim.evaluate.statistics import bootstrap_interval, wilson
from worldsim.tools.agents.players import Player
from worldsim.tools.agents.worlds import Worlds


@dataclass(frozen=True, slots=True)
class Outcome:
    """One episode."""

    seed: int
    reward: float  # the sum over its ticks
    ended: bool  # by its task, not by its horizon
    ticks: int  # to a whole step


def play(
    worlds: Worlds,
    player: Player,
    seeds: Sequence[int],
    horizon: int,  # ticks
    *,
    tell: Callable[[int], object] = lambda _: None,
) -> list[Outcome]:
    """One episode for each seed, as many at once as there are worlds.

    Args:
        tell: called after each batch with the number of its episodes.
    """
    outcomes: list[Outcome] = []
    for at in range(0, len(seeds), worlds.capacity):
        batch = seeds[at : at + worlds.capacity]
        outcomes += _play_batch(worlds, player, batch, horizon)
        tell(len(batch))
    return outcomes


def _play_batch(
    worlds: Worlds, player: Player, seeds: Sequence[int], horizon: int
) -> list[Outcome]:
    player.begin(worlds.begin(seeds))
    rewards, ticks = np.zeros(len(seeds)), np.zeros(len(seeds), dtype=np.int64)
    for _ in range(-(-horizon // worlds.action_repeat)):
        ticks += worlds.action_repeat * ~worlds.ended
        rewards += worlds.act(player.act(worlds.views()))
        if worlds.ended.all():
            break
    told = zip(seeds, rewards.tolist(), worlds.ended.tolist(), ticks.tolist(), strict=True)
    return [Outcome(*row) for row in told]


def summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Mean return and share of successes, each with its 95 % interval, JSON-able."""
    returns = [outcome.reward for outcome in outcomes]
    hits = sum(outcome.ended for outcome in outcomes)
    return {
        "episodes": len(outcomes),
        "return": float(np.mean(returns)),
        "return_95": bootstrap_interval(returns),
        "success": hits / len(outcomes),
        "success_95": wilson(hits, len(outcomes)),
        "ticks": float(np.mean([outcome.ticks for outcome in outcomes])),
    }


def as_text(figures: dict[str, Any]) -> tuple[str, str]:
    """Return and success as tables show them."""
    (low, high), (few, many) = figures["return_95"], figures["success_95"]
    return (
        f"{figures['return']:.2f} [{low:.2f}, {high:.2f}]",
        f"{figures['success']:.0%} [{few:.0%}, {many:.0%}]",
    )
