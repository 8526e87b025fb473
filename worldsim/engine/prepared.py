"""What the model needs of a remembered frame, made once and kept: keyframes never change.

Each keyframe is prepared alone, never in a batch, so that a frame does not depend on what happened
to be kept: a restored world dreams on bit for bit.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worldsim.camera import pixel_rays, pose_matrices, pose_matrix
from worldsim.engine.hints import Shown, fill_unknown, show
from worldsim.kernels.threads import one_thread
from worldsim.memory.bank import Keyframe
from worldsim.model.outpainter import glance
from worldsim.model.picture import to_picture
from worldsim.model.traced import traced
from worldsim.model.trunk import Context
from worldsim.model.world_model import WorldModel
from worldsim.types import Observation, Pose

KEPT = 24  # keyframes a world: a walk recalls the same few for many ticks
STRIDE, NEARBY_M = 2, 12.0  # of surface points: every second pixel, if no farther than this
NOWHERE = 1.0  # depth code of holes
CLOSE_M = 1.5  # what the body might run into next is no farther
CLOSE_UP_M = 4.0  # what is asked of the last frame's colours is no farther
TOUCHING_M = 0.7  # nearer than this, even what is no smooth surface is in the way
STEEPEST = 0.2  # relative step of depth between two pixels of one surface

Place = tuple[float, float, float]


class Preparations:
    """Remembers what it made of the most recently used keyframes of one model."""

    def __init__(self, model: WorldModel, kept: int = KEPT) -> None:
        self._device = model.stem.weight.device
        self._rays = pixel_rays(model.config.intrinsics).numpy()[::STRIDE, ::STRIDE]
        self._recall = traced(model.recall)
        self.imagine = traced(model.outpainter.forward)
        self.shown = lru_cache(kept)(self.show)
        self.glanced_at = lru_cache(kept)(self.glance_at)
        self.recalled = lru_cache(kept)(self._recalled)
        self.coloured = lru_cache(kept)(self._coloured)
        self.surface = lru_cache(kept)(self._surface)

    def show(self, frame: Observation | Keyframe) -> Shown:
        """A frame as a source of hints."""
        return show(self._picture(frame))

    def glance_at(self, frame: Observation | Keyframe) -> Shown:
        """The same at half of its resolution, for an outpainter's hints."""
        return show(glance(self._picture(frame)[None])[0])

    def _picture(self, frame: Observation | Keyframe) -> Tensor:  # [4, H, W]
        return to_picture(torch.tensor(frame.rgb), torch.tensor(frame.depth)).to(self._device)

    def _recalled(self, keyframe: Keyframe, anchor: Place) -> Context:
        """A keyframe as context: the keys and values of its tokens."""
        picture = self.shown(keyframe).picture[None]
        if not keyframe.depth.all():
            picture = fill_unknown(picture, (picture[:, 3:] < NOWHERE).to(picture.dtype))
        pose = torch.from_numpy(pose_matrices([keyframe.pose])).to(self._device)
        valid = torch.ones(1, 1, dtype=torch.bool, device=self._device)
        from_camera = (anchor_from_world(anchor, self._device) @ pose)[None]
        with one_thread():  # in whichever thread of Python: two would round differently
            return self._recall(picture[None], from_camera, valid)

    def _surface(self, keyframe: Keyframe) -> NDArray[np.float32]:  # [N, 3] world, metres
        """A keyframe's nearby surface points, but for those beside silhouettes."""
        return self._points(keyframe.depth, keyframe.pose, self._is_surface(keyframe))

    def _coloured(self, keyframe: Keyframe) -> NDArray[np.float32]:  # [N, 6]
        """The same points, and their colours from 0 to 1."""
        chosen = self._is_surface(keyframe)
        return np.hstack((self.surface(keyframe), _colours(keyframe.rgb, chosen)))

    def _is_surface(self, keyframe: Keyframe) -> NDArray[np.bool_]:  # [H, W]
        doubt = self.shown(keyframe).planes.doubt[0, 0].cpu().numpy().reshape(keyframe.depth.shape)
        return (keyframe.depth < NEARBY_M) & (doubt == 0)

    def close_up(self, seen: Observation) -> NDArray[np.float32]:  # [N, 6] world, metres; 0 to 1
        """The nearest points of a frame, with their colours."""
        chosen = seen.depth < CLOSE_UP_M
        return np.hstack((self._points(seen.depth, seen.pose, chosen), _colours(seen.rgb, chosen)))

    def close_by(self, seen: Observation) -> NDArray[np.float32]:  # [N, 3] world, metres
        """The surface points of a frame that the body might run into next."""
        depth = seen.depth
        slope_y, slope_x = (np.abs(np.diff(depth, axis=i, append=np.inf)) for i in (0, 1))
        smooth = np.maximum(slope_x, slope_y) < STEEPEST * depth
        return self._points(depth, seen.pose, (smooth & (depth < CLOSE_M)) | (depth < TOUCHING_M))

    def _points(
        self,
        depth: NDArray[np.floating],  # [H, W] metres
        pose: Pose,
        chosen: NDArray[np.bool_],  # [H, W]
    ) -> NDArray[np.float32]:  # [N, 3] world, metres, of every second pixel
        chosen = chosen[::STRIDE, ::STRIDE]
        metres = depth[::STRIDE, ::STRIDE][chosen].astype(np.float32)
        camera = self._rays[chosen] * metres[:, None]
        world_from_camera = pose_matrix(pose)
        return camera @ world_from_camera[:3, :3].T + world_from_camera[:3, 3]


def _colours(
    rgb: NDArray[np.uint8],  # [H, W, 3]
    chosen: NDArray[np.bool_],  # [H, W]
) -> NDArray[np.float32]:  # [N, 3] from 0 to 1, of every second pixel
    return rgb[::STRIDE, ::STRIDE][chosen[::STRIDE, ::STRIDE]].astype(np.float32) / 255.0


def anchor_from_world(anchor: Place, device: torch.device) -> Tensor:  # [4, 4]
    """The world's axes, another origin."""
    matrix = torch.eye(4)
    matrix[:3, 3] = -torch.tensor(anchor, dtype=torch.float32)
    return matrix.to(device)
