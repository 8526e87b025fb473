"""Learning libraries: each accepts an environment and learns from it for a moment."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import gymnasium

import worldsim  # noqa: F401  # registers the ids
from worldsim.envs.float_image import FloatImage

TRUTH = "worldsim/Blocks-v0"
SMALL: dict[str, Any] = {"size": (64, 64), "fast": True}
LEARNED_STEPS = 256


def sb3_finds_no_fault(_: Path) -> str:
    """Stable-Baselines3's checker accepts the true world."""
    from stable_baselines3.common.env_checker import check_env

    check_env(gymnasium.make(TRUTH, **SMALL).unwrapped, warn=True)
    return TRUTH


def sb3_learns(_: Path) -> str:
    """PPO learns from worlds that step together."""
    from stable_baselines3 import PPO

    from worldsim.envs.sb3 import make_sb3

    envs = make_sb3(TRUTH, 2, **SMALL)
    model = PPO("CnnPolicy", envs, n_steps=LEARNED_STEPS // 2, batch_size=64, n_epochs=1, seed=0)
    steps = model.learn(LEARNED_STEPS).num_timesteps
    envs.close()
    assert steps == LEARNED_STEPS
    return f"PPO, {steps} steps"


def torchrl_finds_no_fault(_: Path) -> str:
    """TorchRL's checker accepts one world, and worlds that step together; both can be rolled out.

    TorchRL takes no vector environment that begins anew a step late: "SameStep" it must be.
    """
    from torchrl.envs import GymWrapper
    from torchrl.envs.utils import check_env_specs

    one = GymWrapper(gymnasium.make(TRUTH, **SMALL))
    check_env_specs(one)
    assert one.rollout(5)["pixels"].shape == (5, 64, 64, 3)
    one.close()
    together = gymnasium.make_vec(
        TRUTH,
        2,
        vectorization_mode="vector_entry_point",
        autoreset_mode="SameStep",
        max_episode_steps=4,
        **SMALL,
    )
    many = GymWrapper(together)
    check_env_specs(many)
    rolled = many.rollout(6, break_when_any_done=False)
    assert rolled["next", "truncated"].sum() == 2, "both episodes are truncated once"
    many.close()
    return "one world, and two together"


def rllib_learns(_: Path) -> str:
    """One iteration of RLlib's PPO with its default network, over float pictures."""
    from ray.rllib.algorithms.ppo import PPOConfig
    from ray.tune.registry import register_env

    ray: Any = import_module("ray")  # what it offers at its top is not typed
    ray.init(num_cpus=1, include_dashboard=False)
    register_env("worldsim-floats", lambda _: FloatImage(gymnasium.make(TRUTH, **SMALL)))
    config = (
        PPOConfig()
        .environment("worldsim-floats")
        .env_runners(num_env_runners=0, rollout_fragment_length=32)
        .training(train_batch_size_per_learner=64, minibatch_size=32, num_epochs=1)
    )
    algorithm = config.build_algo()
    learned = algorithm.train()
    algorithm.stop()
    ray.shutdown()
    steps = int(learned["num_env_steps_sampled_lifetime"])
    assert steps >= 64
    return f"PPO, {steps} steps"
