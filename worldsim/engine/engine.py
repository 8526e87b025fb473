"""The engine that users hold: one dreamed world, stepped tick by tick."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from worldsim.backends.choose import make_denoiser
from worldsim.backends.denoiser import Denoiser, TorchDenoiser
from worldsim.camera import Intrinsics
from worldsim.engine.assemble import Dreamer
from worldsim.engine.dream import absorb, advance, begin
from worldsim.engine.dream_world import DreamWorld
from worldsim.engine.events import Chances, chances, settle
from worldsim.engine.metrics import Metrics
from worldsim.engine.picture_start import clip_from_image
from worldsim.engine.prepared import KEPT, Preparations
from worldsim.engine.start import DEFAULT_SCENE, clip_from_seed, fitted, load_scene, own_copy
from worldsim.engine.state import EngineState, capture, revive
from worldsim.engine.warm_up import warm_up
from worldsim.errors import BackendError, ConfigError, StateError
from worldsim.memory.bank import MemoryBank
from worldsim.memory.keyframe import Keyframe
from worldsim.memory.retrieve import MemoryMode
from worldsim.model.checkpoint import Checkpoint, load_checkpoint
from worldsim.types import Action, Clip, Observation, Pose, StepResult, require_seed

logger = logging.getLogger(__name__)


class WorldEngine:
    """Dreams a world frame by frame.

    Deterministic: the same checkpoint, start, seed and actions give the same frames on the same
    machine. There is no horizon: nothing in it runs out.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: torch.device,
        levels: tuple[float, ...],
        memory: MemoryMode,
        prepared: Preparations | None = None,
        denoiser: Denoiser | None = None,
    ) -> None:
        """By default the model itself computes the denoising pass."""
        self.model_hash = checkpoint.model_hash
        self.metrics = Metrics()
        self._checkpoint = checkpoint
        prepared = prepared or Preparations(checkpoint.model)
        denoiser = denoiser or TorchDenoiser(checkpoint.model)
        self._dreamer = Dreamer(checkpoint.model, denoiser, levels, memory, self.metrics, prepared)
        self._device = device
        self._world: DreamWorld | None = None
        self._told: Chances | None = None  # of the last tick, once it was asked

    @staticmethod
    def from_pretrained(
        name_or_path: str | Path = "default",
        *,
        device: str = "auto",
        steps: int | None = None,
        memory: str = "full",
        backend: str = "torch",
    ) -> WorldEngine:
        """Load a shipped checkpoint by name, or one from a folder.

        Args:
            device: "auto", "cpu" or "cuda".
            steps: denoising steps a frame; by default those that the model was made for.
            memory: "full", or for ablations "recent", "random", "off".
            backend: who computes the denoising pass: "torch", "onnx", or the faster, "auto". They
                round differently, which a long dream amplifies: the default is always the same one.

        Raises:
            CheckpointError: if the checkpoint is missing, damaged, foreign, or of another schema.
            BackendError: if the device or the backend is not there.
        """
        chosen = choose_device(device)
        mode = require_memory_mode(memory)
        checkpoint = load_checkpoint(name_or_path)
        model = checkpoint.model
        levels = sample_levels(model.config.sample_levels, steps)
        denoiser = make_denoiser(backend, checkpoint, chosen)
        told = (name_or_path, denoiser.name, chosen, model.stem.weight.dtype, len(levels))
        logger.info("%s by %s on %s in %s, %d steps", *told)
        return WorldEngine(checkpoint, device=chosen, levels=levels, memory=mode, denoiser=denoiser)

    @property
    def intrinsics(self) -> Intrinsics:
        return self._dreamer.model.config.intrinsics

    @property
    def steps(self) -> int:
        """Denoising steps a frame, at most: only frames with much to invent take them all."""
        return len(self._dreamer.levels)

    @steps.setter
    def steps(self, steps: int) -> None:
        """From the next frame on. Raises ConfigError for a number that cannot be."""
        if steps != self.steps:
            logger.info("denoising in %d steps instead of %d", steps, self.steps)
            levels = sample_levels(self._dreamer.model.config.sample_levels, steps)
            self._dreamer = replace(self._dreamer, levels=levels)

    @property
    def backend(self) -> str:
        """Who computes the denoising pass: "torch" or "onnx"."""
        return self._dreamer.denoiser.name

    @property
    def memory(self) -> MemoryBank:
        """What the world remembers of itself."""
        return self._state().memory

    @property
    def recalled(self) -> tuple[Keyframe, ...]:
        """The keyframes that the last step dreamed from, best first; none right after a start."""
        return self._state().recalled

    @property
    def frame(self) -> int:
        """How many frames this world has seen or dreamed since its first."""
        return self._state().frame

    @property
    def sees_events(self) -> bool:
        """Whether `step` tells rewards and ends: these weights' event head has been trained."""
        return self._dreamer.model.event_head.is_trained

    @property
    def chances(self) -> Chances:
        """How likely the last tick was rewarded, and ended the episode, by what is seen."""
        if self._told is None:
            (self._told,) = chances(self._dreamer, [self._state()])
        return self._told

    @property
    def memory_mode(self) -> str:
        return self._dreamer.memory_mode.value

    @memory_mode.setter
    def memory_mode(self, mode: str) -> None:
        self._dreamer = replace(self._dreamer, memory_mode=require_memory_mode(mode))

    def reset(
        self,
        *,
        seed: int | None = None,
        scene: str | None = None,
        image: str | Path | NDArray[np.uint8] | None = None,
        state: EngineState | None = None,
        clip: Clip | None = None,
    ) -> Observation:
        """Begin anew and return the frame that the dream starts from.

        A `seed` begins in the block world of that seed (in a biome, if `scene` names one); a
        `scene` alone in a shipped start clip, which needs no renderer; an `image` in a picture; a
        `state` where it was saved; a `clip` after those real frames. With none of them, the
        default scene. The seed also seeds the noise.
        """
        if sum(start is not None for start in (image, state, clip)) > 1:
            raise ConfigError(
                "at most one of image, state and clip", "several", "Choose where to start."
            )
        if state is not None:
            return self.restore(state)
        noise_seed = 0 if seed is None else require_seed(seed)
        start = self._start_clip(seed, scene, image, clip)
        return self._enter(begin(self._dreamer, noise_seed, start))

    def step(self, action: Action, *, pose: Pose | None = None) -> StepResult:
        """Dream the frame after an action; `pose` overrides where the dream thinks it gets to.

        Where `sees_events`, the reward is 1 when a gem is seen to be taken, and `terminated` tells
        that the beacon is seen within reach; otherwise there is neither.
        """
        return step_together([self], [action], [pose])[0]

    def observe(self, action: Action, observation: Observation) -> None:
        """Show the dream the real frame that followed an action, instead of dreaming it."""
        absorb(self._dreamer, self._state(), action, fitted(observation, self.intrinsics))
        self._told = None

    def snapshot(self) -> EngineState:
        """Everything that the future depends on; cheap, and untouched by later steps."""
        return capture(self._state(), self.model_hash)

    def restore(self, state: EngineState) -> Observation:
        """Continue from a snapshot: the next frame is the same, bit for bit.

        Raises:
            StateError: if the state was made with other weights.
        """
        if state.model_hash != self.model_hash:
            raise StateError(
                f"a state of the weights {self.model_hash}",
                f"one of {state.model_hash}",
                "Load the checkpoint that made the state.",
            )
        return self._enter(revive(state, self._dreamer))

    def warm_up(self) -> None:
        """Do what is done once before the first step. A second or so; the world stays as it is."""
        warm_up(replace(self._dreamer, metrics=Metrics()), revive(self.snapshot(), self._dreamer))

    def fork(self) -> WorldEngine:
        """A second engine at the same moment; they share the model and nothing else."""
        (twin,) = self.batch(1)
        twin.restore(self.snapshot())
        return twin

    def batch(self, count: int) -> list[WorldEngine]:
        """New engines of the same model, not yet begun, for `step_together`."""
        shared = Preparations(self._checkpoint.model, KEPT * count)
        return [
            WorldEngine(
                self._checkpoint,
                device=self._device,
                levels=self._dreamer.levels,
                memory=self._dreamer.memory_mode,
                prepared=shared,
                denoiser=self._dreamer.denoiser,
            )
            for _ in range(count)
        ]

    def close(self) -> None:
        """Drop the world; the engine can be reset again."""
        self._world = self._told = None

    def _enter(self, world: DreamWorld) -> Observation:
        self._world, self._told = world, None
        return own_copy(world.observation)

    def _state(self) -> DreamWorld:
        if self._world is None:
            raise StateError("a world that has begun", "none", "Call reset() first.")
        return self._world

    def _start_clip(
        self,
        seed: int | None,
        scene: str | None,
        image: str | Path | NDArray[np.uint8] | None,
        clip: Clip | None,
    ) -> Clip:
        if clip is not None:
            return Clip(tuple(fitted(o, self.intrinsics) for o in clip.observations), clip.actions)
        if image is not None:
            return clip_from_image(image, self.intrinsics)
        if seed is not None:
            return clip_from_seed(seed, scene, self.intrinsics)
        return load_scene(DEFAULT_SCENE if scene is None else scene, self.intrinsics)


