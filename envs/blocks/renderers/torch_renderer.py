"""Draws block worlds with torch: the readable twin of `voxels.frag`, on a CPU or a GPU.

`assets/shaders/voxels.frag` is the same picture in GLSL: change both. Rays of a batch of views
are one flat list; only rays that hit something are shaded.

Shape letters: B views, R rays of each, P shaded rays of all views together.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from worldsim.camera import Intrinsics, pixel_rays, pose_matrices
from worldsim.envs.blocks.renderers import light as lighting
from worldsim.envs.blocks.renderers import shading
from worldsim.envs.blocks.renderers.frames import Frames, require_matching, require_supersample
from worldsim.envs.blocks.renderers.volume import CLEARANCE_SHIFT, Volume, eye_in_water, make_volume
from worldsim.envs.blocks.voxels import VoxelWindow
from worldsim.types import SKY_DEPTH_M, Pose

_CACHED_WINDOWS = 16
_RAYS_AT_ONCE = {"cpu": 1 << 16, "cuda": 1 << 22}
_SUB_PIXELS = ((-0.25, -0.25), (0.25, -0.25), (-0.25, 0.25), (0.25, 0.25))


@dataclass(frozen=True, slots=True)
class TensorFrames:
    """A batch of views as tensors on the renderer's device."""

    rgb: Tensor  # [B, H, W, 3] uint8
    depth: Tensor  # [B, H, W] float32 metres along the view axis
    labels: Tensor  # [B, H, W] uint8


