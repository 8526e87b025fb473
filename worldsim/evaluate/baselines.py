"""What any model has to beat: the last known frame, and known frames warped by their depth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from worldsim.camera import Intrinsics, pose_matrices
from worldsim.memory.bank import BankConfig, MemoryBank
from worldsim.memory.reproject import Sources, reproject
from worldsim.types import Observation, Pose

RECALLED = 4  # keyframes that are warped beside the last frame, as many as `small` recalls


class Warp:
    """`warp_only`: the keyframes that the engine's memory would recall, and the last frame.

    Holds no network: unknown pixels get the mean of the known ones around them. Given the last
    frame alone it is `warp_last`, which has no memory either.
    """

    def __init__(self, known: Sequence[Observation], intrinsics: Intrinsics) -> None:
        self._intrinsics = intrinsics
        self._known = known
        self._bank = MemoryBank(intrinsics, BankConfig())
        for frame, observation in enumerate(known):
            self._bank.insert(
                observation.rgb, observation.depth, observation.pose, frame=frame, trust=1.0
            )

    def __call__(
        self,
        pose: Pose,
    ) -> NDArray[np.uint8]:  # [H, W, 3]
        """The known world as it would look from `pose`."""
        target = torch.from_numpy(pose_matrices([pose]))
        hint = reproject(self._sources(pose), target, self._intrinsics)
        rgb = fill_unknown(hint.rgb[0], hint.confidence[0] > 0)
        levels = ((rgb + 1.0) * 127.5).round().clamp(0, 255).to(torch.uint8)
        return rearrange(levels, "c h w -> h w c").numpy()

    def _sources(self, pose: Pose) -> Sources:
        recalled = self._bank.retrieve(pose, count=RECALLED)
        frames = [self._known[keyframe.frame] for keyframe in recalled] + [self._known[-1]]
        numbers = [keyframe.frame for keyframe in recalled] + [len(self._known) - 1]
        rgb = torch.from_numpy(np.stack([frame.rgb for frame in frames]))
        depth = torch.from_numpy(np.stack([frame.depth for frame in frames]))
        poses = torch.from_numpy(pose_matrices([frame.pose for frame in frames]))
        age = torch.tensor(numbers, dtype=torch.float32)
        return Sources(
            rgb=rearrange(rgb, "k h w c -> 1 k c h w").float() / 127.5 - 1.0,
            depth=depth[None],
            world_from_camera=poses[None],
            trust=torch.ones(1, len(frames)),
            age=(age.max() - age)[None],
            valid=torch.ones(1, len(frames), dtype=torch.bool),
        )


def fill_unknown(
    rgb: Tensor,  # [3, H, W]
    known: Tensor,  # [H, W] bool
) -> Tensor:  # [3, H, W]
    """Unknown pixels take the mean of the known pixels around them, from the nearest scale.

    Where nothing at all is known the result is 0. Known pixels stay as they are.
    Source: the pull-push algorithm of Gortler et al. 1996 (The Lumigraph), section 3.4.2.
    """
    if bool(known.all()):
        return rgb
    weight = known.to(rgb.dtype)
    if known.numel() == 1:
        return rgb * weight
    total = F.avg_pool2d((rgb * weight)[None], 2, ceil_mode=True)[0]
    share = F.avg_pool2d(weight[None, None], 2, ceil_mode=True)[0, 0]
    coarse = fill_unknown(total / share.clamp(min=1e-6), share > 0)
    around = F.interpolate(coarse[None], scale_factor=2.0, mode="nearest")[0]
    around = around[:, : rgb.shape[1], : rgb.shape[2]]
    return torch.where(known, rgb, around)
