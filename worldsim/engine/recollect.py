"""What memory shows at the poses of a batch of worlds."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from worldsim.camera import pose_matrices
from worldsim.engine.assemble import Dreamer
from worldsim.engine.dream_world import DreamWorld
from worldsim.engine.hints import Remembered, make_hint, trust_of_last
from worldsim.memory.bank import Keyframe
from worldsim.memory.planes import joined
from worldsim.types import Pose


def recollect(
    dreamer: Dreamer,
    worlds: Sequence[DreamWorld],
    targets: Sequence[Pose],
    recalled: Sequence[list[Keyframe]],
) -> tuple[Tensor, Tensor]:  # [B, 4, H, W] a picture, [B, 1, H, W] its confidence
    """The hints of recalled keyframes and of the last frame."""
    poses = torch.from_numpy(pose_matrices(list(targets))).to(dreamer.device)
    remembered = _remembered(dreamer, worlds, recalled)
    return make_hint(remembered, poses, dreamer.model.config.intrinsics)


def reshown(
    dreamer: Dreamer, frame: Keyframe, target: Pose
) -> tuple[Tensor, Tensor]:  # [1, 4, H, W] a picture, [1, 1, H, W] its confidence
    """The hint of one frame alone."""
    source = dreamer.prepared.shown(frame)
    poses = torch.from_numpy(pose_matrices([frame.pose, target])).to(dreamer.device)
    one = torch.ones(1, 1, device=dreamer.device)
    remembered = Remembered(
        source.picture[None, None],
        poses[None, :1],
        trust=one,
        age=one,
        valid=one > 0,
        planes=source.planes,
    )
    return make_hint(remembered, poses[1:], dreamer.model.config.intrinsics)


def _remembered(
    dreamer: Dreamer, worlds: Sequence[DreamWorld], recalled: Sequence[list[Keyframe]]
) -> Remembered:
    """Recalled keyframes and, as the last source, the last frame; padded to one number."""
    rows = [_sources(dreamer, w, keys) for w, keys in zip(worlds, recalled, strict=True)]
    return Remembered(
        torch.cat([row.pictures for row in rows]),
        torch.cat([row.poses for row in rows]),
        torch.cat([row.trust for row in rows]),
        torch.cat([row.age for row in rows]),
        torch.cat([row.valid for row in rows]),
        joined([row.planes for row in rows if row.planes is not None], 0),
    )


def _sources(dreamer: Dreamer, world: DreamWorld, keys: list[Keyframe]) -> Remembered:
    """Of one world."""
    last, device = world.observation, dreamer.device
    pad = dreamer.model.config.sources - 1 - len(keys)
    shown = [dreamer.prepared.shown(k) for k in keys]
    shown += [dreamer.prepared.show(last.rgb, last.depth)] * (pad + 1)
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
    )
