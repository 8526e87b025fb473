"""Exercises for the network: frames to dream, just as the engine asks for them in play.

What a training clip imitates, the engine has: real keyframes as memory chose them, hints that were
completed by looks ahead, the last frame moved, contexts from the cache. Here it plays along true
walks and is listened to. While a walk is shown to it, a copy of its world dreams the next frame now
and then; afterwards the dream goes on alone, fed by its own pictures, with the truth beside it
(Ross et al. 2011, "A reduction of imitation learning ... to no-regret online learning": DAgger).
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from worldsim.actions import from_vector
from worldsim.backends.denoiser import Denoiser, TorchDenoiser, choose_dtype, placed
from worldsim.camera import Intrinsics
from worldsim.engine.assemble import Dreamer
from worldsim.engine.dream import absorb, advance, begin
from worldsim.engine.dream_world import DreamWorld
from worldsim.engine.metrics import Metrics
from worldsim.engine.prepared import Preparations
from worldsim.engine.state import capture, revive
from worldsim.evaluate.seen import Witnesses
from worldsim.memory.retrieve import MemoryMode
from worldsim.model.picture import to_picture
from worldsim.model.presets import ModelConfig
from worldsim.model.trunk import Context
from worldsim.model.world_model import FrameInputs, Prediction, WorldModel
from worldsim.precision import full_precision
from worldsim.train.data import Episode
from worldsim.types import Action, Clip, Observation

MIN_REAL, MAX_REAL = 6, 33  # frames that a walk begins with
EVERY = 3  # ticks from one exercise to the next: neighbours teach the same
LARGE = 1024  # numbers: of these on, tensors are kept in 16 bits
UNSEEN = 0.5  # weight of what a walk had not shown, in a frame after true ones; later it is none


@dataclass(frozen=True, slots=True)
class Exercises:
    """N frames: what the network was told, and what is asked of it."""

    frames: FrameInputs  # of one frame each, [N, 1, ...]
    context: Context
    before: Tensor  # [N, C, h, w] what the player's weights made of it, in the codec's space
    truth: Tensor  # [N, 4, H, W] a picture
    asked: Tensor  # [N, 1, H, W] weight of the truth in [0, 1]; the rest is to stay as it was
    is_next: Tensor  # [N] bool, whether true frames came before

    def __len__(self) -> int:
        return len(self.truth)

    def each(self, count: int) -> Iterator[Exercises]:
        """A few at a time."""
        for start in range(0, len(self), count):
            few = min(count, len(self) - start)
            yield _combined([self], lambda x, axis: x[0].narrow(axis, start, few))  # noqa: B023


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
        frames, context, prediction = self._listener.heard
        config = self._dreamer.model.config
        exercise = Exercises(
            frames=frames,
            context=_of_full_length(context, config),
            before=prediction.clean[:, 0],
            truth=to_picture(torch.tensor(truth.rgb), torch.tensor(truth.depth))[None],
            asked=_asked(walk, truth, config.intrinsics, is_next=is_next),
            is_next=torch.tensor([is_next]),
        )
        self.kept.append(packed(exercise))


def _asked(
    walk: Walk, truth: Observation, camera: Intrinsics, *, is_next: bool
) -> Tensor:  # [1, 1, H, W]
    """Where the truth can be asked: what the walk had been shown before."""
    shown = min(walk.frame, walk.alone_from)
    witnesses = Witnesses([walk.episode.observation(t) for t in range(shown)], camera)
    seen = torch.from_numpy(witnesses.seen(truth)).float()[None, None]
    return seen.clamp(min=UNSEEN) if is_next else seen


def _of_full_length(context: Context, config: ModelConfig) -> Context:
    """Padded with what is not valid, so that contexts can be joined."""
    missing = (config.context + config.recalled) * config.tokens - context.keys.shape[2]
    return Context(
        F.pad(context.keys, (0, 0, 0, 0, 0, missing)),
        F.pad(context.values, (0, 0, 0, 0, 0, missing)),
        F.pad(context.valid, (0, missing)),
    )


def packed(exercise: Exercises) -> Exercises:
    """Its pictures in 16 bits, to keep many."""

    def pack(x: Sequence[Tensor], _axis: int) -> Tensor:
        is_large = x[0].dtype == torch.float32 and x[0].numel() >= LARGE
        return x[0].half() if is_large else x[0].clone()

    return _combined([exercise], pack)


@full_precision
def batched(parts: Sequence[Exercises], device: torch.device) -> Exercises:
    """One batch of several, in 32 bits."""

    def join(x: Sequence[Tensor], axis: int) -> Tensor:
        whole = torch.cat(tuple(x), dim=axis).to(device)
        return whole.float() if whole.dtype == torch.float16 else whole

    return _combined(parts, join)


def _combined(
    parts: Sequence[Exercises], combine: Callable[[Sequence[Tensor], int], Tensor]
) -> Exercises:
    """One of several, tensor by tensor; `combine` is told which of their axes is N."""

    def each(owners: Sequence[object], names: Sequence[str], axis: int = 0) -> dict[str, Tensor]:
        return {name: combine([getattr(owner, name) for owner in owners], axis) for name in names}

    contexts = [part.context for part in parts]
    return Exercises(
        FrameInputs(**each([part.frames for part in parts], FrameInputs.__slots__)),
        Context(**each(contexts, ("keys", "values"), 1), **each(contexts, ("valid",))),
        **each(parts, ("before", "truth", "asked", "is_next")),
    )
