"""A task, how long it may take, and what an agent sees of it, in the truth or in a dream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, cast

import gymnasium
from gymnasium.vector import AutoresetMode

import worldsim  # noqa: F401  # registers the ids
from worldsim.envs.vector import WorldVectorEnv
from worldsim.errors import ConfigError

WorldName = Literal["real", "dream"]
TaskName = Literal["reach", "gems", "return", "explore", "maze"]

MEASURED_SEEDS: Final = 5_000_000  # from here on: starts that nobody learns from
IDS: Final = {"real": "worldsim/Blocks-v0", "dream": "worldsim/Dream-v0"}


@dataclass(frozen=True, kw_only=True)
class CourseConfig:
    """What is to be done; the same in truth and dream."""

    task: TaskName = "reach"
    """Its rewards are the environments' own."""
    horizon: int = 300
    """Ticks of 1/20 s until an episode is cut off."""
    size: tuple[int, int] = (48, 30)
    """Width and height of the RGB pictures that the agent sees, pixels; nothing else is seen."""
    fast: bool = False
    """In the truth, draw at that size, one ray a pixel: seven times faster, with jagged edges."""
    checkpoint: str = "default"
    """The model that dreams, by name or path."""
    device: str = "auto"
    """Where it dreams: auto, cpu or cuda."""

    def __post_init__(self) -> None:
        if self.horizon < 1 or min(self.size) < 1:
            raise ConfigError(
                "a horizon and a size above 0",
                f"{self.horizon} ticks, {self.size}",
                "Correct the settings.",
            )


def make_worlds(
    course: CourseConfig, world: WorldName, count: int, **arguments: Any
) -> WorldVectorEnv:
    """`count` worlds that move together. Nothing ends their episodes but their task.

    Args:
        arguments: further ones of the environment, as `memory` of a dream.
    """
    envs = gymnasium.make_vec(
        IDS[world],
        count,
        vectorization_mode="vector_entry_point",
        autoreset_mode=AutoresetMode.DISABLED.value,
        **environment_arguments(course, world),
        **arguments,
    )
    return cast(WorldVectorEnv, envs.unwrapped)


def environment_arguments(course: CourseConfig, world: WorldName) -> dict[str, Any]:
    """What an environment of this course is made with."""
    shared = {"task": course.task, "size": course.size, "action_view": "box"}
    if world == "real":
        return {**shared, "fast": course.fast}
    return {**shared, "checkpoint": course.checkpoint, "device": course.device}
