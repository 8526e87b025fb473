"""Who may drive in the player's place: at random, by a script, by scripted eyes, or as trained.

A pilot sees each frame and answers with an action. It never sees the world behind the frame, but
for `scripted`, which in a true world looks up the ways in a copy of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Protocol

import numpy as np

from worldsim.actions import DISCRETE
from worldsim.errors import BackendError, ConfigError
from worldsim.play.wanderer import Wanderer
from worldsim.record.format import WorldInfo
from worldsim.record.script import Script, bundled_scripts, compile_script, load_script
from worldsim.types import Action, Observation

NAMES = ("random", "scripted")
HELD_TICKS = (1, 10)  # a random choice, least and most
TRAINED_SUFFIX = ".zip"  # of Stable-Baselines3's files


class Pilot(Protocol):
    """`begin` a world, or another moment of one, then ask for an action at every frame."""

    @property
    def name(self) -> str:
        """What the player is told."""

    def begin(self, info: WorldInfo, /) -> None: ...

    def act(self, seen: Observation, /) -> Action: ...


class RandomPilot:
    """One of the `discrete` view's choices after the other, each kept for some ticks."""

    name = "random"

    def __init__(self) -> None:
        self._rng = np.random.default_rng(0)
        self._held, self._left = Action(), 0

    def begin(self, info: WorldInfo, /) -> None:
        self._rng, self._left = np.random.default_rng(info.seed or 0), 0

    def act(self, _seen: Observation, /) -> Action:
        if self._left == 0:
            self._held = DISCRETE[int(self._rng.integers(len(DISCRETE)))]
            self._left = int(self._rng.integers(*HELD_TICKS, endpoint=True))
        self._left -= 1
        return self._held


class ScriptPilot:
    """A rollout script, over and over. Raises ScriptError at once if it asks for what cannot be."""

    def __init__(self, script: Script) -> None:
        self.name = Path(script.name).stem
        self._script = script
        self._actions = self._laps(0)
        compile_script(script)

    def begin(self, info: WorldInfo, /) -> None:
        self._actions = self._laps(info.seed or 0)

    def act(self, _seen: Observation, /) -> Action:
        return next(self._actions)

    def _laps(self, seed: int) -> Iterator[Action]:
        for lap in count():
            yield from compile_script(self._script, seed=seed, lap=lap)


class ScriptedPilot:
    """The environments' explorer where the ways can be known, else a wanderer."""

    name = "scripted"

    def __init__(self) -> None:
        self._walk: Callable[[Observation], Action] = Wanderer(0).act

    def begin(self, info: WorldInfo, /) -> None:
        self._walk = _explorer(info) or Wanderer(info.seed or 0).act

    def act(self, seen: Observation, /) -> Action:
        return self._walk(seen)


def pilot_named(policy: str) -> Pilot:
    """A pilot by its name, a script by its name or path, or an agent that was trained.

    Raises:
        ConfigError: there is no such pilot, script or file, or the agent is not one of ours.
        ScriptError: the script has a mistake.
        BackendError: Stable-Baselines3 is needed and not installed.
    """
    if policy == RandomPilot.name:
        return RandomPilot()
    if policy == ScriptedPilot.name:
        return ScriptedPilot()
    if policy.endswith(TRAINED_SUFFIX):
        return _trained(Path(policy))
    if policy in bundled_scripts() or Path(policy).is_file():
        return ScriptPilot(load_script(policy))
    raise ConfigError(
        f"a policy among {[*NAMES, *bundled_scripts()]}, a script's TOML file, or a trained "
        f"agent's {TRAINED_SUFFIX}",
        repr(policy),
        "Correct its spelling or its path.",
    )


def _explorer(info: WorldInfo) -> Callable[[Observation], Action] | None:
    """Who knows the ways of a true world that began with its seed."""
    if info.kind != "real" or info.seed is None:
        return None
    from worldsim.envs.blocks.scripted import ScriptedPlayer  # heavy

    player = ScriptedPlayer("explore")
    player.begin(info.seed, info.scene)
    return lambda seen: player.act(seen.pose)


def _trained(path: Path) -> Pilot:
    try:
        from worldsim.envs.trained import TrainedPlayer  # heavy, and an extra
    except ModuleNotFoundError as error:
        raise BackendError(
            f"Stable-Baselines3, to play with {path}",
            f"no module {error.name!r}",
            'Run: pip install "worldsim-engine[rl]"',
        ) from error
    return TrainedPlayer.load(path)
