"""Dreamed worlds as one vector environment: all frames come from one forward of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from worldsim.envs.base import Start
from worldsim.envs.dream_env import DreamEnv, DreamTask
from worldsim.envs.vector import Move, WorldVectorEnv
from worldsim.types import Action, StepResult


class DreamVectorEnv(WorldVectorEnv):
    """`num_envs` of `worldsim/Dream-v0` or of one of its tasks; see `DreamEnv`.

    The model is loaded once. Equal to `SyncVectorEnv` over the same id but for rounding: sums over
    a batch are taken in another order. Two runs of one batch size are equal bit for bit.

    Args:
        end_adrift: truncate episodes whose player is where nobody can be; see `Referee.is_adrift`.
        arguments: of `WorldVectorEnv`, and of `DreamEnv`.
    """

    def __init__(
        self,
        num_envs: int = 1,
        max_episode_steps: int | None = None,
        *,
        end_adrift: bool = False,
        **arguments: Any,
    ) -> None:
        self._end_adrift = end_adrift
        super().__init__(num_envs, max_episode_steps, **arguments)

    def make_envs(self, count: int) -> list[DreamEnv]:
        """See the base class; each has one of the dreams that are dreamed together."""
        factories = [partial(self._dream, i) for i in range(count)]
        return [DreamEnv(**{**self.arguments, "world_factory": factory}) for factory in factories]

    @property
    def device(self) -> torch.device:
        """The model's."""
        from worldsim.engine.engine import choose_device

        return choose_device(self.arguments.get("device", "auto"))

    def turn(self, moves: Sequence[Move]) -> list[StepResult | None]:
        """See the base class; what starts is begun one world after the other."""
        results: list[StepResult | None] = [None] * len(moves)
        for i, move in enumerate(moves):
            if isinstance(move, Start):
                first = self._dreams[i].reset(seed=move.seed, scene=move.scene)
                results[i] = StepResult(first)
        acting = {i: move for i, move in enumerate(moves) if isinstance(move, Action)}
        for _ in range(self.action_repeat):
            for i, result in self._tick(acting).items():
                before = results[i]
                earned = 0.0 if before is None else before.reward
                results[i] = replace(result, reward=earned + result.reward)
                if result.terminated:
                    del acting[i]
        return results

    def _tick(self, acting: Mapping[int, Action]) -> dict[int, StepResult]:
        """One dreamed tick of the worlds that act, judged."""
        dreamed = _dreamed([self._dreams[i] for i in acting], list(acting.values()))
        return {
            i: self._dreams[i].judged(action, result)
            for (i, action), result in zip(acting.items(), dreamed, strict=True)
        }

    def adrift(self) -> NDArray[np.bool_]:  # [B]
        """See the base class."""
        if not self._end_adrift:
            return super().adrift()
        return np.array([dream.is_adrift for dream in self._dreams])

    @cached_property
    def _dreams(self) -> list[DreamTask]:
        first = cast(DreamTask, DreamEnv(**self.arguments).world)
        return first.batch(self.num_envs)

    def _dream(self, i: int) -> DreamTask:
        return self._dreams[i]


def _dreamed(dreams: Sequence[DreamTask], actions: Sequence[Action]) -> list[StepResult]:
    from worldsim.engine.engine import WorldEngine, step_together

    return step_together([cast(WorldEngine, dream.engine) for dream in dreams], actions)
