"""The clip a dream starts from: one look around a true world."""

from __future__ import annotations

from typing import Final

from worldsim.camera import Intrinsics
from worldsim.envs.blocks.world import BlockWorld
from worldsim.types import Action, Clip

_VIEWS: Final = 8
_STILL: Final = 2


def start_clip(
    seed: int, *, scene: str | None = None, intrinsics: Intrinsics | None = None
) -> Clip:
    """Eight turns of 45 degrees to the right, back to the first view, then two still frames."""
    world = BlockWorld(intrinsics, task=None)
    try:
        world.prepare(seed=seed, scene=scene)
        return look_around(world)
    finally:
        world.close()


def look_around(world: BlockWorld) -> Clip:
    """The same from wherever a world's player stands; 10 ticks pass."""
    actions = (Action(yaw_deg=360.0 / _VIEWS),) * _VIEWS + (Action(),) * _STILL
    first = world.observe()
    return Clip((first, *(world.step(action).observation for action in actions)), actions)