def step_together(
    engines: Sequence[WorldEngine],
    actions: Sequence[Action],
    poses: Sequence[Pose | None] | None = None,
) -> list[StepResult]:
    """One step of each engine, dreamed in one batch; their model must be the same.

    Equal to single steps but for rounding: sums over a batch are taken in another order.

    Raises:
        StateError: an engine has not begun, or its weights are not those of the others.
    """
    if not engines:
        return []
    strangers = {engine.model_hash for engine in engines} - {engines[0].model_hash}
    if strangers:
        raise StateError(
            f"engines of the weights {engines[0].model_hash}",
            f"some of {sorted(strangers)}",
            "Make them with batch().",
        )
    dreamer, worlds = engines[0]._dreamer, [engine._state() for engine in engines]
    before = [engine.chances for engine in engines]
    advance(dreamer, worlds, actions, poses or [None] * len(worlds))
    told = chances(dreamer, worlds)
    for engine, now in zip(engines, told, strict=True):
        engine._told = now
    return [
        StepResult(own_copy(world.observation), *settle(world, then, now))
        for world, then, now in zip(worlds, before, told, strict=True)
    ]


def choose_device(name: str) -> torch.device:
    """ "auto" is CUDA where there is one. Raises BackendError for a device that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name not in ("cpu", "cuda") or (name == "cuda" and not torch.cuda.is_available()):
        raise BackendError(
            "a device among auto, cpu, cuda", f"{name!r}, which is not here", "Use auto."
        )
    return torch.device(name)


def sample_levels(levels: tuple[float, ...], steps: int | None) -> tuple[float, ...]:
    """The model's own noise levels, or `steps` even ones."""
    if steps is None or steps == len(levels):
        return levels
    if not 1 <= steps <= 8:
        raise ConfigError("1 to 8 denoising steps", repr(steps), "Use 1 or 2.")
    return tuple(1.0 - i / steps for i in range(steps))


def require_memory_mode(name: str) -> MemoryMode:
    modes = [mode.value for mode in MemoryMode]
    if name not in modes:
        raise ConfigError(f"a memory mode among {modes}", repr(name), "Correct its spelling.")
    return MemoryMode(name)
