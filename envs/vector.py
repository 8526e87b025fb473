"""Many worlds as one vector environment: one render, or one forward of the model, for all.

The environments of a `WorldVectorEnv` are ordinary ones; only their worlds move together.
Everything else, seeds and infos included, is as with `gymnasium.vector.SyncVectorEnv`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array, iterate
from numpy.typing import NDArray

from worldsim.envs.base import Start, WorldEnv
from worldsim.envs.outputs import checked_output, to_arrays, to_tensors
from worldsim.errors import ActionError, ConfigError, StateError
from worldsim.types import Action, StepResult

Move = Start | Action | None  # what a world does next; None: it waits
Flags = NDArray[np.bool_]  # [B]


@dataclass(frozen=True, slots=True)
class VectorState:
    """A saved `WorldVectorEnv`: each environment's state, and how far its episode is."""

    states: tuple[bytes, ...]
    elapsed: tuple[int, ...]
    ended: tuple[bool, ...]


class WorldVectorEnv(VectorEnv[Any, Any, NDArray[Any]]):
    """Environments whose worlds move together; a subclass says how.

    Args:
        num_envs: how many.
        max_episode_steps: truncates longer episodes; None for no limit.
        autoreset_mode: "NextStep", "SameStep" or "Disabled", as Gymnasium defines them.
        action_repeat: for how many ticks a step holds its action. Rewards are summed, an end ends
            the step, and what is seen is the last frame. Time limits count steps.
        output: "numpy", or "torch" for tensors of observations, rewards and ends. The spaces stay
            Gymnasium's, and `infos` are arrays. Actions may be of either kind.
        arguments: of each environment.

    Raises:
        ConfigError: the mode or the output is unknown.
    """

    def __init__(
        self,
        num_envs: int = 1,
        max_episode_steps: int | None = None,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        action_repeat: int = 1,
        output: str = "numpy",
        **arguments: Any,
    ) -> None:
        self.arguments = arguments
        self.action_repeat = _checked_repeat(action_repeat)
        self.envs = tuple(self.make_envs(num_envs))
        self._output = checked_output(output)
        self.num_envs = len(self.envs)
        self.autoreset_mode = _checked_mode(autoreset_mode)
        self.metadata = {**self.envs[0].metadata, "autoreset_mode": self.autoreset_mode}
        self.render_mode = self.envs[0].render_mode
        self.single_action_space = self.envs[0].action_space
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.single_observation_space = self.envs[0].observation_space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self._max_episode_steps = max_episode_steps
        self._elapsed = np.zeros(self.num_envs, dtype=np.int64)
        self._ended = np.zeros(self.num_envs, dtype=np.bool_)
        self._begun = False

    @abstractmethod
    def make_envs(self, count: int) -> Sequence[WorldEnv]:
        """The environments, not yet reset; called once."""

    @property
    def device(self) -> torch.device:
        """Where the tensors of `output="torch"` are."""
        return torch.device("cpu")

    @abstractmethod
    def turn(self, moves: Sequence[Move]) -> list[StepResult | None]:
        """Move all worlds at once, those that act by `action_repeat` ticks.

        There is no result for a world that waits.
        """

    def adrift(self) -> Flags:  # [B]
        """Which worlds cannot go on; their episodes are truncated. By default none ever is."""
        return np.zeros(self.num_envs, dtype=np.bool_)

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Begin new episodes: everywhere, or where the option `reset_mask` is true.

        Args:
            seed: of the first environment, the next ones counting on; or one for each.
            options: `reset_mask` (bool, [B]), and what `WorldEnv.reset` takes.

        Raises:
            ConfigError: the number of seeds or the mask does not fit, or an option is unknown.
            ResetNeeded: the first reset leaves environments out.
        """
        options = dict(options or {})
        mask = _checked_mask(to_arrays(options.pop("reset_mask", None)), self.num_envs)
        if not (self._begun or mask.all()):
            raise ResetNeeded("No episode has begun yet; reset all environments first.")
        seeds = _seeds(seed, self.num_envs)
        starts: list[Move] = [
            env.begin(seed=seeds[i], options=options) if mask[i] else None
            for i, env in enumerate(self.envs)
        ]
        self._play(starts)
        self._begun = True
        self._elapsed[mask] = 0
        self._ended[mask] = False
        infos: dict[str, Any] = {}
        presented = [env.present() for env in self.envs]
        for i in np.flatnonzero(mask).tolist():
            infos = self._add_info(infos, presented[i][1], i)
        return self._batched([observation for observation, _ in presented]), infos

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """`action_repeat` ticks of every world; what has ended begins anew as the autoreset mode
        says.

        Raises:
            ActionError: there is not one element of the single action space for each world.
            ResetNeeded: no episode has begun, or without autoreset one is over.
        """
        fresh = self._to_be_reset()
        results = self._play(self._moves(actions, fresh))
        rewards = np.array([0.0 if r is None else r.reward for r in results], dtype=np.float64)
        terminated = np.array([r is not None and r.terminated for r in results], dtype=np.bool_)
        self._elapsed = np.where(fresh, 0, self._elapsed + 1)
        truncated = ~fresh & (self._over_time() | self.adrift())
        self._ended = terminated | truncated
        presented = [env.present() for env in self.envs]
        infos: dict[str, Any] = {}
        if self.autoreset_mode is AutoresetMode.SAME_STEP and self._ended.any():
            infos, presented = self._begin_anew(presented)
        for i, (_, info) in enumerate(presented):
            infos = self._add_info(infos, info, i)
        batch = self._batched([observation for observation, _ in presented])
        return batch, *map(self._out, (rewards, terminated, truncated)), infos

    def render(self) -> tuple[Any, ...]:
        """What each environment renders, at its world's own size."""
        return tuple(env.render() for env in self.envs)

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Call a method of every environment, or read an attribute."""
        found = [env.get_wrapper_attr(name) for env in self.envs]
        return tuple(each(*args, **kwargs) if callable(each) else each for each in found)

    def get_state(self) -> VectorState:
        """Everything that decides the next frames of all worlds."""
        return VectorState(
            tuple(env.get_state() for env in self.envs),
            tuple(self._elapsed.tolist()),
            tuple(self._ended.tolist()),
        )

    def set_state(self, state: VectorState) -> Any:
        """Continue from a state of `get_state`; returns the observations it was saved at.

        Raises:
            StateError: the state is of another number of environments, or one of them is damaged.
        """
        if len(state.states) != self.num_envs:
            raise StateError(
                f"a state of {self.num_envs} environments",
                f"one of {len(state.states)}",
                "Make as many environments as there were.",
            )
        batch = [env.set_state(one) for env, one in zip(self.envs, state.states, strict=True)]
        self._elapsed, self._ended = np.array(state.elapsed), np.array(state.ended)
        self._begun = True
        return self._batched(batch)

    def close_extras(self, **_: Any) -> None:
        """Release the worlds."""
        for env in self.envs:
            env.close()

    def _to_be_reset(self) -> Flags:
        if not self._begun:
            raise ResetNeeded("No episode has begun yet; call reset() first.")
        if self.autoreset_mode is AutoresetMode.DISABLED and self._ended.any():
            raise ResetNeeded(
                f"The episodes of {np.flatnonzero(self._ended).tolist()} are over; call "
                'reset(options={"reset_mask": terminated | truncated}) first.'
            )
        return self._ended & (self.autoreset_mode is AutoresetMode.NEXT_STEP)

    def _moves(self, actions: Any, fresh: Flags) -> list[Move]:
        """Actions are read before anything begins: a wrong one changes nothing."""
        choices = list(iterate(self.action_space, to_arrays(actions)))
        if len(choices) != self.num_envs:
            raise ActionError(
                f"one action for each of {self.num_envs} environments",
                f"{len(choices)} actions",
                "Sample from action_space.",
            )
        moves: list[Move] = [
            None if fresh[i] else env.decode(choices[i]) for i, env in enumerate(self.envs)
        ]
        return [
            env.begin() if fresh[i] else move
            for i, (env, move) in enumerate(zip(self.envs, moves, strict=True))
        ]

    def _play(self, moves: Sequence[Move]) -> list[StepResult | None]:
        results = self.turn(moves)
        for env, result in zip(self.envs, results, strict=True):
            if result is not None:
                env.accept(result)
        return results

    def _begin_anew(
        self, presented: list[tuple[Any, dict[str, Any]]]
    ) -> tuple[dict[str, Any], list[tuple[Any, dict[str, Any]]]]:
        """Reset what has ended; its last observation and info move to `final_...`."""
        infos: dict[str, Any] = {}
        for i in np.flatnonzero(self._ended).tolist():
            observation, info = presented[i]
            infos = self._add_info(infos, {"final_obs": observation, "final_info": info}, i)
        ended = self._ended.copy()
        self._play([env.begin() if ended[i] else None for i, env in enumerate(self.envs)])
        self._elapsed[ended], self._ended[ended] = 0, False
        anew = [env.present() if ended[i] else presented[i] for i, env in enumerate(self.envs)]
        return infos, anew

    def _over_time(self) -> Flags:
        if self._max_episode_steps is None:
            return np.zeros(self.num_envs, dtype=np.bool_)
        over: Flags = self._elapsed >= self._max_episode_steps
        return over

    def _batched(self, observations: Sequence[Any]) -> Any:
        space = self.single_observation_space
        out: Any = create_empty_array(space, self.num_envs)
        return self._out(concatenate(space, observations, out))

    def _out(self, batch: Any) -> Any:
        return to_tensors(batch, self.device) if self._output == "torch" else batch


def _checked_mode(mode: str | AutoresetMode) -> AutoresetMode:
    modes = [known.value for known in AutoresetMode]
    if not isinstance(mode, AutoresetMode) and mode not in modes:
        raise ConfigError(f"autoreset_mode to be one of {modes}", repr(mode), "Choose one of them.")
    return AutoresetMode(mode)


def _checked_repeat(ticks: int) -> int:
    if not isinstance(ticks, int) or ticks < 1:
        raise ConfigError(
            "action_repeat to be a whole number of ticks from 1", repr(ticks), "Pass 4, say."
        )
    return ticks


def _checked_mask(mask: Any, count: int) -> Flags:
    if mask is None:
        return np.ones(count, dtype=np.bool_)
    fits = isinstance(mask, np.ndarray) and mask.shape == (count,) and mask.dtype == np.bool_
    if not fits or not mask.any():
        raise ConfigError(
            f"reset_mask to be a bool array of shape ({count},), true somewhere",
            repr(mask),
            "Pass for example terminated | truncated.",
        )
    return mask


def _seeds(seed: int | Sequence[int | None] | None, count: int) -> list[int | None]:
    if seed is None:
        return [None] * count
    if isinstance(seed, (int, np.integer)):
        return [int(seed) + i for i in range(count)]
    if len(seed) != count:
        raise ConfigError(f"{count} seeds", f"{len(seed)}", "Pass one for each environment.")
    return list(seed)
