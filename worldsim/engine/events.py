"""What a dreamed tick brought, as the event head finds it in what memory knows around the body."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from worldsim.engine.assemble import Dreamer
from worldsim.engine.dream_world import DreamWorld
from worldsim.engine.surroundings import displacement, padded, points_around

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
    clouds = [points_around(dreamer.prepared, world.memory, world.observation) for world in worlds]
    points, valid = padded(clouds)
    moves = [displacement(world.move, world.observation.pose) for world in worlds]
    told = (points, valid, torch.tensor(moves))
    logits = head(*(part.to(dreamer.device) for part in told))
    return [Chances(reward, end) for reward, end in logits.sigmoid().tolist()]


def outcome(before: Chances, now: Chances) -> tuple[float, bool]:  # reward, terminated
    """What a tick pays and whether it ends the episode.

    Only a chance that rises is paid: a gem may stay in a dream that has taken it, and standing in
    it must not pay for ever.
    """
    return float(now.reward > LIKELY >= before.reward), now.end > LIKELY
