"""Which surfaces of a true frame were shown to the model before: only there can it be right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from worldsim.camera import Intrinsics, pose_matrices, project, unproject
from worldsim.record.contact_sheet import evenly_spaced
from worldsim.types import SKY_DEPTH_M, Observation

MAX_WITNESSES = 48
DEPTH_SHARE = 0.05  # depths agree within this share of the distance ...
DEPTH_SLACK_M = 0.1  # ... and this much more
SKY_FROM_M = 0.99 * SKY_DEPTH_M  # a margin for rounding


class Witnesses:
    """Real frames that remember what they saw. At most 48 are asked, evenly spread in time."""

    def __init__(self, observations: Sequence[Observation], intrinsics: Intrinsics) -> None:
        chosen = evenly_spaced(len(observations), MAX_WITNESSES)
        kept = [observations[i] for i in chosen]
        self._intrinsics = intrinsics
        self._depth = torch.from_numpy(np.stack([observation.depth for observation in kept]))
        matrices = pose_matrices([observation.pose for observation in kept])
        self._world_from_camera = torch.from_numpy(matrices)

    def seen(
        self,
        target: Observation,
    ) -> NDArray[np.bool_]:  # [H, W]
        """Where the true surface of `target` shows in some witness at an agreeing depth.

        Sky was seen if its direction lies in a witness that saw sky there.
        """
        target_depth = torch.from_numpy(target.depth)
        pose = torch.from_numpy(pose_matrices([target.pose])[0])
        points = unproject(target_depth, pose, self._intrinsics)
        points = points.expand(len(self._depth), *points.shape)
        pixels, depth = project(points, self._world_from_camera, self._intrinsics)
        inside = self._inside(pixels) & (depth > 0)
        nearest, between = self._look_up(pixels)
        surface = _agree(nearest, depth) | _agree(between, depth)
        sky = nearest >= SKY_FROM_M
        shown = torch.where(target_depth >= SKY_FROM_M, sky, surface & ~sky)
        return (shown & inside).any(dim=0).numpy()

    def _inside(
        self,
        pixels: Tensor,  # [K, H, W, 2]
    ) -> Tensor:  # [K, H, W] bool
        size = pixels.new_tensor((self._intrinsics.width, self._intrinsics.height))
        return ((pixels >= 0) & (pixels < size)).all(dim=-1)

    def _look_up(
        self,
        pixels: Tensor,  # [K, H, W, 2]
    ) -> tuple[Tensor, Tensor]:  # [K, H, W] metres: the nearest pixel's, and between pixels
        """Depths where points fall. Between pixels inverse depth is interpolated: exact on planes.

        Without the second, far ground at a grazing angle would never agree with itself.
        """
        size = pixels.new_tensor((self._intrinsics.width, self._intrinsics.height))
        grid = (2 * pixels / size - 1).clamp(-2, 2)
        inverse = rearrange(1.0 / self._depth, "k h w -> k 1 h w")
        nearest, between = (
            F.grid_sample(inverse, grid, mode=mode, padding_mode="border", align_corners=False)
            for mode in ("nearest", "bilinear")
        )
        return 1.0 / nearest[:, 0], 1.0 / between[:, 0]


def _agree(
    stored: Tensor,  # [K, H, W] metres
    depth: Tensor,  # [K, H, W] metres
) -> Tensor:  # [K, H, W] bool
    return (stored - depth).abs() <= DEPTH_SHARE * depth + DEPTH_SLACK_M
