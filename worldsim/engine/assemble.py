"""From the states of a batch of worlds to the model's inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worldsim.actions import to_vector
from worldsim.camera import pose_matrices
from worldsim.engine.dream_world import DreamWorld
from worldsim.engine.hints import Remembered, make_hint, trust_of_last
from worldsim.engine.metrics import Metrics
from worldsim.engine.noise import frame_noise
from worldsim.memory.bank import Keyframe
from worldsim.memory.retrieve import MemoryMode
from worldsim.model.picture import to_picture
from worldsim.model.trunk import Context, join_contexts
from worldsim.model.world_model import FrameInputs, WorldModel
from worldsim.types import Action, Observation, Pose


@dataclass(frozen=True, slots=True)
class Dreamer:
    """A model and how to sample from it."""

    model: WorldModel
    levels: tuple[float, ...]
    memory_mode: MemoryMode
    metrics: Metrics

    @property
    def device(self) -> torch.device:
        return self.model.stem.weight.device


def recall(dreamer: Dreamer, world: DreamWorld, pose: Pose) -> list[Keyframe]:
    """The keyframes that saw what this pose is about to see, best first."""
    count = dreamer.model.config.sources - 1
    return world.memory.retrieve(pose, count=count, mode=dreamer.memory_mode)


def action_vectors(dreamer: Dreamer, actions: Sequence[Action]) -> Tensor:  # [B, A]
    return torch.from_numpy(np.stack([to_vector(a) for a in actions])).to(dreamer.device)


def frame_inputs(
    dreamer: Dreamer,
    worlds: Sequence[DreamWorld],
    vectors: Tensor,  # [B, A]
    targets: Sequence[Pose],
    recalled: Sequence[list[Keyframe]],
) -> tuple[FrameInputs, Remembered]:
    config, device = dreamer.model.config, dreamer.device
    remembered = _remembered(dreamer, worlds, recalled)
    poses = torch.from_numpy(pose_matrices(list(targets))).to(device)
    hint, confidence = make_hint(remembered, poses, config.intrinsics)
    shape = (config.latent_channels, *config.latent_hw)
    noise = torch.stack([frame_noise(w.seed, w.frame + 1, shape) for w in worlds]).to(device)
    frames = FrameInputs(
        noisy=noise[:, None],
        sigma=torch.ones(len(worlds), 1, device=device),
        action=vectors[:, None],
        anchor_from_camera=(_anchors(worlds, device) @ poses)[:, None],
        hint=hint[:, None],
        confidence=confidence[:, None],
        time=torch.tensor([[float(len(w.cache))] for w in worlds], device=device),
    )
    return frames, remembered


def _remembered(
    dreamer: Dreamer, worlds: Sequence[DreamWorld], recalled: Sequence[list[Keyframe]]
) -> Remembered:
    """Recalled keyframes and, as the last source, the last frame; padded to one number."""
    count = dreamer.model.config.sources
    rows = [_row(w, keys, count) for w, keys in zip(worlds, recalled, strict=True)]
    stacked = [np.stack([row[i] for row in rows]) for i in range(6)]
    rgb, depth, poses, trust, age, valid = (torch.from_numpy(a).to(dreamer.device) for a in stacked)
    return Remembered(to_picture(rgb, depth), poses, trust, age, valid)


def _row(world: DreamWorld, keys: list[Keyframe], count: int) -> tuple[NDArray[np.generic], ...]:
    last = world.observation
    pad = count - 1 - len(keys)
    shown: list[tuple[NDArray[np.uint8], NDArray[np.floating], Pose]]
    shown = [(k.rgb, k.depth, k.pose) for k in keys]
    shown += [(last.rgb, last.depth, last.pose)] * (pad + 1)
    trust = [k.trust for k in keys] + [trust_of_last(world.is_real)] * (pad + 1)
    age = [world.frame + 1 - k.frame for k in keys] + [0] * (pad + 1)
    valid = [True] * len(keys) + [False] * pad + [True]
    return (
        np.stack([rgb for rgb, _, _ in shown]),
        np.stack([np.asarray(depth, dtype=np.float32) for _, depth, _ in shown]),
        pose_matrices([pose for _, _, pose in shown]),
        np.array(trust, dtype=np.float32),
        np.array(age, dtype=np.float32),
        np.array(valid),
    )


def context_of(
    dreamer: Dreamer, worlds: Sequence[DreamWorld], remembered: Remembered
) -> Context | None:
    """Recalled frames first, then the cached frames of each world at fresh positions."""
    model = dreamer.model
    count = model.config.recalled
    anchors = _anchors(worlds, dreamer.device)[:, None]
    recalled = model.recall(
        remembered.pictures[:, :count],
        anchors @ remembered.poses[:, :count],
        remembered.valid[:, :count],
    )
    cached = _cached(dreamer, worlds)
    return join_contexts([recalled] if cached is None else [recalled, cached])


def _cached(dreamer: Dreamer, worlds: Sequence[DreamWorld]) -> Context | None:
    longest = max(len(world.cache) for world in worlds)
    if longest == 0:
        return None
    trunk, tokens = dreamer.model.trunk, dreamer.model.config.tokens
    read = [world.cache.read() for world in worlds]
    keys, values = (
        torch.stack([_padded(pair[i], longest * tokens) for pair in read], dim=1) for i in range(2)
    )
    time = torch.arange(longest, dtype=torch.float32, device=dreamer.device)[None]
    length = torch.tensor([len(w.cache) * tokens for w in worlds], device=dreamer.device)
    valid = torch.arange(longest * tokens, device=dreamer.device)[None] < length[:, None]
    return Context(trunk.rotate_cached(keys, time), values, valid)


def _padded(
    x: Tensor,  # [layers, L, N, E]
    length: int,
) -> Tensor:  # [layers, length, N, E]
    missing = length - x.shape[1]
    return x if missing == 0 else torch.nn.functional.pad(x, (0, 0, 0, 0, 0, missing))


def as_pictures(dreamer: Dreamer, seen: Sequence[Observation]) -> Tensor:  # [B, 4, H, W]
    """Frames on the model's device, as it takes them."""
    pictures = [to_picture(torch.from_numpy(o.rgb), torch.from_numpy(o.depth)) for o in seen]
    return torch.stack(pictures).to(dreamer.device)


def _anchors(worlds: Sequence[DreamWorld], device: torch.device) -> Tensor:  # [B, 4, 4]
    """anchor_from_world: the world's axes, another origin."""
    anchors = torch.eye(4).repeat(len(worlds), 1, 1)
    anchors[:, :3, 3] = -torch.tensor([world.anchor for world in worlds], dtype=torch.float32)
    return anchors.to(device)
