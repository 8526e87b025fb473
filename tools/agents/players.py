"""Players of different strength, which play many episodes at once.

A `Player` is told of every tick. Those that hold their choices do so by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from worldsim.envs.blocks.scripted import ScriptedPlayer
from worldsim.tools.agents.choices import ACTIONS, CHOICES, HOLD_TICKS
from worldsim.tools.agents.worlds import Begun, View
from worldsim.types import Action


class Player(Protocol):
    """Chooses an action for every world at every tick."""

    @property
    def name(self) -> str: ...

    def begin(self, begun: Sequence[Begun], /) -> None:
        """New episodes."""

    def act(self, views: Sequence[View], /) -> list[Action]: ...


class Constant:
    """Does the same all the time."""

    def __init__(self, choice: str) -> None:
        self.name = choice
        self._action = CHOICES[choice]

    def begin(self, _: Sequence[Begun]) -> None:
        pass

    def act(self, views: Sequence[View]) -> list[Action]:
        return [self._action] * len(views)


class Wanderer:
    """Draws a choice every few ticks; equal seeds draw equal choices, in truth and dream."""

    def __init__(self, hold: int = HOLD_TICKS) -> None:
        self.name = "random"
        self._hold = hold

    def begin(self, begun: Sequence[Begun]) -> None:
        self._dice = [np.random.default_rng((episode.seed, 0)) for episode in begun]
        self._tick = 0

    def act(self, _: Sequence[View]) -> list[Action]:
        if self._tick % self._hold == 0:
            self._held = [ACTIONS[dice.integers(len(ACTIONS))] for dice in self._dice]
        self._tick += 1
        return self._held


class Seeker:
    """Knows the land and the way, but at a share of its choices lets chance decide.

    It is told where it is, and sees nothing.
    """

    def __init__(self, task: str, noise: float = 0.0) -> None:
        self.name = f"script, {noise:.0%} chance" if noise else "script"
        self._task, self._noise = task, noise
        self._chance = Wanderer()

    def begin(self, begun: Sequence[Begun]) -> None:
        self._chance.begin(begun)
        self._dice = [np.random.default_rng((episode.seed, 1)) for episode in begun]
        self._scripts = [ScriptedPlayer(self._task) for _ in begun]
        for script, episode in zip(self._scripts, begun, strict=True):
            script.begin(episode.world_seed)
        self._tick = 0

    def act(self, views: Sequence[View]) -> list[Action]:
        if self._tick % HOLD_TICKS == 0:
            self._astray = [dice.random() < self._noise for dice in self._dice]
        self._tick += 1
        known = [script.act(view.pose) for script, view in zip(self._scripts, views, strict=True)]
        by_chance = self._chance.act(views)
        return [
            b if astray else a for a, b, astray in zip(known, by_chance, self._astray, strict=True)
        ]
