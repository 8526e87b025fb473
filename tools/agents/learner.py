"""Stable-Baselines3 on a course: its environments, its network, and the agent that comes of it.

Needs the extra `rl`. The algorithm is PPO (Schulman et al. 2017, arXiv 1707.06347).
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, cast

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper, VecMonitor
from torch.distributions import Categorical

from worldsim.actions import to_box
from worldsim.envs.sb3 import make_sb3
from worldsim.errors import CheckpointError
from worldsim.record.output import replace_file
from worldsim.tools.agents.choices import ACTIONS
from worldsim.tools.agents.course import (
    IDS,
    MEASURED_SEEDS,
    CourseConfig,
    WorldName,
    environment_arguments,
)
from worldsim.tools.agents.two_sided import TwoSidedPolicy
from worldsim.tools.agents.worlds import Begun, View
from worldsim.types import Action

PPO_SETTINGS: Final[dict[str, Any]] = {  # few steps and much use of each: a dream is slow
    "n_steps": 32,
    "batch_size": 64,
    "n_epochs": 8,
    "learning_rate": 1e-3,
    "gamma": 0.95,  # 20 choices, about the way to a beacon
    # Shorter than usual: metres won and lost tell much about a choice at once, and are soon buried
    # under the luck of who arrives.
    "gae_lambda": 0.8,
    "ent_coef": 0.01,
}


class ChoiceEnvs(VecEnvWrapper):
    """Environments of the `box` view that take the number of one of `ACTIONS` instead."""

    def __init__(self, envs: VecEnv) -> None:
        super().__init__(envs, action_space=gymnasium.spaces.Discrete(len(ACTIONS)))
        self._rows = np.stack([to_box(action) for action in ACTIONS])

    def reset(self) -> Any:
        return self.venv.reset()

    def step_async(
        self,
        actions: NDArray[np.int64],  # [B]
    ) -> None:
        self.venv.step_async(self._rows[actions])

    def step_wait(self) -> Any:
        return self.venv.step_wait()


def training_envs(
    course: CourseConfig, world: WorldName, count: int, *, hold: int, seed: int, steps_done: int
) -> VecEnv:
    """Environments for a learner; a run that goes on meets lands that it has not met before.

    Episodes are cut off at the horizon, and in a dream as soon as the player is adrift
    (`Referee.is_adrift`).
    """
    lost = {"end_adrift": True} if world == "dream" else {}
    envs = make_sb3(
        IDS[world],
        count,
        max_episode_steps=-(-course.horizon // hold),
        action_repeat=hold,
        **environment_arguments(course, world),
        **lost,
    )
    mixed = int(np.random.SeedSequence((seed, steps_done)).generate_state(1)[0])
    monitored = VecMonitor(ChoiceEnvs(envs))
    monitored.seed(mixed % (MEASURED_SEEDS - count))
    return monitored


def new_learner(envs: VecEnv, seed: int) -> PPO:
    """An untrained one."""
    return PPO(TwoSidedPolicy, envs, seed=seed, device="cpu", **PPO_SETTINGS)


def save_learner(learner: BaseAlgorithm, path: Path) -> None:
    """Weights, optimiser and steps done; `path` holds the old ones or all of the new."""
    buffer = io.BytesIO()
    learner.save(buffer)
    replace_file(path, buffer.getvalue())


def load_learner(path: Path, envs: VecEnv | None = None) -> PPO:
    """The inverse of `save_learner`; with environments, to learn on.

    Raises:
        CheckpointError: there is none, or it is damaged or of another network, or the
            environments do not fit it.
    """
    try:
        return PPO.load(path, env=envs, device="cpu")
    except (OSError, ValueError, KeyError, RuntimeError, zipfile.BadZipFile) as error:
        raise CheckpointError(
            "an agent saved by train_agent", f"{path}: {error}", "Train it again."
        ) from error


class Agent:
    """A trained policy as a player: it sees the picture alone.

    It draws its choices as in training, each episode by dice of its own seed.

    Args:
        hold: steps of its worlds for which a choice is held.
    """

    def __init__(self, learner: PPO, *, name: str, hold: int) -> None:
        self.name = name
        self._policy = learner.policy.eval()
        self._hold = hold

    def begin(self, begun: Sequence[Begun]) -> None:
        self._dice = [np.random.default_rng((episode.seed, 2)) for episode in begun]
        self._step = 0

    def act(self, views: Sequence[View]) -> list[Action]:
        if self._step % self._hold == 0:
            self._held = self._choose(np.stack([view.rgb for view in views]))
        self._step += 1
        return self._held

    @torch.no_grad()
    def _choose(
        self,
        rgb: NDArray[np.uint8],  # [B, H, W, 3]
    ) -> list[Action]:
        seen, _ = self._policy.obs_to_tensor(rgb)
        choice = cast(Categorical, self._policy.get_distribution(seen).distribution)
        sums_BA = choice.probs.double().numpy().cumsum(axis=1)
        drawn = [
            int(np.searchsorted(sums, dice.random() * sums[-1], side="right"))
            for dice, sums in zip(self._dice, sums_BA, strict=True)
        ]
        return [ACTIONS[choice] for choice in drawn]
