"""Exercises for the last layers: what they had to choose from in play, and what was to be seen.

What a training clip imitates, the engine has: keyframes as memory chose them, hints that were
completed by looks ahead, the last frame moved, drafts of a network with its cache. Here it plays
along true walks and is listened to. While a walk is shown to it, a copy of its world dreams the
next frame now and then; afterwards the dream goes on alone, fed by its own pictures, with the truth
beside it. Source: Ross et al. 2011, "A reduction of imitation learning and structured prediction to
no-regret online learning" (DAgger).
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from worldsim.actions import from_vector
from worldsim.backends.denoiser import Denoiser, TorchDenoiser, choose_dtype, placed
from worldsim.camera import Intrinsics
from worldsim.engine.assemble import Dreamer, as_pictures
from worldsim.engine.dream import absorb, advance, begin
from worldsim.engine.dream_world import DreamWorld
from worldsim.engine.metrics import Metrics
from worldsim.engine.prepared import Preparations
from worldsim.engine.state import capture, revive
from worldsim.evaluate.seen import Witnesses
from worldsim.memory.retrieve import MemoryMode
from worldsim.model.compositor import Candidates
from worldsim.model.trunk import Context
from worldsim.model.world_model import FrameInputs, Prediction, WorldModel, pool_confidence
from worldsim.precision import full_precision
from worldsim.train.data import Episode
from worldsim.types import Action, Clip, Observation

MIN_REAL, MAX_REAL = 6, 33  # frames that a walk begins with
EVERY = 3  # ticks from one exercise to the next: neighbours teach the same


@dataclass(frozen=True, slots=True)
class Exercises:
    """N frames: what there was to choose from, and what is asked for. Pictures in codec space."""

    draft: Tensor  # [N, C, h, w]
    hint: Tensor  # [N, C, h, w]
    confidence: Tensor  # [N, 1, h, w]
    last: Tensor  # [N, C, h, w]
    shown: Tensor  # [N, 1, h, w]
    before: Tensor  # [N, C, h, w] what the player's weights made of it
    truth: Tensor  # [N, C, h, w]
    asked: Tensor  # [N, 1, h, w] 1 where the truth is to be met, 0 where all is to stay as it was
    is_next: Tensor  # [N] bool, whether true frames came before

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def among(self) -> Candidates:
        """As frames of N clips."""
        return Candidates(*(getattr(self, name)[:, None] for name in Candidates._fields))


class Listener:
    """Denoises as another does, and remembers what it was asked first."""

    def __init__(self, denoiser: Denoiser) -> None:
        self.name = denoiser.name
        self.heard: tuple[FrameInputs, Context, Prediction] | None = None
        self._denoiser = denoiser

    def __call__(self, frames: FrameInputs, context: Context | None, /) -> Prediction:
        prediction = self._denoiser(frames, context)
        if self.heard is None and context is not None:
            self.heard = frames, context, prediction
        return prediction


@dataclass(slots=True)
class Walk:
    """One player on its way along an episode's cameras."""

    episode: Episode
    world: DreamWorld
    frame: int  # its last
    alone_from: int  # the frame from which on nothing more is shown

    @property
    def is_over(self) -> bool:
        return self.frame == len(self.episode) - 1


