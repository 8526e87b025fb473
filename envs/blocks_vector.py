"""True block worlds as one vector environment: all pictures come from one render."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from worldsim.envs.base import Start
from worldsim.envs.blocks_env import BlocksEnv
from worldsim.envs.vector import Move, WorldVectorEnv
from worldsim.types import Action, Observation, StepResult

if TYPE_CHECKING:
    from worldsim.envs.blocks.world import BlockWorld


class BlocksVectorEnv(WorldVectorEnv):
    """`num_envs` of `worldsim/Blocks-v0` or of one of its tasks; see `BlocksEnv`.

    Equal to `SyncVectorEnv` over the same id, bit for bit.
    """

    def make_envs(self, count: int) -> list[BlocksEnv]:
        """See the base class."""
        return [BlocksEnv(**self.arguments) for _ in range(count)]

    def turn(self, moves: Sequence[Move]) -> list[StepResult | None]:
        """See the base class; the first world's renderer draws for all, last ticks alone."""
        worlds = [cast("BlockWorld", env.world) for env in self.envs]
        outcomes = [
            _moved(world, move, self.action_repeat)
            for world, move in zip(worlds, moves, strict=True)
        ]
        moved = [i for i, outcome in enumerate(outcomes) if outcome is not None]
        frames = worlds[0].draw([worlds[i].sight(worlds[i].pose) for i in moved])
        results: list[StepResult | None] = [None] * len(worlds)
        for row, i in enumerate(moved):
            seen = Observation(frames.rgb[row], frames.depth[row], worlds[i].pose)
            results[i] = StepResult(seen, *(outcomes[i] or ()))
        return results


def _moved(
    world: BlockWorld, move: Move, ticks: int
) -> tuple[float, bool] | None:  # reward, terminated
    if isinstance(move, Action):
        return _advanced(world, move, ticks)
    if isinstance(move, Start):
        world.prepare(seed=move.seed, scene=move.scene)
        return 0.0, False
    return None


def _advanced(world: BlockWorld, action: Action, ticks: int) -> tuple[float, bool]:
    """The sum of the rewards; nothing moves after the end."""
    total, terminated = world.advance(action)
    for _ in range(ticks - 1):
        if terminated:
            break
        reward, terminated = world.advance(action)
        total += reward
    return total, terminated
