"""Judges a dream by the rules of the true world."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from worldsim.envs.blocks.blocks import SOLID, Block
from worldsim.envs.blocks.tasks import Sighting
from worldsim.envs.env_state import joined, parted
from worldsim.envs.shadow import Shadow
from worldsim.errors import StateError
from worldsim.types import Action, Clip, Pose

if TYPE_CHECKING:
    from worldsim.envs.blocks.world import BlockWorld

BURIED_M: Final = 3
HANGING_M: Final = 8


class Referee:
    """The true world of a dream, in which the dreamed player is followed.

    The player is put where the dream says that they are; hands and rewards are the true world's.
    So a gem counts when the dreamed player walks through its true place, and a plank where it
    would have been put, unless somebody tells what is seen of gems and beacon in the dream.

    Args:
        shadow: goes beside the dreamed player, in the truth; None for nobody.
    """

    def __init__(self, world: BlockWorld, shadow: Shadow | None = None) -> None:
        self._world, self._shadow = world, shadow

    @property
    def beacon(self) -> tuple[float, float, float]:  # metres
        return self._world.beacon

    @property
    def is_adrift(self) -> bool:
        """Whether the followed eye is under 3 m of true rock, or 8 m and more above anything.

        A dream whose player got there has lost touch with the land that it started from.
        """
        eye, voxels = self._world.pose, self._world.voxels
        x, y, z = math.floor(eye.x), math.floor(eye.y), math.floor(eye.z)
        buried = all(voxels.block(x, y + up, z) in SOLID for up in range(BURIED_M))
        below = (voxels.block(x, y - down, z) for down in range(1, HANGING_M + 1))
        return buried or all(block == Block.AIR for block in below)

    def begin(self, seed: int, scene: str | None) -> Clip:
        """Start the task of a seed; returns the look around from which to dream."""
        from worldsim.envs.blocks.start import look_around

        self._world.prepare(seed=seed, scene=scene)
        clip = look_around(self._world)
        self._world.prepare(seed=seed, scene=scene)
        if self._shadow is not None:
            self._shadow.begin(seed, scene)
        return clip

    def judge(
        self, action: Action, pose: Pose, seen: Sighting | None
    ) -> tuple[float, bool]:  # reward, terminated
        """One dreamed tick; `seen` is what was seen of gems and beacon, if anybody looked."""
        if self._shadow is not None:
            self._shadow.act(action)
        return self._world.follow(action, pose, seen)

    def beside(self) -> dict[str, Any]:
        """What the shadow tells; nothing without one."""
        return {} if self._shadow is None else self._shadow.info()

    def get_state(self) -> bytes:
        world = self._world.get_state()
        if self._shadow is None:
            return world
        return joined(world, self._shadow.get_state())

    def set_state(self, state: bytes) -> None:
        """Raises StateError for a damaged state, which changes nothing."""
        if self._shadow is None:
            self._world.set_state(state)
            return
        before, (world, shadow) = self._world.get_state(), parted(state)
        self._world.set_state(world)
        try:
            self._shadow.set_state(shadow)
        except StateError:
            self._world.set_state(before)
            raise

    def sibling(self) -> Referee:
        """Of another dream with the same task; they share a renderer."""
        shadow = None if self._shadow is None else self._shadow.sibling()
        return Referee(self._world.sibling(), shadow)

    def close(self) -> None:
        self._world.close()
