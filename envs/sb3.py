"""Stable-Baselines3 over a batched environment: it accepts no Gymnasium `VectorEnv` itself.

    envs = make_sb3("worldsim/Dream-v0", 8, size=(64, 64))
    stable_baselines3.PPO("CnnPolicy", envs).learn(100_000)

Needs the extra `rl`. The interface is described at
https://stable-baselines3.readthedocs.io/en/master/guide/vec_envs.html.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

import worldsim  # noqa: F401  # registers the ids
from worldsim.envs.vector import WorldVectorEnv
from worldsim.errors import ConfigError

Indices = int | Iterable[int] | None


def make_sb3(env_id: str, num_envs: int, **arguments: Any) -> SB3VecEnv:
    """`gymnasium.make_vec` for Stable-Baselines3.

    Args:
        env_id: one of worldsim's.
        arguments: of the environment.
    """
    envs = gymnasium.make_vec(
        env_id,
        num_envs,
        vectorization_mode="vector_entry_point",
        autoreset_mode=AutoresetMode.SAME_STEP.value,
        **arguments,
    )
    return SB3VecEnv(cast(WorldVectorEnv, envs.unwrapped))


class SB3VecEnv(VecEnv):
    """A `WorldVectorEnv` as Stable-Baselines3 wants it: lists of infos, ends in one flag.

    Raises:
        ConfigError: the environment does not begin anew in the step that ends an episode.
    """

    def __init__(self, envs: WorldVectorEnv) -> None:
        if envs.autoreset_mode is not AutoresetMode.SAME_STEP:
            raise ConfigError(
                'autoreset_mode="SameStep"', repr(envs.autoreset_mode.value), "Use make_sb3."
            )
        self._envs = envs
        self._actions: Any = None
        super().__init__(envs.num_envs, envs.single_observation_space, envs.single_action_space)

    def reset(self) -> Any:
        """Begin everywhere, with what `seed` and `set_options` were given."""
        if any(options != self._options[0] for options in self._options):
            raise ConfigError(
                "one set of reset options", f"{self._options}", "Pass set_options one mapping."
            )
        observations, infos = self._envs.reset(seed=self._seeds, options=self._options[0])
        self.reset_infos = _listed(infos, self.num_envs)
        self._reset_seeds()
        self._reset_options()
        return observations

    def step_async(self, actions: NDArray[Any]) -> None:
        self._actions = actions

    def step_wait(self) -> tuple[Any, NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """The step of `step_async`: observations, rewards, ends and infos."""
        observations, rewards, terminated, truncated, infos = self._envs.step(self._actions)
        ended = terminated | truncated
        last_infos = _listed(infos.pop("final_info", {}), self.num_envs)
        last_seen = infos.pop("final_obs", None)
        listed = _listed(infos, self.num_envs)
        for i in np.flatnonzero(ended).tolist():
            self.reset_infos[i] = listed[i]
            listed[i] = {**last_infos[i], "terminal_observation": last_seen[i]}
        for i, info in enumerate(listed):
            info["TimeLimit.truncated"] = bool(truncated[i] and not terminated[i])
        return observations, rewards.astype(np.float32), ended, listed

    def close(self) -> None:
        self._envs.close()

    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        return [env.get_wrapper_attr(attr_name) for env in self._chosen(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Indices = None) -> None:
        for env in self._chosen(indices):
            env.set_wrapper_attr(attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: Indices = None, **method_kwargs: Any
    ) -> list[Any]:
        methods = self.get_attr(method_name, indices)
        return [method(*method_args, **method_kwargs) for method in methods]

    def env_is_wrapped(
        self, wrapper_class: type[gymnasium.Wrapper[Any, Any, Any, Any]], indices: Indices = None
    ) -> list[bool]:
        """Never: the environments are bare; the time limit is the vector environment's own."""
        return [isinstance(env, wrapper_class) for env in self._chosen(indices)]

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        return self._envs.render()

    def _chosen(self, indices: Indices) -> list[gymnasium.Env[Any, Any]]:
        return [self._envs.envs[i] for i in self._get_indices(indices)]


def _listed(infos: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """A vector environment's infos, one mapping for each environment."""
    names = [name for name in infos if not name.startswith("_")]
    return [
        {name: _plain(infos[name][i]) for name in names if infos[f"_{name}"][i]}
        for i in range(count)
    ]


def _plain(value: Any) -> Any:
    """Numbers as Python's own, as environments alone would give them."""
    return value.item() if isinstance(value, np.generic) else value
