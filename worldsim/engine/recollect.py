"""What memory shows at the poses of a batch of worlds: in full, or at a glance, for looks ahead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from worldsim.camera import Intrinsics, pose_matrices
from worldsim.engine.assemble import Dreamer
from worldsim.engine.dream_world import DreamWorld
from worldsim.engine.hints import Remembered, Shown, make_hint, trust_of_last
from worldsim.memory.bank import Keyframe
from worldsim.memory.judge import DECIDES_FROM
from worldsim.memory.planes import joined
from worldsim.model.outpainter import glance_camera
from worldsim.types import Observation, Pose


@dataclass(frozen=True, slots=True)
class Sight:
    """How frames are looked at again."""

    camera: Intrinsics
    of_keyframe: Callable[[Keyframe], Shown]
    of_frame: Callable[[Observation], Shown]


def in_full(dreamer: Dreamer) -> Sight:
    """At the model's resolution."""
    prepared = dreamer.prepared
    return Sight(dreamer.model.config.intrinsics, prepared.shown, prepared.show)


def at_a_glance(dreamer: Dreamer) -> Sight:
    """At half of it: an outpainter learns from such hints, and they take a third of the time."""
    prepared, camera = dreamer.prepared, dreamer.model.config.intrinsics
    return Sight(glance_camera(camera), prepared.glanced_at, prepared.glance_at)


def recollect(
    dreamer: Dreamer,
    worlds: Sequence[DreamWorld],
    targets: Sequence[Pose],
    recalled: Sequence[list[Keyframe]],
    sight: Sight,
) -> tuple[Tensor, Tensor]:  # [B, 4, h, w] a picture, [B, 1, h, w] its confidence
    """The hints of recalled keyframes and of the last frame."""
    poses = torch.from_numpy(pose_matrices(list(targets))).to(dreamer.device)
    remembered = _remembered(dreamer, worlds, recalled, sight)
    return make_hint(remembered, poses, sight.camera)


def reshown(
    dreamer: Dreamer, frame: Keyframe, target: Pose, sight: Sight
) -> tuple[Tensor, Tensor]:  # [1, 4, h, w] a picture, [1, 1, h, w] its confidence
    """The hint of one frame alone."""
    source = sight.of_keyframe(frame)
    poses = torch.from_numpy(pose_matrices([frame.pose, target])).to(dreamer.device)
    one = torch.ones(1, 1, device=dreamer.device)
    remembered = Remembered(
        source.picture[None, None],
        poses[None, :1],
        trust=one,
        age=one,
        valid=one > 0,
        planes=source.planes,
        mixed=False,
    )
    return make_hint(remembered, poses[1:], sight.camera)


def _remembered(
    dreamer: Dreamer,
    worlds: Sequence[DreamWorld],
    recalled: Sequence[list[Keyframe]],
    sight: Sight,
) -> Remembered:
    """Recalled keyframes and, as the last source, the last frame; padded to one number."""
    rows = [_sources(dreamer, w, keys, sight) for w, keys in zip(worlds, recalled, strict=True)]
    return Remembered(
        torch.cat([row.pictures for row in rows]),
        torch.cat([row.poses for row in rows]),
        torch.cat([row.trust for row in rows]),
        torch.cat([row.age for row in rows]),
        torch.cat([row.valid for row in rows]),
        joined([row.planes for row in rows if row.planes is not None], 0),
        mixed=any(row.mixed for row in rows),
    )


def _sources(dreamer: Dreamer, world: DreamWorld, keys: list[Keyframe], sight: Sight) -> Remembered:
    """Of one world."""
    last, device = world.left, dreamer.device
    pad = dreamer.model.config.sources - 1 - len(keys)
    shown = [sight.of_keyframe(k) for k in keys]
    shown += [sight.of_frame(last)] * (pad + 1)
    trust = [k.trust for k in keys] + [trust_of_last(world.is_real)] * (pad + 1)
    age = [float(world.frame + 1 - k.frame) for k in keys] + [0.0] * (pad + 1)
    valid = [True] * len(keys) + [False] * pad + [True]
    poses = pose_matrices([k.pose for k in keys] + [last.pose] * (pad + 1))
    return Remembered(
        torch.stack([source.picture for source in shown])[None],
        torch.from_numpy(poses)[None].to(device),
        torch.tensor([trust], device=device),
        torch.tensor([age], device=device),
        torch.tensor([valid], device=device),
        joined([source.planes for source in shown], 1),
        mixed=min(trust) <= DECIDES_FROM < max(trust),
    )
