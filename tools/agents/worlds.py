"""Episodes side by side: one in each world of a vector environment, whoever has ended waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldsim.envs.vector import Move, WorldVectorEnv
from worldsim.errors import ConfigError
from worldsim.types import Action, Pose


@dataclass(frozen=True, slots=True)
class View:
    """What a player gets of its world."""

    rgb: NDArray[np.uint8]  # [H, W, 3]
    pose: Pose  # of the eye, as this world has it


@dataclass(frozen=True, slots=True)
class Begun:
    """An episode that has begun."""

    seed: int  # of the environment: all that is drawn for this episode follows from it
    world_seed: int  # of its land


class Worlds:
    """Owns a vector environment, and whose episode is over.

    Reset by seed or by state, never by the environment itself: a world whose episode is over
    costs nothing.
    """

    def __init__(self, envs: WorldVectorEnv) -> None:
        self.envs = envs
        self.ended = np.zeros(0, dtype=np.bool_)  # [B], of the worlds in use

    @property
    def capacity(self) -> int:
        return self.envs.num_envs

    @property
    def action_repeat(self) -> int:
        """Ticks for which every action is held."""
        return self.envs.action_repeat

    def begin(self, seeds: Sequence[int]) -> list[Begun]:
        """An episode for each seed, in the first worlds."""
        self._require_room(len(seeds))
        starts = [env.begin(seed=seed) for env, seed in zip(self.envs.envs, seeds, strict=False)]
        self.ended = np.zeros(len(seeds), dtype=np.bool_)
        self._move(starts)
        return [
            Begun(seed, start.seed)
            for seed, start in zip(seeds, starts, strict=True)
            if start is not None
        ]

    def branch(self, state: bytes, count: int) -> None:
        """Put the first `count` worlds at a moment that `state` returned."""
        self._require_room(count)
        for env in self.envs.envs[:count]:
            env.set_state(state)
        self.ended = np.zeros(count, dtype=np.bool_)

    def state(self, index: int = 0) -> bytes:
        """Everything that decides the future of a world."""
        return self.envs.envs[index].get_state()

    def act(
        self, actions: Sequence[Action]
    ) -> NDArray[np.float64]:  # [B] rewards, 0 where the episode is over
        """One step of every world whose episode is not over."""
        moves = [None if over else move for over, move in zip(self.ended, actions, strict=True)]
        return self._move(moves)

    def returns(
        self, state: bytes, sequences: Sequence[Sequence[Action]], discount: float = 1.0
    ) -> NDArray[np.float64]:  # [sequences]
        """Discounted sums of rewards, each sequence from the very same moment.

        Args:
            sequences: of one length, an action for every step.
        """
        found = []
        for at in range(0, len(sequences), self.capacity):
            batch = sequences[at : at + self.capacity]
            self.branch(state, len(batch))
            earned = (self.act(actions) for actions in zip(*batch, strict=True))
            found.append(sum(discount**t * rewards for t, rewards in enumerate(earned)))
        return np.concatenate(found)

    def views(self) -> list[View]:
        """What is seen in every world now."""
        seen = [env.present() for env in self.envs.envs[: len(self.ended)]]
        return [View(rgb, Pose(*info["pose"].tolist())) for rgb, info in seen]

    def close(self) -> None:
        self.envs.close()

    def _move(self, moves: Sequence[Move]) -> NDArray[np.float64]:
        waiting = [None] * (self.capacity - len(moves))
        results = self.envs.turn([*moves, *waiting])
        rewards = np.zeros(len(moves))
        for i, (env, result) in enumerate(zip(self.envs.envs, results, strict=True)):
            if result is not None:
                env.accept(result)
                rewards[i], self.ended[i] = result.reward, result.terminated
        return rewards

    def _require_room(self, count: int) -> None:
        if not 1 <= count <= self.capacity:
            raise ConfigError(
                f"1 to {self.capacity} episodes at once", f"{count}", "Make more worlds."
            )
