"""What a tick in the true world brings: the events that a dream's head learns to see."""

from __future__ import annotations

import math
from dataclasses import dataclass

from worldsim.envs.blocks.tasks import ARRIVAL_M
from worldsim.envs.blocks.world import BlockWorld
from worldsim.types import Action


@dataclass(frozen=True, slots=True)
class Happened:
    """The events of one tick, whatever the world's task."""

    reward: bool  # a gem was taken
    end: bool  # the eye is within 2 m of the beacon, over the ground


def advance_watched(world: BlockWorld, action: Action) -> Happened:
    """One tick of the world without a picture, and what it brought."""
    gems = world.gems
    world.advance(action)
    eye, beacon = world.pose, world.beacon
    distance_m = math.hypot(eye.x - beacon[0], eye.z - beacon[2])
    return Happened(world.gems > gems, distance_m <= ARRIVAL_M)
