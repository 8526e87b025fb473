"""How far the view is ahead of the newest frame: turned by the hand, moved by the feet.

A frame shows where the player was a tick ago. The motion that no frame has used yet turns it,
which is exact. Where the feet will be is a guess, so it is kept small: they go on as they went in
the last tick, or, where other keys are held by now, begin to go as those ask. The guess never
reaches further than the next frame, and what it was wrong by fades once that frame is there: the
view never jumps.
"""

from __future__ import annotations

import math
from collections.abc import Set
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from worldsim.camera import pose_matrix
from worldsim.envs.blocks.physics import GRIP, SNEAK_M_S, SPRINT_M_S, WALK_M_S
from worldsim.play.mailbox import InputSource
from worldsim.play.tick import Phase, Step, Tick
from worldsim.play.warp import limited, rotation_between
from worldsim.types import TICK_S, Pose

MAX_SHIFT_M = 0.5  # further off, a frame has too little to show
MAX_ERROR_M = 0.3  # a sprinter's stride: a guess can hardly be wrong by more
SHIFT_DIGITS = 4  # of a metre: a view that stands still is not drawn again
MAX_INTERVAL_S = 4 * TICK_S  # a slow model's steps are spread over so much at most
INTERVAL_SHARE = 0.3  # of a new interval in their average
FADE_S = 0.08
FEET = frozenset({"forward", "back", "left", "right", "sprint", "sneak"})


class WarpMode(Enum):
    """How the newest frame is changed to where the player looks from by now."""

    off = "off"
    rotation = "rotation"
    parallax = "parallax"


@dataclass(frozen=True, slots=True, eq=False)
class Lead:
    """The view's camera, as seen from the frame's."""

    turn: NDArray[np.float64]  # [3, 3] frame_from_view, camera axes
    shift: NDArray[np.float64]  # [3] metres, the frame's camera axes


@dataclass(frozen=True, slots=True, eq=False)
class _Glide:
    """The view's way from one frame to the next."""

    step: Step
    feet: frozenset[str]
    interval_s: float
    start: NDArray[np.float64]  # [3] metres, world axes: where the frame was seen from
    stride: NDArray[np.float64]  # [3] metres, world axes: to the next frame's place
    error: NDArray[np.float64]  # [3] metres, world axes: by how much the view was elsewhere
    error_s: float  # when

    def shift(self, now_s: float) -> NDArray[np.float64]:  # [3] metres, world axes
        share = min(max((now_s - self.step.made_s) / self.interval_s, 0.0), 1.0)
        left = math.exp((self.error_s - now_s) / FADE_S)
        return _clamped(share * self.stride + left * self.error)

    def continues(self, before: _Glide, now_s: float) -> _Glide:
        """This way, begun where the view is on another one at this moment."""
        apart = before.start + before.shift(now_s) - self.start - self.shift(now_s)
        if float(np.linalg.norm(apart)) > MAX_ERROR_M:  # elsewhere, or frames have been missed
            return self
        return replace(self, error=apart, error_s=now_s)


class ViewAhead:
    """Owns the mode, and the way that the view is on."""

    def __init__(self, mode: WarpMode) -> None:
        self.mode = mode
        self._glide: _Glide | None = None

    def cycle(self) -> WarpMode:
        """The next mode."""
        modes = list(WarpMode)
        self.mode = modes[(modes.index(self.mode) + 1) % len(modes)]
        return self.mode

    def of(self, tick: Tick, source: InputSource, now_s: float) -> Lead:
        """The lead over a tick that has a frame."""
        assert tick.observation is not None
        frame, view = tick.observation.pose, tick.observation.pose
        if self.mode is not WarpMode.off and tick.phase is Phase.playing:
            ahead = source.unused(tick.used)
            view = limited(frame, ahead.yaw_deg, ahead.pitch_deg)
        turn = np.eye(3) if view == frame else rotation_between(frame, view)
        walks = self.mode is WarpMode.parallax and tick.phase is Phase.playing
        if tick.step is None or not walks:
            self._glide = None
            return Lead(turn, np.zeros(3))
        self._glide = _glide(self._glide, frame, view, tick.step, source.held(), now_s)
        shift = _rotation(frame).T @ self._glide.shift(now_s)
        return Lead(turn, shift.round(SHIFT_DIGITS) + 0.0)  # no -0.0: it looks the same


def _glide(
    before: _Glide | None, frame: Pose, view: Pose, step: Step, held: Set[str], now_s: float
) -> _Glide:
    """The way from the newest frame on. A new frame or other keys never make the view jump."""
    stride = view.moved_along(*expected(step, held)).position() - view.position()
    feet = frozenset(held & FEET)
    if before is not None and step is before.step and feet == before.feet:
        return replace(before, stride=stride)
    glide = _Glide(
        step=step,
        feet=feet,
        interval_s=TICK_S if before is None else _interval_s(before, step),
        start=frame.position(),
        stride=stride,
        error=np.zeros(3),
        error_s=now_s,
    )
    return glide if before is None else glide.continues(before, now_s)


def _interval_s(before: _Glide, step: Step) -> float:
    """The average time between two frames; one stall hardly changes it."""
    gap_s = min(max(step.made_s - before.step.made_s, TICK_S), MAX_INTERVAL_S)
    share = 0.0 if step is before.step else INTERVAL_SHARE
    return before.interval_s + share * (gap_s - before.interval_s)


def _rotation(pose: Pose) -> NDArray[np.float64]:  # [3, 3] world_from_camera
    return pose_matrix(pose)[:3, :3].astype(np.float64)


def expected(step: Step, held: Set[str]) -> tuple[float, float, float]:
    """Metres right, up and forward that the tick after this one will bring.

    With the same keys, the same again: who leans against a wall stays. With others, the walker
    begins to do as they say (`worldsim.envs.blocks.physics`).
    """
    right, up, forward = step.moved_m
    if held & FEET == step.buttons & FEET:
        return right, up, forward
    want_right, want_forward = wanted(held)
    return right + GRIP * (want_right - right), up, forward + GRIP * (want_forward - forward)


def wanted(held: Set[str]) -> tuple[float, float]:
    """Metres right and forward a tick that the keys ask for, on open ground."""
    right = ("right" in held) - ("left" in held)
    forward = ("forward" in held) - ("back" in held)
    speed = SNEAK_M_S if "sneak" in held else WALK_M_S
    if "sprint" in held and forward > 0 and "sneak" not in held:
        speed = SPRINT_M_S
    stride = speed * TICK_S / (math.hypot(right, forward) or 1.0)
    return right * stride, forward * stride


def _clamped(shift: NDArray[np.float64]) -> NDArray[np.float64]:
    length = float(np.linalg.norm(shift))
    return shift if length <= MAX_SHIFT_M else shift * (MAX_SHIFT_M / length)
