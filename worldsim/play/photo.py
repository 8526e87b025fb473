"""Photo mode: the world stands still, and a free camera flies through what memory knows of it.

Nothing is dreamed: each view is remembered frames, reprojected (`worldsim.memory.reproject`), and
filled smoothly where they show nothing. The world's own memory is not asked, for even looking
something up changes what it will forget: the camera has a copy.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from worldsim.camera import Intrinsics, pose_matrices
from worldsim.engine.hints import TRUST_REAL, Remembered, Shown, make_hint, show
from worldsim.memory.bank import MemoryBank
from worldsim.memory.keyframe import Keyframe
from worldsim.memory.planes import joined
from worldsim.model.picture import from_picture, to_picture
from worldsim.types import TICK_S, Action, Observation, Pose

SOURCES = 5  # keyframes behind a view, besides the frame that was frozen
KEPT = 32  # keyframes whose geometry is at hand
SPEED_M, SPRINT = 4.0 * TICK_S, 3.0  # a tick


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Photo:
    """What the free camera sees."""

    observation: Observation
    known: float  # share of the picture that memory shows


class PhotoCamera:
    """Owns a place in a world that stands still.

    Args:
        frozen: the frame to begin in; the last one of the world.
    """

    def __init__(self, memory: MemoryBank, frozen: Observation) -> None:
        self._intrinsics: Intrinsics = memory.intrinsics
        self._memory = MemoryBank(memory.intrinsics, memory.config)
        self._memory.restore(memory.snapshot())
        newest = max((one.frame for one in memory.keyframes), default=0) + 1
        depth = frozen.depth.astype(np.float16)
        self._frozen = Keyframe(frozen.rgb, depth, frozen.pose, newest, TRUST_REAL)
        self._shown = lru_cache(KEPT)(_shown)
        self.photo = self._taken(frozen.pose)

    def step(self, action: Action) -> None:
        """Fly for a tick: the keys of walking, jump for up, sneak for down, sprint for speed."""
        pose = self.photo.observation.pose
        there = flown(pose, action)
        if there != pose:
            self.photo = self._taken(there)

    def _taken(self, pose: Pose) -> Photo:
        if pose == self._frozen.pose:
            frozen = Observation(self._frozen.rgb, self._frozen.depth.astype(np.float32), pose)
            return Photo(observation=frozen, known=1.0)
        sources = [*self._memory.retrieve(pose, count=SOURCES), self._frozen]
        target = torch.from_numpy(pose_matrices([pose]))
        with torch.inference_mode():
            picture, confidence = make_hint(self._remembered(sources), target, self._intrinsics)
            rgb, depth = from_picture(picture[0].clamp(-1.0, 1.0))
        return Photo(
            observation=Observation(rgb.numpy(), depth.numpy(), pose),
            known=float((confidence > 0).float().mean()),
        )

    def _remembered(self, sources: list[Keyframe]) -> Remembered:
        shown = [self._shown(one) for one in sources]
        newest = self._frozen.frame
        return Remembered(
            torch.stack([one.picture for one in shown])[None],
            torch.from_numpy(pose_matrices([one.pose for one in sources]))[None],
            torch.tensor([[one.trust for one in sources]]),
            torch.tensor([[float(newest - one.frame) for one in sources]]),
            torch.ones(1, len(sources), dtype=torch.bool),
            joined([one.planes for one in shown], 1),
        )


def flown(pose: Pose, action: Action) -> Pose:
    """Where a camera without a body gets to in a tick."""
    step_m = SPEED_M * (SPRINT if action.sprint else 1.0)
    right, up = action.right - action.left, action.jump - action.sneak
    turned = pose.turned(action.yaw_deg, action.pitch_deg)
    return turned.moved_along(step_m * right, step_m * up, step_m * (action.forward - action.back))


def _shown(keyframe: Keyframe) -> Shown:
    return show(to_picture(torch.tensor(keyframe.rgb), torch.tensor(keyframe.depth)))
