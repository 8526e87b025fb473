"""What tests of models, engines and training share: random models, walks, small engines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from fakes import PlaneWorld

from worldsim.actions import to_vector
from worldsim.camera import Intrinsics, pose_matrices
from worldsim.engine.engine import WorldEngine
from worldsim.memory.retrieve import MemoryMode
from worldsim.model.checkpoint import Checkpoint
from worldsim.model.presets import ModelConfig, preset
from worldsim.model.trunk import Context, FrameKV
from worldsim.model.world_model import FrameInputs, Prediction, WorldModel
from worldsim.train.data import Episode
from worldsim.types import Action, Clip, Observation, Pose

LEVELS = (1.0, 0.4)
FRAMES = 4


def random_model(config: ModelConfig | None = None, *, seed: int = 0) -> WorldModel:
    """A model whose weights hold no zeros, so that no frames are equal by chance."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        model = WorldModel(config or preset("tiny"))
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model.eval()


def plane_clip(actions: Sequence[Action]) -> Clip:
    """A walk in a PlaneWorld, seen by the camera of the smallest preset."""
    world = PlaneWorld(preset("tiny").intrinsics)
    observations = [world.reset(seed=0)]
    for action in actions:
        world.advance(action)
        observations.append(world.observe())
    return Clip(tuple(observations), tuple(actions))


def plane_episode(actions: Sequence[Action]) -> Episode:
    """The same walk as training data."""
    seen = plane_clip(actions).observations
    moves = [b.pose.displacement_from(a.pose) for a, b in pairwise(seen)]
    return Episode(
        np.stack([o.rgb for o in seen]),
        np.stack([o.depth for o in seen]).astype(np.float16),
        tuple(o.pose for o in seen),
        np.stack([to_vector(a) for a in actions]),
        np.array(moves, dtype=np.float32),
    )


LATENT = replace(
    preset("tiny"),
    codec="autoencoder",
    latent_channels=6,
    downscale=8,
    stages=(),
    stage_blocks=(),
)
LOOK_AROUND = plane_clip([Action(yaw_deg=30.0)] * 4)
WALK = [Action(forward=True, yaw_deg=8.0), Action(pitch_deg=-6.0), Action(left=True)] * 2


def make_engine(*, memory: MemoryMode = MemoryMode.FULL, name: str = "hash") -> WorldEngine:
    checkpoint = Checkpoint(random_model(), name, {})
    return WorldEngine(checkpoint, device=torch.device("cpu"), levels=LEVELS, memory=memory)


def begun(*, seed: int = 3, clip: Clip = LOOK_AROUND) -> WorldEngine:
    engine = make_engine()
    engine.reset(clip=clip, seed=seed)
    return engine


def walk(engine: WorldEngine, actions: Sequence[Action] = WALK) -> list[Observation]:
    return [engine.step(action).observation for action in actions]


def same(a: Observation, b: Observation) -> bool:
    return (
        np.array_equal(a.rgb, b.rgb) and np.array_equal(a.depth, b.depth) and a.pose == b.pose
    )  # fmt: skip


def all_same(ours: list[Observation], theirs: list[Observation]) -> bool:
    return all(same(a, b) for a, b in zip(ours, theirs, strict=True))


def random_inputs(config: ModelConfig, *, batch: int = 2, frames: int = FRAMES) -> FrameInputs:
    g = torch.Generator().manual_seed(7)
    latent = (batch, frames, config.latent_channels, *config.latent_hw)
    picture = (batch, frames, 4, config.height, config.width)
    poses = [Pose(0.2 * t, 1.6, -0.1 * t, 5.0 * t, 3.0) for t in range(frames)]
    return FrameInputs(
        noisy=torch.randn(latent, generator=g),
        sigma=torch.rand(batch, frames, generator=g),
        action=torch.randn(batch, frames, config.action_size, generator=g),
        anchor_from_camera=torch.from_numpy(pose_matrices(poses)).expand(batch, -1, -1, -1),
        hint=torch.rand(picture, generator=g) * 2 - 1,
        confidence=torch.rand(batch, frames, 1, config.height, config.width, generator=g),
        last=torch.rand(picture, generator=g) * 2 - 1,
        last_confidence=torch.rand(batch, frames, 1, config.height, config.width, generator=g),
        time=torch.arange(float(frames))[None],
    )


def frame_of(inputs: FrameInputs, t: int) -> FrameInputs:
    """One frame of a sequence, at its own position in time."""
    parts = {name: getattr(inputs, name)[:, t : t + 1] for name in inputs.__slots__}
    return FrameInputs(**parts)


def as_context(
    model: WorldModel, cached: list[FrameKV], *, frames: int | None = None
) -> Context | None:
    """The keys and values of earlier frames, rotated to positions 0, 1, ..."""
    if not cached:
        return None
    keys = torch.cat([kv.keys for kv in cached], dim=2)
    values = torch.cat([kv.values for kv in cached], dim=2)
    valid = torch.ones(keys.shape[1], keys.shape[2], dtype=torch.bool)
    time = torch.arange(float(frames or len(cached)))[None]
    return Context(model.trunk.rotate_cached(keys, time), values, valid)


class StartedDream:
    """A dream whose resets all return to where it is now, which needs no true world."""

    def __init__(self, engine: WorldEngine) -> None:
        self._engine = engine
        self._first = engine.snapshot()

    @property
    def intrinsics(self) -> Intrinsics:
        return self._engine.intrinsics

    @property
    def steps(self) -> int:
        return self._engine.steps

    @steps.setter
    def steps(self, steps: int) -> None:
        self._engine.steps = steps

    def reset(self, *, seed: int | None = None, scene: str | None = None) -> Observation:
        return self._engine.restore(self._first)

    def __getattr__(self, name: str) -> object:
        return getattr(self._engine, name)


class FrameSpy:
    """Notes what an engine asks its denoiser for."""

    def __init__(self, engine: WorldEngine) -> None:
        self.frames: list[FrameInputs] = []
        self._denoiser = engine._dreamer.denoiser
        self.name = self._denoiser.name
        engine._dreamer = replace(engine._dreamer, denoiser=self)

    def __call__(self, frames: FrameInputs, context: Context | None, /) -> Prediction:
        self.frames.append(frames)
        return self._denoiser(frames, context)
