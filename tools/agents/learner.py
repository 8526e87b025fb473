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
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper, VecMonitor
from torch import Tensor, nn
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
from worldsim.tools.agents.worlds import Begun, View
from worldsim.types import Action

FEATURES: Final = 128
PPO_SETTINGS: Final[dict[str, Any]] = {  # few steps and much use of each: a dream is slow
    "n_steps": 64,
    "batch_size": 128,
    "n_epochs": 4,
    "learning_rate": 5e-4,
    "gamma": 0.97,
    "gae_lambda": 0.9,
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


class SmallEyes(BaseFeaturesExtractor):
    """Three convolutions for pictures of some 48 x 30 pixels."""

    def __init__(self, space: gymnasium.spaces.Box) -> None:
        super().__init__(space, FEATURES)
        self._convolutions = nn.Sequential(
            nn.Conv2d(space.shape[0], 16, 5, 2, 2),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(32, 32, 3, 2, 1),
            nn.ReLU(),
            nn.Flatten(),
        )
        with torch.no_grad():
            flat = self._convolutions(torch.zeros(1, *space.shape)).shape[1]
        self._head = nn.Sequential(nn.Linear(flat, FEATURES), nn.ReLU())

    def forward(
        self,
        rgb: Tensor,  # [B, C, H, W] in [0, 1]
    ) -> Tensor:  # [B, FEATURES]
        features: Tensor = self._head(self._convolutions(rgb))
        return features


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
    policy = {"features_extractor_class": SmallEyes, "net_arch": []}
    return PPO("CnnPolicy", envs, seed=seed, device="cpu", policy_kwargs=policy, **PPO_SETTINGS)


def save_learner(learner: BaseAlgorithm, path: Path) -> None:
    """Weights, optimiser and steps done; `path` holds the old ones or all of the new."""
    buffer = io.BytesIO()
    learner.save(buffer)
    replace_file(path, buffer.getvalue())


def load_learner(path: Path, envs: VecEnv | None = None) -> PPO:
    """The inverse of `save_learner`; with environments, to learn on.

    Raises:
        CheckpointError: there is none, or it is damaged, or the environments do not fit it.
    """
    try:
        return PPO.load(path, env=envs, device="cpu")
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
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
