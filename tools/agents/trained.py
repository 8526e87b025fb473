"""Agents that have learned, as players. Stable-Baselines3 loads only when one is wanted."""

from __future__ import annotations

from pathlib import Path

from worldsim.errors import BackendError, ConfigError
from worldsim.tools.agents.players import Player
from worldsim.tools.agents.run_folder import read_settings


def trained(folder: Path, *, ticks_of_a_step: int, name: str | None = None) -> Player:
    """The agent of a run, for worlds whose steps are of so many ticks.

    Raises:
        BackendError: Stable-Baselines3 is missing.
        CheckpointError: the folder holds no agent.
        ConfigError: the steps do not fit the ticks for which the agent holds a choice.
    """
    require_rl()
    from worldsim.tools.agents.keeper import AGENT_FILE
    from worldsim.tools.agents.learner import Agent, load_learner

    held = read_settings(folder).hold
    if held % ticks_of_a_step:
        raise ConfigError(
            f"steps into which {held} ticks divide", f"steps of {ticks_of_a_step}", "Pass another."
        )
    learner = load_learner(folder / AGENT_FILE)
    return Agent(learner, name=name or folder.name, hold=held // ticks_of_a_step)


def require_rl() -> None:
    """Raise BackendError unless Stable-Baselines3 is there."""
    try:
        import stable_baselines3  # noqa: F401
    except ImportError as error:
        raise BackendError(
            "Stable-Baselines3 for agents that learn", "none", "pip install 'worldsim-engine[rl]'"
        ) from error
