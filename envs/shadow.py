"""The truth beside a dream: the same actions, taken in the world that the dream began in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from worldsim.envs.observations import pose_row
from worldsim.errors import StateError
from worldsim.types import Action

if TYPE_CHECKING:
    from worldsim.envs.blocks.world import BlockWorld


class Shadow:
    """A true player who does what the dreamed one is told to, and is seen by nobody.

    The two part where the dream errs. When the true task has ended the true player stands still.

    Args:
        world: of the dream's task; it draws nothing.
    """

    def __init__(self, world: BlockWorld) -> None:
        self._world = world
        self._reward, self._terminated = 0.0, False

    def begin(self, seed: int, scene: str | None) -> None:
        """Start where the dream of a seed does."""
        self._world.prepare(seed=seed, scene=scene)
        self._reward, self._terminated = 0.0, False

    def act(self, action: Action) -> None:
        """One true tick."""
        self._reward = 0.0
        if not self._terminated:
            self._reward, self._terminated = self._world.advance(action)

    def info(self) -> dict[str, Any]:
        """For an environment's `info`: the true pose (as its `pose`), reward and end."""
        return {
            "shadow_pose": pose_row(self._world.pose),
            "shadow_reward": float(self._reward),
            "shadow_terminated": bool(self._terminated),
        }

    def get_state(self) -> bytes:
        state = {
            "world": self._world.get_state().decode(),
            "reward": float(self._reward),
            "terminated": bool(self._terminated),
        }
        return json.dumps(state).encode()

    def set_state(self, state: bytes) -> None:
        """Raises StateError for a damaged state, which changes nothing."""
        try:
            saved = json.loads(state)
            world = saved["world"].encode()
            reward, terminated = float(saved["reward"]), bool(saved["terminated"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StateError(
                "a state saved with shadow=True",
                f"{type(error).__name__}: {error}",
                "Restore it in an environment made as the one that saved it.",
            ) from error
        self._world.set_state(world)
        self._reward, self._terminated = reward, terminated

    def sibling(self) -> Shadow:
        """Of another dream with the same task."""
        return Shadow(type(self._world)(self._world.intrinsics, task=self._world.task))
