"""Warming up: what is done once, such as traces, is done before the first tick.

Otherwise five of the first hundred ticks take 0.1 to 0.3 s longer than the others.
"""

from __future__ import annotations

import torch

from worldsim.engine.assemble import Dreamer
from worldsim.engine.dream import advance
from worldsim.engine.dream_world import DreamWorld
from worldsim.engine.events import chances
from worldsim.engine.imagine import look_at_once
from worldsim.model.traced import traces_at_once
from worldsim.types import Action

ROUNDS = 2  # in the second one the last frame is a dream, and a look begins with the one before it


@torch.inference_mode()
def warm_up(dreamer: Dreamer, world: DreamWorld) -> None:
    """Look ahead, dream a frame, see what it brought, recall that: a copy of a world will do."""
    with traces_at_once():
        for _ in range(ROUNDS):
            if dreamer.model.outpainter.is_trained:
                look_at_once(dreamer, world, world.observation.pose)
            advance(dreamer, [world], [Action(forward=True, yaw_deg=1.0)], [None])
        chances(dreamer, [world])
        if world.imagined is not None:
            dreamer.prepared.recalled(world.imagined, world.anchor)