class Practice:
    """Owns a player, its walk, and the newest exercises."""

    def __init__(self, model: WorldModel, kept: int) -> None:
        self.kept: deque[Exercises] = deque(maxlen=kept)
        self._walk: Walk | None = None
        self.renew(model)

    def renew(self, model: WorldModel) -> None:
        """Play on with these weights, as a game would place them."""
        device = model.stem.weight.device
        model = placed(copy.deepcopy(model), device, choose_dtype(device))
        self._listener = Listener(TorchDenoiser(model))
        levels = model.config.sample_levels
        self._dreamer = Dreamer(
            model, self._listener, levels, MemoryMode.FULL, Metrics(), Preparations(model)
        )

    @full_precision
    def play(self, episode: Episode, rng: np.random.Generator) -> None:
        """A whole walk."""
        self._walk = self._set_out(episode, rng)
        while not self._walk.is_over:
            self.go_on([episode], rng)

    @full_precision
    def go_on(self, episodes: list[Episode], rng: np.random.Generator) -> None:
        """One tick of play, on a new walk if the last one is over."""
        if self._walk is None or self._walk.is_over:
            self._walk = self._set_out(episodes[int(rng.integers(len(episodes)))], rng)
        walk, episode = self._walk, self._walk.episode
        action = from_vector(episode.actions[walk.frame])
        walk.frame += 1
        truth, is_shown = episode.observation(walk.frame), walk.frame < walk.alone_from
        if not is_shown or walk.frame % EVERY == 0:
            world = revive(capture(walk.world, ""), self._dreamer) if is_shown else walk.world
            self._dream(walk, world, action, truth)
        if is_shown:
            absorb(self._dreamer, walk.world, action, truth)

    def _set_out(self, episode: Episode, rng: np.random.Generator) -> Walk:
        real = int(rng.integers(MIN_REAL, min(MAX_REAL, len(episode) // 2)))
        alone = real + int(rng.integers(len(episode) - real))
        actions = tuple(from_vector(vector) for vector in episode.actions[: real - 1])
        clip = Clip(tuple(episode.observation(t) for t in range(real)), actions)
        world = begin(self._dreamer, int(rng.integers(2**31)), clip)
        return Walk(episode, world, real - 1, alone)

    def _dream(self, walk: Walk, world: DreamWorld, action: Action, truth: Observation) -> None:
        """The next frame, and sometimes an exercise of it."""
        is_next = world.is_real
        self._listener.heard = None
        advance(self._dreamer, [world], [action], [truth.pose])
        if self._listener.heard is None or walk.frame % EVERY:
            return
        self.kept.append(packed(self._exercise(walk, truth, is_next=is_next)))

    @torch.inference_mode()
    def _exercise(self, walk: Walk, truth: Observation, *, is_next: bool) -> Exercises:
        """Of what was heard last."""
        assert self._listener.heard is not None
        frames, context, prediction = self._listener.heard
        model = self._dreamer.model
        among, _, _ = model.draft(frames, context)
        asked = _asked(walk, truth, model.config.intrinsics).to(among.draft.device)
        draft, hint, confidence, last, shown = (part[:, 0] for part in among)
        return Exercises(
            draft=draft,
            hint=hint,
            confidence=confidence,
            last=last,
            shown=shown,
            before=prediction.clean[:, 0],
            truth=model.encode(as_pictures(self._dreamer, [truth])[:, None])[:, 0],
            asked=pool_confidence(asked[:, None], model.config.downscale)[:, 0],
            is_next=torch.tensor([is_next], device=asked.device),
        )


def _asked(walk: Walk, truth: Observation, camera: Intrinsics) -> Tensor:  # [1, 1, H, W]
    """Where the truth can be asked: what the walk had been shown before.

    Elsewhere a dream chooses one of many possibilities, and their mean, which squared error wants,
    is a blur.
    """
    shown = min(walk.frame, walk.alone_from)
    witnesses = Witnesses([walk.episode.observation(t) for t in range(shown)], camera)
    return torch.from_numpy(witnesses.seen(truth)).float()[None, None]


def packed(exercise: Exercises) -> Exercises:
    """In 16 bits, to keep many."""
    return _each([exercise], lambda x: x[0].half() if x[0].is_floating_point() else x[0].clone())


def batched(parts: Sequence[Exercises], device: torch.device) -> Exercises:
    """One batch of several, in 32 bits."""
    with torch.autocast(device.type, enabled=False):
        whole = _each(parts, lambda x: torch.cat(list(x)).to(device))
    return _each([whole], lambda x: x[0].float() if x[0].is_floating_point() else x[0])


def _each(parts: Sequence[Exercises], combine: Callable[[Sequence[Tensor]], Tensor]) -> Exercises:
    names = [field.name for field in fields(Exercises)]
    return Exercises(*(combine([getattr(part, name) for part in parts]) for name in names))
