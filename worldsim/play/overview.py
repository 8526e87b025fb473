"""What can lie over the picture: the memory from above, what it recalled, the keys held.

The model thread surveys its world once a tick; what it hands over is small and never changes.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldsim.camera import Intrinsics
from worldsim.engine.hints import TRUST_REAL
from worldsim.memory.keyframe import Keyframe
from worldsim.play.traits import keyframes_in, recalled_by
from worldsim.record.worlds import SceneWorld
from worldsim.types import BUTTONS, Action, Pose

REACHES_M = (8.0, 16.0, 32.0)  # from the middle of the map to its edges: the first that will do
NEWEST = 512  # keyframes that are looked through for the map
STRIDE_M, STEPS = 0.5, 400  # the path that is remembered
JUMP_M = 4.0  # no walk moves this far in one tick: the path begins anew


@dataclass(frozen=True, slots=True)
class Mark:
    """A view from above. North is up: x grows to the east and y to the south, -1 to 1."""

    x: float
    y: float
    dx: float  # where it looks; of length 1 if level
    dy: float
    recalled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MiniMap:
    """The surroundings of the eye, which is in the middle."""

    camera: Mark
    fov_x_deg: float
    reach_m: float
    marks: tuple[Mark, ...] = ()  # the keyframes, oldest first; may lie beyond the map
    path: tuple[tuple[float, float], ...] = ()  # as in Mark, oldest first


@dataclass(frozen=True, slots=True, eq=False)
class Thumbnail:
    """A remembered picture; its pixels never change."""

    rgb: NDArray[np.uint8]  # [H, W, 3]
    caption: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """All of it, as of one tick."""

    minimap: MiniMap | None = None
    recalled: tuple[Thumbnail, ...] = ()  # best first
    pressed: tuple[str, ...] = ()  # buttons of the tick's action


class Surveyor:
    """Owns the path walked since the world began."""

    def __init__(self) -> None:
        self._path: deque[Pose] = deque(maxlen=STEPS)

    def begin(self) -> None:
        self._path.clear()

    def survey(self, world: SceneWorld, pose: Pose, action: Action) -> Overview:
        self._walk(pose)
        recalled = recalled_by(world)
        return Overview(
            minimap=minimap(pose, keyframes_in(world), recalled, self._path, world.intrinsics),
            recalled=tuple(Thumbnail(one.rgb, _caption(one, pose)) for one in recalled),
            pressed=tuple(name for name in BUTTONS if getattr(action, name)),
        )

    def _walk(self, pose: Pose) -> None:
        gone_m = _distance(self._path[-1], pose) if self._path else math.inf
        if gone_m > JUMP_M:
            self._path.clear()
        if gone_m > STRIDE_M:
            self._path.append(pose)


def minimap(
    eye: Pose,
    keyframes: Sequence[Keyframe],
    recalled: Sequence[Keyframe],
    path: Sequence[Pose],
    intrinsics: Intrinsics,
) -> MiniMap:
    """The newest keyframes, and the path up to the eye."""
    picked = {id(one) for one in recalled}
    near = keyframes[-NEWEST:]
    reach_m = _reach_m(eye, [one.pose for one in near])
    aspect = intrinsics.width / intrinsics.height
    half = math.atan(aspect * math.tan(math.radians(intrinsics.fov_y_deg) / 2))
    return MiniMap(
        camera=_mark(eye, eye, reach_m),
        fov_x_deg=2 * math.degrees(half),
        reach_m=reach_m,
        marks=tuple(_mark(one.pose, eye, reach_m, recalled=id(one) in picked) for one in near),
        path=tuple(_place(pose, eye, reach_m) for pose in (*path, eye)),
    )


def _reach_m(eye: Pose, poses: Sequence[Pose]) -> float:
    farthest_m = max((max(abs(p.x - eye.x), abs(p.z - eye.z)) for p in poses), default=0.0)
    return next((reach_m for reach_m in REACHES_M if farthest_m < reach_m), REACHES_M[-1])


def _place(pose: Pose, eye: Pose, reach_m: float) -> tuple[float, float]:
    return (pose.x - eye.x) / reach_m, (pose.z - eye.z) / reach_m


def _mark(pose: Pose, eye: Pose, reach_m: float, *, recalled: bool = False) -> Mark:
    yaw, level = math.radians(pose.yaw_deg), math.cos(math.radians(pose.pitch_deg))
    x, y = _place(pose, eye, reach_m)
    return Mark(x, y, level * math.sin(yaw), -level * math.cos(yaw), recalled)


def _caption(keyframe: Keyframe, eye: Pose) -> str:
    seen = "seen" if keyframe.trust == TRUST_REAL else "dreamed"
    return f"{seen}, {_distance(keyframe.pose, eye):.1f} m away"


def _distance(a: Pose, b: Pose) -> float:
    return float(np.linalg.norm(a.position() - b.position()))
