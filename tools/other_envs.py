"""Other people's environments to measure ours beside, where they are installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import gymnasium


@dataclass(frozen=True, slots=True)
class OtherEnv:
    """An environment of another package, and how it is made without a screen."""

    package: str
    env_id: str
    picture: str  # what it draws a step
    make: Callable[[str], Any]

    @property
    def is_installed(self) -> bool:
        return importlib.util.find_spec(self.package) is not None

    @property
    def name(self) -> str:
        return f"{self.package} {version(self.package)}, {self.env_id}"


def _vizdoom(env_id: str) -> Any:
    import vizdoom.gymnasium_wrapper  # noqa: F401 - registers the ids

    return gymnasium.make(env_id)


def _miniworld(env_id: str) -> Any:
    import pyglet

    pyglet.options["headless"] = True
    import miniworld  # noqa: F401 - registers the ids

    return gymnasium.make(env_id, obs_width=64, obs_height=64)


OTHERS = (
    OtherEnv("vizdoom", "VizdoomBasic-v1", "320 x 240, one room of sprites", _vizdoom),
    OtherEnv("miniworld", "MiniWorld-OneRoom-v0", "64 x 64, one room", _miniworld),
)
