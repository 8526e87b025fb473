"""From remembered RGB-D frames to the model's hint channels; training and play share this."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from worldsim.camera import Intrinsics
from worldsim.memory.hint import Sources
from worldsim.memory.reproject import reproject
from worldsim.model.picture import decode_depth, encode_depth

TRUST_REAL = 1.0
TRUST_DREAM = 0.6
TRUST_LAST = 0.3  # the last frame, resampled by nature, counts only where nothing else does


@dataclass(frozen=True, slots=True)
class Remembered:
    """K remembered pictures for each of B targets."""

    pictures: Tensor  # [B, K, 4, H, W] in [-1, 1]
    poses: Tensor  # [B, K, 4, 4] world_from_camera
    trust: Tensor  # [B, K]
    age: Tensor  # [B, K] larger is older
    valid: Tensor  # [B, K] bool


def make_hint(
    remembered: Remembered,
    target_poses: Tensor,  # [B, 4, 4] world_from_camera
    intrinsics: Intrinsics,
) -> tuple[Tensor, Tensor]:  # [B, 4, H, W] and [B, 1, H, W]; 0 where unknown
    """What memory shows at the target poses, as a picture and its confidence."""
    sources = Sources(
        rgb=remembered.pictures[:, :, :3],
        depth=decode_depth(remembered.pictures[:, :, 3]),
        world_from_camera=remembered.poses,
        trust=remembered.trust,
        age=remembered.age,
        valid=remembered.valid,
    )
    hint = reproject(sources, target_poses, intrinsics)
    known = hint.confidence > 0
    code = torch.where(known, encode_depth(hint.depth), torch.zeros_like(hint.depth))
    return torch.cat((hint.rgb, code[:, None]), dim=1), hint.confidence[:, None]
