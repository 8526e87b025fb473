"""What the event head learns from: walks, as memory would know the places around the body.

Memory is filled with frames, a tick at a time, as in play. True frames need no model and are many;
half of what is learnt from are the model's own dreams of such walks, in which gems have blurred
edges and stray points. Both are disturbed in places and colours, and turned to all sides.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worldsim.camera import Intrinsics
from worldsim.engine.dream_world import Taken, is_worthless
from worldsim.engine.hints import TRUST_DREAM, TRUST_REAL
from worldsim.engine.prepared import Preparations
from worldsim.engine.surroundings import Around, batched, look_around, taken_at
from worldsim.evaluate.events import average_precision
from worldsim.memory.bank import MemoryBank
from worldsim.model.heads import EVENTS, REWARD
from worldsim.model.world_model import WorldModel
from worldsim.precision import full_precision
from worldsim.train.data import Episode
from worldsim.train.losses import event_loss
from worldsim.train.walks import Walks

BATCH, EPISODES_A_BATCH = 192, 24
KEPT_EPISODES, QUIET_KEPT = 1000, 0.3  # of each kind, and the share of ticks without an event
DREAMED_SHARE = 0.5  # of a batch
SHIFT_M, GRAIN_M = 0.03, 0.01  # disturbances of all points together, and of each
TINT, SPECKLE = 0.05, 0.03  # the same of colours, which go from 0 to 1
PALEST, STRONGEST = 0.6, 1.1  # contrast
STRAY, STRAY_M = 0.15, 0.3  # share of points, on average, that are this far off
MOST_DROPPED = 0.5  # share of points


@dataclass(frozen=True, slots=True)
class EventSamples:
    """Inputs and targets of N ticks."""

    points: Tensor  # [N, POINTS, POINT_SIZE]
    valid: Tensor  # [N, POINTS] bool
    move: Tensor  # [N, MOVE_SIZE]
    cells: Tensor  # [N, 2, 2, 3]
    events: Tensor  # [N, len(EVENTS)] 0 or 1

    def __len__(self) -> int:
        return len(self.points)

    def rows(self, chosen: Tensor) -> EventSamples:
        return EventSamples(*(getattr(self, name)[chosen] for name in self.__slots__))

    def to(self, device: torch.device) -> EventSamples:
        return EventSamples(*(getattr(self, name).to(device) for name in self.__slots__))


class EventLessons:
    """Owns the samples of the most recent episodes, true and dreamed, and of those held out."""

    def __init__(self, model: WorldModel) -> None:
        self.model = model
        self._prepared = Preparations(model)
        self._walks = Walks(model, at_once=1, kept=1)
        self._true: deque[EventSamples] = deque(maxlen=KEPT_EPISODES)
        self._dreamed: deque[EventSamples] = deque(maxlen=KEPT_EPISODES)
        self._held_out: EventSamples | None = None

    def hold_out(self, episodes: list[Episode]) -> None:
        """Of these the figures are."""
        if self._held_out is None:
            self._held_out = joined([self._samples(e, np.ones(len(e) - 1, bool)) for e in episodes])

    def dream_on(self, episodes: list[Episode], rng: np.random.Generator) -> None:
        """One more frame of a dream along one of these; at its end it is learnt from, too."""
        self._walks.advance(episodes, rng)
        while self._walks.finished:
            self._dreamed.append(self._chosen(self._walks.finished.popleft(), rng))

    def take(self, episode: Episode, rng: np.random.Generator) -> None:
        """One more episode to learn from: all of its events, and some of the other ticks."""
        self._true.append(self._chosen(episode, rng))

    def loss(self, rng: np.random.Generator) -> Tensor:  # []
        dreamed = round(DREAMED_SHARE * BATCH) if self._dreamed else 0
        parts = [_drawn(self._true, BATCH - dreamed, rng)]
        if dreamed:
            parts.append(_drawn(self._dreamed, dreamed, rng))
        batch = disturbed(joined(parts).to(self.model.stem.weight.device))
        logits = self.model.event_head(batch.points, batch.valid, batch.move, batch.cells)
        return event_loss(logits - math.log(QUIET_KEPT), batch.events)  # the odds of what was kept

    def scores(self, average: WorldModel) -> dict[str, float]:
        """Average precision and base rate of each event that happened at all."""
        assert self._held_out is not None, "evaluated before the first step"
        return event_aps(average, self._held_out.to(average.stem.weight.device))

    def _chosen(self, episode: Episode, rng: np.random.Generator) -> EventSamples:
        ticks = (rng.random(len(episode) - 1) < QUIET_KEPT) | episode.happened.any(axis=1)
        if episode.dream is not None:
            ticks[: episode.dream.real - 1] = False
        return self._samples(episode, ticks)

    def _samples(self, episode: Episode, ticks: NDArray[np.bool_]) -> EventSamples:
        return event_samples(self._prepared, episode, self.model.config.intrinsics, ticks)


def event_samples(
    prepared: Preparations,
    episode: Episode,
    camera: Intrinsics,
    ticks: NDArray[np.bool_],  # [T] which of them
) -> EventSamples:
    """One sample for each chosen tick of a walk, as it was dreamed if it was."""
    frames, real = _frames(episode)
    memory, told, taken = MemoryBank(camera), list[Around](), list[Taken]()
    for t in range(len(episode)):
        seen = frames.observation(t)
        if t < real or not is_worthless(seen):
            trust = TRUST_REAL if t < real else TRUST_DREAM
            memory.insert(seen.rgb, seen.depth, seen.pose, t, trust)
        if t == 0:
            continue
        right, up, forward = episode.moves[t - 1].tolist()
        if ticks[t - 1]:
            told.append(look_around(prepared, memory, seen, (right, up, forward), taken))
        if episode.happened[t - 1, REWARD]:
            taken.append(taken_at(seen.pose, t))
    happened = torch.from_numpy(episode.happened[ticks].astype(np.float32))
    return EventSamples(*batched(told), happened)


def _frames(episode: Episode) -> tuple[Episode, int]:
    """What a player saw, and how many of its frames are true."""
    dream = episode.dream
    if dream is None:
        return episode, len(episode)
    return replace(episode, rgb=dream.rgb, depth=dream.depth), dream.real


def _drawn(kept: Sequence[EventSamples], count: int, rng: np.random.Generator) -> EventSamples:
    """So many ticks of some episodes."""
    chosen = rng.integers(len(kept), size=max(1, EPISODES_A_BATCH * count // BATCH))
    samples = joined([kept[int(i)] for i in chosen])
    return samples.rows(torch.from_numpy(rng.integers(len(samples), size=count)))


def joined(parts: list[EventSamples]) -> EventSamples:
    names = EventSamples.__slots__
    return EventSamples(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


@full_precision
def disturbed(samples: EventSamples) -> EventSamples:
    """Seen from another side, and as inexact, pale and sparse as a dream may be."""
    points, rows = samples.points, len(samples)

    def each(*size: int) -> Tensor:
        return torch.randn(rows, *size, device=points.device)

    turn = _sides(rows).to(points.device)
    places = points[..., :3] @ turn + SHIFT_M * each(1, 3) + GRAIN_M * each(points.shape[1], 3)
    stray = torch.rand(rows, points.shape[1], 1, device=points.device) < 2 * STRAY * torch.rand(
        rows, 1, 1, device=points.device
    )
    places = places + STRAY_M * stray * each(points.shape[1], 3)
    contrast = PALEST + (STRONGEST - PALEST) * torch.rand(rows, 1, 1, device=points.device)
    colours = 0.5 + contrast * (points[..., 3:] - 0.5)
    colours = colours + TINT * each(1, 3) + SPECKLE * each(points.shape[1], 3)
    dropped = MOST_DROPPED * torch.rand(rows, 1, device=points.device)
    valid = samples.valid & (torch.rand_like(points[..., 0]) > dropped)
    move = (samples.move[:, None] @ turn)[:, 0]
    corners = samples.cells @ turn[:, None]
    cells = torch.stack((corners.amin(dim=2), corners.amax(dim=2)), dim=2)
    return EventSamples(torch.cat((places, colours), dim=-1), valid, move, cells, samples.events)


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
    logits = model.event_head(held.points, held.valid, held.move, held.cells).cpu().numpy()
    happened = held.events.cpu().numpy() > 0
    scores: dict[str, float] = {}
    for i, name in enumerate(EVENTS):
        precision = average_precision(logits[:, i], happened[:, i])
        if precision is not None:
            scores |= {f"{name}_ap": precision, f"{name}_base": float(happened[:, i].mean())}
    return scores
