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

LOOKS = 2  # the second one begins with what the first has imagined


@torch.inference_mode()
def warm_up(dreamer: Dreamer, world: DreamWorld) -> None:
    """Dream a frame, see what it brought, look ahead, recall that: a copy of a world will do."""
    with traces_at_once():
        advance(dreamer, [world], [Action(forward=True, yaw_deg=1.0)], [None])
        chances(dreamer, [world])
        if dreamer.model.outpainter.is_trained:
            for _ in range(LOOKS):
                look_at_once(dreamer, world, world.observation.pose)
        if world.imagined is not None:
            dreamer.prepared.recalled(world.imagined, world.anchor)
