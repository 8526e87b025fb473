"""From the states of a batch of worlds to the model's inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from worldsim.actions import to_vector
from worldsim.backends.denoiser import Denoiser
from worldsim.camera import pose_matrices
from worldsim.engine.dream_world import DreamWorld
from worldsim.engine.hints import moved_along, trust_of_last
from worldsim.engine.metrics import Metrics
from worldsim.engine.noise import frame_noise
from worldsim.engine.prepared import Preparations, anchor_from_world
from worldsim.memory.bank import Keyframe
from worldsim.memory.retrieve import MemoryMode
from worldsim.model.picture import to_picture
from worldsim.model.world_model import FrameInputs, WorldModel
from worldsim.types import Action, Observation, Pose


@dataclass(frozen=True, slots=True)
class Dreamer:
    """A model, who computes its denoising pass, and how to sample from it."""

    model: WorldModel
    denoiser: Denoiser
    levels: tuple[float, ...]
    memory_mode: MemoryMode
    metrics: Metrics
    prepared: Preparations

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
    hints: tuple[Tensor, Tensor],  # [B, 4, H, W] and [B, 1, H, W]
) -> FrameInputs:
    config, device = dreamer.model.config, dreamer.device
    poses = torch.from_numpy(pose_matrices(list(targets))).to(device)
    hint, confidence = hints
    shown, last_poses, trust = _last_frames(dreamer, worlds)
    last, last_confidence = moved_along(shown, last_poses, trust, hint, poses, config.intrinsics)
    shape = (config.latent_channels, *config.latent_hw)
    noise = torch.stack([frame_noise(w.seed, w.frame + 1, shape) for w in worlds]).to(device)
    anchors = torch.stack([anchor_from_world(world.anchor, device) for world in worlds])
    return FrameInputs(
        noisy=noise[:, None],
        sigma=torch.ones(len(worlds), 1, device=device),
        action=vectors[:, None],
        anchor_from_camera=(anchors @ poses)[:, None],
        hint=hint[:, None],
        confidence=confidence[:, None],
        last=last[:, None],
        last_confidence=last_confidence[:, None],
        time=torch.tensor([[float(len(w.cache))] for w in worlds], device=device),
    )


def _last_frames(
    dreamer: Dreamer, worlds: Sequence[DreamWorld]
) -> tuple[Tensor, Tensor, Tensor]:  # [B, 4, H, W], [B, 4, 4], [B]
    seen = [world.left for world in worlds]
    poses = torch.from_numpy(pose_matrices([frame.pose for frame in seen]))
    trust = torch.tensor([trust_of_last(world.is_real) for world in worlds])
    return as_pictures(dreamer, seen), poses.to(dreamer.device), trust.to(dreamer.device)


def as_pictures(dreamer: Dreamer, seen: Sequence[Observation]) -> Tensor:  # [B, 4, H, W]
    """Frames on the model's device, as it takes them."""
    pictures = [to_picture(torch.from_numpy(o.rgb), torch.from_numpy(o.depth)) for o in seen]
    return torch.stack(pictures).to(dreamer.device)
