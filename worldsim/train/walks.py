"""The model's own long dreams as training data, dreamed a frame a step beside the training.

At run time, after a few seconds, nearly everything in a hint is a dream of dreams. Hops of one or
two keyframes do not show a model in training where its habits lead in a hundred frames; its own
walks do. They follow the cameras of true episodes, after a few true frames, with memory and context
as in play. Sources: Huang et al. 2025 (Self Forcing), Alonso et al. 2024 (DIAMOND).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

import numpy as np

from worldsim.actions import from_vector
from worldsim.backends.denoiser import TorchDenoiser
from worldsim.engine.assemble import Dreamer
from worldsim.engine.dream import advance, begin
from worldsim.engine.dream_world import DreamWorld
from worldsim.engine.metrics import Metrics
from worldsim.engine.prepared import KEPT, Preparations
from worldsim.evaluate.seen import Witnesses
from worldsim.memory.retrieve import MemoryMode
from worldsim.model.world_model import WorldModel
from worldsim.precision import full_precision
from worldsim.train.data import Dream, Episode
from worldsim.types import Clip, Observation

MIN_REAL, MAX_REAL = 6, 40  # true frames that a walk begins with


@dataclass(slots=True)
class Walk:
    """One dream on its way along an episode's cameras."""

    episode: Episode
    world: DreamWorld
    real: int
    dreamed: list[Observation] = field(default_factory=list)

    @property
    def frame(self) -> int:
        """The last frame it has."""
        return self.real + len(self.dreamed) - 1

    @property
    def is_over(self) -> bool:
        return self.frame == len(self.episode) - 1


class Walks:
    """Owns the dreams on their way, and the most recent finished ones."""

    def __init__(self, model: WorldModel, *, at_once: int, kept: int) -> None:
        prepared = Preparations(model, KEPT * at_once)
        levels = model.config.sample_levels
        self._dreamer = Dreamer(
            model, TorchDenoiser(model), levels, MemoryMode.FULL, Metrics(), prepared
        )
        self._at_once = at_once
        self._walks: list[Walk] = []
        self.finished: deque[Episode] = deque(maxlen=kept)

    @full_precision
    def advance(self, episodes: list[Episode], rng: np.random.Generator) -> None:
        """Dream one more frame of each walk; walks at their end are replaced by new ones."""
        while len(self._walks) < self._at_once:
            self._walks.append(self._set_out(episodes[int(rng.integers(len(episodes)))], rng))
        frames = [walk.frame for walk in self._walks]
        vectors = [w.episode.actions[t] for w, t in zip(self._walks, frames, strict=True)]
        poses = [w.episode.poses[t + 1] for w, t in zip(self._walks, frames, strict=True)]
        worlds = [walk.world for walk in self._walks]
        advance(self._dreamer, worlds, [from_vector(v) for v in vectors], poses)
        for walk in self._walks:
            walk.dreamed.append(walk.world.observation)
        self.finished.extend(self._remembered(w) for w in self._walks if w.is_over)
        self._walks = [walk for walk in self._walks if not walk.is_over]

    def _set_out(self, episode: Episode, rng: np.random.Generator) -> Walk:
        real = int(rng.integers(MIN_REAL, min(MAX_REAL, len(episode) // 2)))
        actions = tuple(from_vector(vector) for vector in episode.actions[: real - 1])
        clip = Clip(tuple(episode.observation(t) for t in range(real)), actions)
        return Walk(episode, begin(self._dreamer, int(rng.integers(2**31)), clip), real)

    def _remembered(self, walk: Walk) -> Episode:
        """The episode with the dream of it, and where the truth can be asked of the dream."""
        episode, real = walk.episode, walk.real
        shown = Witnesses(
            [episode.observation(t) for t in range(real)], self._dreamer.model.config.intrinsics
        )
        witnessed = np.ones(episode.depth.shape, dtype=bool)
        for t in range(real, len(episode)):
            witnessed[t] = shown.seen(episode.observation(t))
        rgb = np.concatenate((episode.rgb[:real], np.stack([o.rgb for o in walk.dreamed])))
        depth = np.stack([o.depth for o in walk.dreamed]).astype(np.float16)
        dream = Dream(rgb, np.concatenate((episode.depth[:real], depth)), witnessed, real)
        return replace(episode, dream=dream)
