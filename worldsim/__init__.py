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
from pathlib import Path
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


def _find_mapped_folders() -> None:
    """In a checkout, let `worldsim.envs` and the like be the folders beside this one.

    An installed package has them inside it. Python started in a checkout's root finds this copy
    of the package first, whether or how the project is installed.
    """
    here = Path(__file__).parent
    if not (here / "envs").is_dir():
        __path__.append(str(here.parent))


def _register_envs() -> None:
    if find_spec("gymnasium") is None:  # a training machine may do without
        return
    from worldsim.envs.registration import register_envs

    register_envs()


_find_mapped_folders()
_register_envs()
