"""The small typed values that flow through worldsim, and the legend of tensor-shape letters.

Shape letters, used as suffixes of names (`x_BTSD`) and in shape comments:

    B  worlds in a batch        T  frames in time           K  keyframes
    H  height in pixels         W  width in pixels          C  channels
    h  height in tokens         w  width in tokens          S  tokens of one frame (h*w)
    D  width of the trunk       N  attention heads          E  width of one head
    L  keys (cached + own)      P  points                   M  recalled frames

World: right-handed, +y up, 1 unit = 1 block = 1 m. Camera: OpenGL axes (+x right, +y up,
looks along -z). Poses are `world_from_camera`. Angles are degrees in the public API: yaw grows
to the right (0 looks along -z, 90 along +x), pitch grows downwards.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from worldsim.errors import ActionError, SceneError

TICK_HZ = 20
TICK_S = 1.0 / TICK_HZ
MAX_TURN_DEG = 180.0
MAX_PITCH_DEG = 89.0
MAX_SEED = 2**63 - 1
SKY_DEPTH_M = 1000.0  # the depth of everything that is infinitely far away

BUTTONS = ("forward", "back", "left", "right", "jump", "sprint", "sneak", "attack", "use")


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What the player does during one tick of 1/20 s.

    Nine buttons, and a camera motion in degrees: yaw right-positive, pitch down-positive.
    Raises ActionError if a camera value is not finite or exceeds 180 degrees a tick.
    """

    forward: bool = False
    back: bool = False
    left: bool = False
    right: bool = False
    jump: bool = False
    sprint: bool = False
    sneak: bool = False
    attack: bool = False
    use: bool = False
    yaw_deg: float = 0.0
    pitch_deg: float = 0.0

    def __post_init__(self) -> None:
        for name in ("yaw_deg", "pitch_deg"):
            value = getattr(self, name)
            if not (math.isfinite(value) and abs(value) <= MAX_TURN_DEG):
                raise ActionError(
                    f"{name} between -{MAX_TURN_DEG:g} and {MAX_TURN_DEG:g} degrees a tick",
                    f"{value!r}",
                    "Clip the camera motion, or spread it over several ticks.",
                )
        for name in BUTTONS:
            if not isinstance(getattr(self, name), (bool, np.bool_)):
                raise ActionError(
                    f"button {name} to be True or False",
                    f"{getattr(self, name)!r}",
                    "Pass a bool; analogue values go into yaw_deg and pitch_deg.",
                )


@dataclass(frozen=True, slots=True)
class Pose:
    """Where the eye is (metres) and where it looks (degrees); roll is always zero."""

    x: float
    y: float
    z: float
    yaw_deg: float = 0.0
    pitch_deg: float = 0.0

    def position(self) -> NDArray[np.float64]:  # [3]
        return np.array((self.x, self.y, self.z))

    def turned(self, yaw_deg: float, pitch_deg: float) -> Pose:
        """The same place after a camera motion; yaw wraps to [-180, 180), pitch is clamped."""
        yaw = (self.yaw_deg + float(yaw_deg) + 180.0) % 360.0 - 180.0
        pitch = min(max(self.pitch_deg + float(pitch_deg), -MAX_PITCH_DEG), MAX_PITCH_DEG)
        return Pose(self.x, self.y, self.z, yaw, pitch)

    def moved(self, dx: float, dy: float, dz: float) -> Pose:
        """The same view direction after a displacement in world axes, metres."""
        return Pose(self.x + dx, self.y + dy, self.z + dz, self.yaw_deg, self.pitch_deg)

    def moved_along(self, right_m: float, up_m: float, forward_m: float) -> Pose:
        """The same view direction after a displacement along the body's level axes, metres."""
        sin_yaw, cos_yaw = _sin_cos_deg(self.yaw_deg)
        return self.moved(
            cos_yaw * right_m + sin_yaw * forward_m, up_m, sin_yaw * right_m - cos_yaw * forward_m
        )

    def displacement_from(self, before: Pose) -> tuple[float, float, float]:
        """Metres right, up and forward, along this pose's level axes, since an earlier pose."""
        sin_yaw, cos_yaw = _sin_cos_deg(self.yaw_deg)
        dx, dz = self.x - before.x, self.z - before.z
        return cos_yaw * dx + sin_yaw * dz, self.y - before.y, sin_yaw * dx - cos_yaw * dz


def _sin_cos_deg(angle_deg: float) -> tuple[float, float]:
    angle_rad = math.radians(angle_deg)
    return math.sin(angle_rad), math.cos(angle_rad)


@dataclass(frozen=True, slots=True)
class Observation:
    """What is seen at one tick."""

    rgb: NDArray[np.uint8]  # [H, W, 3]
    depth: NDArray[np.float32]  # [H, W] metres along the view axis; SKY_DEPTH_M where sky
    pose: Pose


@dataclass(frozen=True, slots=True)
class StepResult:
    """The outcome of one action: the frame after it, its reward, and whether the task ended."""

    observation: Observation
    reward: float = 0.0
    terminated: bool = False


class World(Protocol):
    """What "real", "dream" and "replay" have in common: the window, env and recorder need no more.

    `actions[t]` is applied at frame t and yields frame t+1.
    """

    def reset(self, *, seed: int | None = None) -> Observation: ...

    def step(self, action: Action) -> StepResult: ...


@dataclass(frozen=True, slots=True)
class Clip:
    """Consecutive frames and the actions between them: T actions, T+1 observations."""

    observations: tuple[Observation, ...]
    actions: tuple[Action, ...]

    def __post_init__(self) -> None:
        if len(self.observations) != len(self.actions) + 1:
            raise ActionError(
                "one observation more than actions",
                f"{len(self.observations)} observations and {len(self.actions)} actions",
                "An episode of T actions has T+1 frames.",
            )


def require_seed(seed: object) -> int:
    """The seed as an int. Raises SceneError unless it is a whole number from 0 to MAX_SEED."""
    if isinstance(seed, (int, np.integer)) and not isinstance(seed, bool):
        whole = int(seed)
        if 0 <= whole <= MAX_SEED:
            return whole
    raise SceneError(f"a seed from 0 to {MAX_SEED}", repr(seed), "Pass a whole number of these.")
