"""Registers the environment ids with Gymnasium; entry points are strings: nothing heavy loads."""

from __future__ import annotations

import gymnasium

MAX_EPISODE_STEPS = 1000

ENTRY_POINTS = {
    "worldsim/Blocks-v0": "worldsim.envs.blocks_env:BlocksEnv",
    "worldsim/Dream-v0": "worldsim.envs.dream_env:DreamEnv",
}


def register_envs() -> None:
    """Make the ids known to `gymnasium.make`; calling it again changes nothing."""
    for env_id, entry_point in ENTRY_POINTS.items():
        if env_id not in gymnasium.registry:
            gymnasium.register(env_id, entry_point=entry_point, max_episode_steps=MAX_EPISODE_STEPS)
