"""What a dreamed tick brought, as the event head sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from worldsim.engine.assemble import Dreamer
from worldsim.engine.dream_world import DreamWorld

LIKELY = 0.5  # what is more likely than this has happened


@dataclass(frozen=True, slots=True)
class Chances:
    """Probabilities that a tick was rewarded (a gem taken) and ended (the beacon in reach)."""

    reward: float
    end: float


@torch.inference_mode()
def chances(dreamer: Dreamer, worlds: Sequence[DreamWorld]) -> list[Chances]:
    """Of the last tick of each world; they follow from the world's state alone."""
    tokens = torch.stack([world.tokens for world in worlds])
    moves = torch.tensor([world.move for world in worlds], device=dreamer.device)
    logits = dreamer.model.event_head(tokens, moves)
    return [Chances(reward, end) for reward, end in logits.sigmoid().tolist()]


def outcome(before: Chances, now: Chances) -> tuple[float, bool]:  # reward, terminated
    """What a tick pays and whether it ends the episode.

    Only a chance that rises is paid: a gem may stay in a dream that has taken it, and standing in
    it must not pay for ever.
    """
    return float(now.reward > LIKELY >= before.reward), now.end > LIKELY
