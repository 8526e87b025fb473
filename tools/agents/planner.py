"""Planning: trying choices out on branches of a world, the world itself staying where it is."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from worldsim.tools.agents.choices import ACTIONS
from worldsim.tools.agents.worlds import Worlds

DISCOUNT = 0.97  # a choice: what is far off counts less, so that no time is lost


class Planner(Protocol):
    """Finds choices that pay from a saved moment on."""

    def plan(self, state: bytes, rng: np.random.Generator) -> list[int]:
        """Numbers of `ACTIONS`, the next one first; at least one."""


def act_out(
    world: Worlds,
    planner: Planner,
    seed: int,
    *,
    steps: int,
    commit: int,
) -> tuple[list[int], float]:  # choices made, sum of rewards
    """Model-predictive control: plan, make the first choices of the plan, plan anew.

    Args:
        world: with at least one world; its first one is acted in.
        steps: choices until the episode is cut off.
        commit: how many choices of each plan are made.
    """
    world.begin([seed])
    rng, total = np.random.default_rng((seed, 4)), 0.0
    made: list[int] = []
    while len(made) < steps and not world.ended[0]:
        for choice in planner.plan(world.state(), rng)[: min(commit, steps - len(made))]:
            total += float(world.act([ACTIONS[choice]])[0])
            made.append(choice)
            if world.ended[0]:
                break
    return made, total