class TorchRenderer:
    """The reference renderer, and the one for machines without OpenGL or with a GPU.

    Args:
        device: Where it computes.
        supersample: Colour rays along each side of a pixel, 2 or 1. Depth and labels always come
            from the one ray through the pixel's centre.
    """

    def __init__(self, device: torch.device | str = "cpu", *, supersample: int = 2) -> None:
        require_supersample(supersample)
        self._device = torch.device(device)
        self._supersample = supersample
        self._volumes: OrderedDict[int, tuple[Volume, Tensor]] = OrderedDict()  # by version

    def render(
        self,
        windows: Sequence[VoxelWindow],
        poses: Sequence[Pose],
        day: Sequence[float],
        intrinsics: Intrinsics,
    ) -> Frames:
        """Draw one view for each pose."""
        frames = self.render_tensors(windows, poses, day, intrinsics)
        return Frames(
            frames.rgb.cpu().numpy(), frames.depth.cpu().numpy(), frames.labels.cpu().numpy()
        )

    @torch.inference_mode()
    def render_tensors(
        self,
        windows: Sequence[VoxelWindow],
        poses: Sequence[Pose],
        day: Sequence[float],
        intrinsics: Intrinsics,
    ) -> TensorFrames:
        """Draw one view for each pose and leave the result on the device."""
        require_matching(windows, poses, day)
        rays = intrinsics.width * intrinsics.height * self._supersample**2
        count = max(1, _RAYS_AT_ONCE.get(self._device.type, 1 << 16) // rays)
        parts = [
            self._draw(windows[i : i + count], poses[i : i + count], day[i : i + count], intrinsics)
            for i in range(0, len(poses), count)
        ]
        if not parts:
            shape = (0, intrinsics.height, intrinsics.width)
            blank = torch.zeros(shape, dtype=torch.uint8, device=self._device)
            return TensorFrames(blank[..., None].expand(*shape, 3), blank.float(), blank)
        return TensorFrames(
            torch.cat([part.rgb for part in parts]),
            torch.cat([part.depth for part in parts]),
            torch.cat([part.labels for part in parts]),
        )

    def close(self) -> None:
        """Forget the uploaded windows."""
        self._volumes.clear()

    def _draw(
        self,
        windows: Sequence[VoxelWindow],
        poses: Sequence[Pose],
        day: Sequence[float],
        intrinsics: Intrinsics,
    ) -> TensorFrames:
        scene, cameras = self._scene(windows, poses, day)
        H, W = intrinsics.height, intrinsics.width
        rays = _rays(cameras, intrinsics, (0.0, 0.0))
        centre = shading.march(scene, rays)
        if self._supersample == 1:
            colour = shading.shade(scene, rays, centre)
        else:
            colour = torch.zeros_like(rays.direction)
            for offset in _SUB_PIXELS:
                beside = _rays(cameras, intrinsics, offset)
                colour += 0.25 * shading.shade(scene, beside, shading.march(scene, beside))
        met = centre.face >= 0
        depth = torch.where(met, centre.distance / rays.stretch, SKY_DEPTH_M)
        rgb = (colour * 255.0 + 0.5).floor().to(torch.uint8)
        return TensorFrames(
            rearrange(rgb, "B (H W) C -> B H W C", H=H, W=W),
            rearrange(depth, "B (H W) -> B H W", H=H, W=W),
            rearrange(centre.block.to(torch.uint8), "B (H W) -> B H W", H=H, W=W),
        )

    def _scene(
        self, windows: Sequence[VoxelWindow], poses: Sequence[Pose], day: Sequence[float]
    ) -> tuple[shading.Scene, Tensor]:
        """What the views look at, and their cameras [B, 4, 4] (positions from windows' corners)."""
        versions = list(dict.fromkeys(window.version for window in windows))
        uploaded = {window.version: self._uploaded(window) for window in windows}
        volumes = [uploaded[window.version][0] for window in windows]
        cameras = pose_matrices(list(poses))
        origins = np.array([volume.origin for volume in volumes])
        cameras[:, :3, 3] -= origins
        water = [eye_in_water(v, c[:3, 3]) for v, c in zip(volumes, cameras, strict=True)]
        looks = [window.look for window in windows]
        lights = [lighting.light_at(phase, look) for phase, look in zip(day, looks, strict=True)]
        cells = torch.stack([uploaded[version][1] for version in versions])
        return shading.Scene(
            cells=cells,
            blocks=(cells & 15).to(torch.uint8),
            clearance=((cells >> CLEARANCE_SHIFT) & 15).to(torch.uint8),
            grid=self._tensor(np.array([versions.index(window.version) for window in windows])),
            origin=self._tensor(origins),
            in_water=self._tensor(np.array(water)),
            light=self._tensor(np.stack([lighting.light_rows(light) for light in lights])),
            face_colours=self._tensor(np.stack([lighting.face_colours(look) for look in looks])),
            fog=self._tensor(np.array([lighting.fog_m(look) for look in looks])),
            patterns=self._tensor(lighting.pattern_table()),
        ), self._tensor(cameras)

    def _uploaded(self, window: VoxelWindow) -> tuple[Volume, Tensor]:
        cached = self._volumes.get(window.version)
        if cached is None:
            volume = make_volume(window)
            cached = (volume, self._tensor(volume.cells.astype(np.int32)))
            self._volumes[window.version] = cached
            if len(self._volumes) > _CACHED_WINDOWS:
                self._volumes.popitem(last=False)
        self._volumes.move_to_end(window.version)
        return cached

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(self._device)


def _rays(
    cameras: Tensor,  # [B, 4, 4] world_from_camera
    intrinsics: Intrinsics,
    offset: tuple[float, float],  # pixels right and down of the centre
) -> shading.Rays:
    rays = pixel_rays(intrinsics, cameras.device)
    right, down = offset[0] / intrinsics.focal_x_px, offset[1] / intrinsics.focal_px
    shift = torch.tensor((right, -down, 0.0), device=cameras.device)
    rays = rearrange(rays + shift, "H W C -> (H W) C")
    slant = rays @ cameras[:, :3, :3].transpose(1, 2)
    stretch = slant.norm(dim=-1)
    origin = cameras[:, None, :3, 3].expand_as(slant)
    return shading.Rays(origin, slant / stretch[..., None], stretch)
