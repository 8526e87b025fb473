"""What the event head learns from: true walks, as memory would know the places around the body.

No model is needed for them: memory is filled with true frames, a tick at a time, as in play. Dreams
are less exact in place and colour, so both are disturbed; and no side is better than another.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worldsim.camera import Intrinsics
from worldsim.engine.hints import TRUST_REAL
from worldsim.engine.prepared import Preparations
from worldsim.engine.surroundings import displacement, padded, points_around
from worldsim.evaluate.events import average_precision
from worldsim.memory.bank import MemoryBank
from worldsim.model.heads import EVENTS
from worldsim.model.world_model import WorldModel
from worldsim.train.data import Episode
from worldsim.train.losses import event_loss

BATCH, EPISODES_A_BATCH = 192, 24
KEPT_EPISODES, QUIET_KEPT = 1000, 0.3  # and the share of ticks without an event
SHIFT_M, GRAIN_M = 0.03, 0.01  # disturbances of all points together, and of each
TINT, SPECKLE = 0.05, 0.03  # the same of colours, which go from 0 to 1
PALEST, STRONGEST = 0.6, 1.1  # contrast
MOST_DROPPED = 0.5  # share of points


@dataclass(frozen=True, slots=True)
class EventSamples:
    """Inputs and targets of N ticks."""

    points: Tensor  # [N, POINTS, POINT_SIZE]
    valid: Tensor  # [N, POINTS] bool
    move: Tensor  # [N, MOVE_SIZE]
    events: Tensor  # [N, len(EVENTS)] 0 or 1

    def __len__(self) -> int:
        return len(self.points)

    def rows(self, chosen: Tensor) -> EventSamples:
        return EventSamples(*(getattr(self, name)[chosen] for name in self.__slots__))

    def to(self, device: torch.device) -> EventSamples:
        return EventSamples(*(getattr(self, name).to(device) for name in self.__slots__))


class EventLessons:
    """Owns the samples of the most recent episodes, and of those held out."""

    def __init__(self, model: WorldModel) -> None:
        self.model = model
        self._prepared = Preparations(model)
        self._kept: deque[EventSamples] = deque(maxlen=KEPT_EPISODES)
        self._held_out: EventSamples | None = None

    def hold_out(self, episodes: list[Episode]) -> None:
        """Of these the figures are."""
        if self._held_out is None:
            self._held_out = joined([self._samples(e, np.ones(len(e) - 1, bool)) for e in episodes])

    def take(self, episode: Episode, rng: np.random.Generator) -> None:
        """One more episode to learn from: all of its events, and some of the other ticks."""
        quiet = rng.random(len(episode) - 1) < QUIET_KEPT
        self._kept.append(self._samples(episode, quiet | episode.happened.any(axis=1)))

    def loss(self, rng: np.random.Generator) -> Tensor:  # []
        episodes = [
            self._kept[int(i)] for i in rng.integers(len(self._kept), size=EPISODES_A_BATCH)
        ]
        samples = joined(episodes)
        chosen = torch.from_numpy(rng.integers(len(samples), size=BATCH))
        batch = disturbed(samples.rows(chosen).to(self.model.stem.weight.device))
        logits = self.model.event_head(batch.points, batch.valid, batch.move)
        return event_loss(logits, batch.events)

    def scores(self, average: WorldModel) -> dict[str, float]:
        """Average precision and base rate of each event that happened at all."""
        assert self._held_out is not None, "evaluated before the first step"
        return event_aps(average, self._held_out.to(average.stem.weight.device))

    def _samples(self, episode: Episode, ticks: NDArray[np.bool_]) -> EventSamples:
        return event_samples(self._prepared, episode, self.model.config.intrinsics, ticks)


def event_samples(
    prepared: Preparations,
    episode: Episode,
    camera: Intrinsics,
    ticks: NDArray[np.bool_],  # [T] which of them
) -> EventSamples:
    """One sample for each chosen tick of a true walk."""
    memory, clouds, moves = MemoryBank(camera), [], []
    for t in range(len(episode)):
        seen = episode.observation(t)
        memory.insert(seen.rgb, seen.depth, seen.pose, t, TRUST_REAL)
        if t > 0 and ticks[t - 1]:
            clouds.append(points_around(prepared, memory, seen))
            moves.append(displacement(episode.moves[t - 1], seen.pose))
    happened = torch.from_numpy(episode.happened[ticks].astype(np.float32))
    return EventSamples(*padded(clouds), torch.tensor(np.array(moves, np.float32)), happened)


def joined(parts: list[EventSamples]) -> EventSamples:
    names = EventSamples.__slots__
    return EventSamples(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


def disturbed(samples: EventSamples) -> EventSamples:
    """Seen from another side, and as inexact, pale and sparse as a dream may be."""
    points, rows = samples.points, len(samples)

    def each(*size: int) -> Tensor:
        return torch.randn(rows, *size, device=points.device)

    turn = _sides(rows).to(points.device)
    places = points[..., :3] @ turn + SHIFT_M * each(1, 3) + GRAIN_M * each(points.shape[1], 3)
    contrast = PALEST + (STRONGEST - PALEST) * torch.rand(rows, 1, 1, device=points.device)
    colours = 0.5 + contrast * (points[..., 3:] - 0.5)
    colours = colours + TINT * each(1, 3) + SPECKLE * each(points.shape[1], 3)
    dropped = MOST_DROPPED * torch.rand(rows, 1, device=points.device)
    valid = samples.valid & (torch.rand_like(points[..., 0]) > dropped)
    move = (samples.move[:, None] @ turn)[:, 0]
    return EventSamples(torch.cat((places, colours), dim=-1), valid, move, samples.events)


def _sides(rows: int) -> Tensor:  # [B, 3, 3]
    """The eight ways to turn and mirror a square world."""
    sign = torch.randint(0, 2, (2, rows)) * 2.0 - 1.0
    along = torch.zeros(rows, 3, 3)
    along[:, 1, 1] = 1.0
    along[:, 0, 0], along[:, 2, 2] = sign
    swapped = along[:, (2, 1, 0)]
    return torch.where(torch.rand(rows, 1, 1) < 0.5, along, swapped)


def event_aps(model: WorldModel, held: EventSamples) -> dict[str, float]:
    """Average precision and base rate of each event that happened at all."""
    logits = model.event_head(held.points, held.valid, held.move).cpu().numpy()
    happened = held.events.cpu().numpy() > 0
    scores: dict[str, float] = {}
    for i, name in enumerate(EVENTS):
        precision = average_precision(logits[:, i], happened[:, i])
        if precision is not None:
            scores |= {f"{name}_ap": precision, f"{name}_base": float(happened[:, i].mean())}
    return scores
