"""What a dreamed tick brought, as the event head finds it in what memory knows around the body."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from worldsim.engine.assemble import Dreamer
from worldsim.engine.dream_world import DreamWorld, take
from worldsim.engine.surroundings import Around, batched, look_around, taken_at

LIKELY = 0.5  # what is more likely than this has happened


@dataclass(frozen=True, slots=True)
class Chances:
    """Probabilities that a tick was rewarded (a gem taken) and ended (the beacon in reach)."""

    reward: float
    end: float


@torch.inference_mode()
def chances(dreamer: Dreamer, worlds: Sequence[DreamWorld]) -> list[Chances]:
    """Of the last tick of each world; they follow from the world's state alone."""
    head = dreamer.model.event_head
    if not head.is_trained:
        return [Chances(LIKELY, LIKELY) for _ in worlds]
    told = batched([_around(dreamer, world) for world in worlds])
    logits = head(*(part.to(dreamer.device) for part in told))
    return [Chances(reward, end) for reward, end in logits.sigmoid().tolist()]


def settle(
    world: DreamWorld, before: Chances, now: Chances
) -> tuple[float, bool]:  # reward, terminated
    """What the last tick of a world pays and whether it ends the episode; what is paid is gone."""
    reward, terminated = outcome(before, now)
    if reward:
        take(world, taken_at(world.observation.pose, world.frame))
    return reward, terminated


def outcome(before: Chances, now: Chances) -> tuple[float, bool]:  # reward, terminated
    """What a tick pays and whether it ends the episode.

    Only a chance that rises is paid: a gem may stay in a dream that has taken it, and standing in
    it must not pay for ever.
    """
    return float(now.reward > LIKELY >= before.reward), now.end > LIKELY


def _around(dreamer: Dreamer, world: DreamWorld) -> Around:
    earlier = [taken for taken in world.taken if taken.frame < world.frame]
    return look_around(dreamer.prepared, world.memory, world.observation, world.move, earlier)
