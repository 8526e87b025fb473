"""worldsim: playable neural worlds.

    import worldsim
    engine = worldsim.WorldEngine.from_pretrained("default")
    observation = engine.reset(seed=7)
    step = engine.step(worldsim.Action(forward=True, yaw_deg=3.0))

Importing the package is cheap: torch, pygame and moderngl load on first use.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from worldsim.engine.engine import WorldEngine
    from worldsim.types import Action, Observation, Pose, StepResult

__version__ = "0.1.0"
__all__ = ["Action", "Observation", "Pose", "StepResult", "WorldEngine", "__version__"]

_HOMES = {
    "Action": "worldsim.types",
    "Observation": "worldsim.types",
    "Pose": "worldsim.types",
    "StepResult": "worldsim.types",
    "WorldEngine": "worldsim.engine.engine",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'worldsim' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def _register_envs() -> None:
    if find_spec("gymnasium") is None:  # a training machine may do without
        return
    from worldsim.envs.registration import register_envs  # noqa: PLC0415

    register_envs()


_register_envs()
