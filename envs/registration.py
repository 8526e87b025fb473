"""Registers the environment ids with Gymnasium; entry points are strings: nothing heavy loads."""

from __future__ import annotations

from typing import Any

import gymnasium

MAX_EPISODE_STEPS = 1000

ENTRY_POINTS = {  # one environment, many
    "Blocks": ("worldsim.envs.blocks_env:BlocksEnv", "worldsim.envs.blocks_vector:BlocksVectorEnv"),
    "Dream": ("worldsim.envs.dream_env:DreamEnv", "worldsim.envs.dream_vector:DreamVectorEnv"),
}
TASKS: dict[str, tuple[int, dict[str, Any]]] = {  # steps of an episode, arguments
    "": (MAX_EPISODE_STEPS, {}),
    "Reach": (MAX_EPISODE_STEPS, {"task": "reach"}),
    "Gems": (600, {"task": "gems"}),
    "Return": (MAX_EPISODE_STEPS, {"task": "return"}),
    "Explore": (600, {"task": "explore"}),
    "Build": (400, {"task": "build", "action_view": "multidiscrete"}),
    "Maze": (MAX_EPISODE_STEPS, {"task": "maze"}),
}
IDS = tuple(f"worldsim/{kind}{task}-v0" for kind in ENTRY_POINTS for task in TASKS)


def register_envs() -> None:
    """Make the ids known to `gymnasium.make`; calling it again changes nothing."""
    for kind, (one, many) in ENTRY_POINTS.items():
        for task, (steps, arguments) in TASKS.items():
            env_id = f"worldsim/{kind}{task}-v0"
            if env_id not in gymnasium.registry:
                gymnasium.register(
                    env_id,
                    entry_point=one,
                    vector_entry_point=many,
                    max_episode_steps=steps,
                    kwargs=dict(arguments),
                )
