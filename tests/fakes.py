"""Stand-ins that tests of many parts share: worlds, clocks, and a command's options."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from worldsim.camera import Intrinsics, pose_matrices, unproject
from worldsim.errors import ConfigError
from worldsim.types import SKY_DEPTH_M, Action, Observation, Pose, StepResult


@dataclass(frozen=True, kw_only=True)
class FakeCommandConfig:
    """Fake options."""

    seed: int = 0
    speed: float | None = None

    def __post_init__(self) -> None:
        if self.speed is not None and self.speed <= 0:
            raise ConfigError("a positive speed", str(self.speed), "Pass a larger one.")


@dataclass(frozen=True)
class PlanePictures:
    """A batch of renders of a PlaneWorld."""

    rgb: NDArray[np.uint8]  # [B, H, W, 3]
    depth: NDArray[np.float32]  # [B, H, W] metres


class PlaneWorld:
    """A true world that can be calculated: coloured ground at y = 0 under a plain sky.

    Walking is free and a wall at z = -6 stops the walker, though it is not drawn.
    """

    def __init__(self, intrinsics: Intrinsics | None = None) -> None:
        self.intrinsics = intrinsics or Intrinsics(width=32, height=20)
        self.pose = Pose(0.0, 1.6, 0.0)
        self.rendered = 0

    def reset(self, *, seed: int | None = None) -> Observation:
        self.pose = Pose(float((seed or 0) % 100), 1.6, 0.0, pitch_deg=20.0)
        return self.observe()

    def advance(self, action: Action) -> tuple[float, bool]:
        self.pose = self.walked(self.pose, action)
        return 0.0, False

    def walked(self, pose: Pose, action: Action) -> Pose:
        turned = pose.turned(action.yaw_deg, action.pitch_deg)
        yaw = math.radians(turned.yaw_deg)
        ahead, aside = action.forward - action.back, action.right - action.left
        dx = 0.2 * (ahead * math.sin(yaw) + aside * math.cos(yaw))
        dz = 0.2 * (aside * math.sin(yaw) - ahead * math.cos(yaw))
        return turned.moved(dx, 0.0, max(dz, -6.0 - turned.z))

    def observe(self) -> Observation:
        pictures = self.render([self.pose])
        return Observation(pictures.rgb[0], pictures.depth[0], self.pose)

    def render(self, poses: Sequence[Pose]) -> PlanePictures:
        self.rendered += len(poses)
        far = torch.full((len(poses), self.intrinsics.height, self.intrinsics.width), 1.0)
        matrices = torch.from_numpy(pose_matrices(list(poses)))
        steps = unproject(far, matrices, self.intrinsics) - matrices[:, None, None, :3, 3]
        down = (-steps[..., 1]).clamp(min=1e-6)
        height = matrices[:, None, None, 1, 3]
        depth = torch.where(down > 0.02, height / down, SKY_DEPTH_M)
        points = (matrices[:, None, None, :3, 3] + depth[..., None] * steps).numpy()
        fade = np.exp(-depth.numpy() / 8.0)  # waves finer than a pixel would be noise
        waves = [fade * np.sin(0.9 * points[..., 0]), fade * np.cos(0.7 * points[..., 2])]
        ground = np.stack((waves[0] * 60, waves[1] * 60, waves[0] * waves[1] * 60), axis=-1) + 110
        sky = np.array((150.0, 200.0, 250.0))
        rgb = np.where((depth.numpy() >= SKY_DEPTH_M)[..., None], sky, ground)
        return PlanePictures(rgb.round().astype(np.uint8), depth.numpy())

    def get_state(self) -> bytes:
        return json.dumps(astuple(self.pose)).encode()

    def set_state(self, state: bytes) -> None:
        self.pose = Pose(*json.loads(state))


class FakeWorld:
    """A world to record: a smooth picture that moves with every frame, seed and action.

    The picture comes from one buffer that is drawn into again, as a real engine may do. Pixel
    (0, 0) holds the frame's number in red and green.
    """

    def __init__(self, width: int = 64, height: int = 40) -> None:
        self.intrinsics = Intrinsics(width=width, height=height)
        self.closed = 0
        self._rgb = np.zeros((height, width, 3), dtype=np.uint8)
        self._depth = np.zeros((height, width), dtype=np.float32)
        self._shift = 0
        self._frame = 0
        self._pose = Pose(0.0, 1.6, 0.0)

    def reset(self, *, seed: int | None = None, scene: str | None = None) -> Observation:
        self._shift, self._frame = (seed or 0) * 7 + len(scene or ""), 0
        self._pose = Pose(0.0, 1.6, 0.0)
        return self._observe()

    def step(self, action: Action) -> StepResult:
        self._frame += 1
        self._shift += 3 * action.forward + round(action.yaw_deg)
        self._pose = self._pose.turned(action.yaw_deg, action.pitch_deg)
        self._pose = self._pose.moved(0.0, 0.0, -0.1 * action.forward)
        return StepResult(self._observe(), reward=0.5 * action.forward)

    def close(self) -> None:
        self.closed += 1

    def _observe(self) -> Observation:
        height, width = self._depth.shape
        row, column = np.mgrid[:height, :width]
        wave = self._shift + self._frame
        self._rgb[..., 0] = 128 + 100 * np.sin((column + wave) / 9.0)
        self._rgb[..., 1] = 128 + 100 * np.cos((row + wave) / 7.0)
        self._rgb[..., 2] = wave % 200
        self._rgb[0, 0, :2] = divmod(self._frame, 256)
        self._depth[:] = 2.0 + row / height + self._frame / 8.0
        return Observation(self._rgb, self._depth, self._pose)


class FakeClock:
    """Time that passes only when somebody sleeps or a fake spends it, on whichever thread."""

    def __init__(self) -> None:
        self.time_s = 100.0
        self._lock = threading.Lock()

    def now(self) -> float:
        return self.time_s

    def sleep_until(self, deadline_s: float) -> None:
        with self._lock:  # or a slower thread would write an earlier time over a later one
            self.time_s = max(self.time_s, deadline_s)

    def spend(self, seconds: float) -> None:
        with self._lock:
            self.time_s += seconds


class BusyClock(FakeClock):
    """A FakeClock on which other threads go on: each is called at its times as time passes."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: list[tuple[float, Callable[[], float | None]]] = []

    def at(self, time_s: float, call: Callable[[], float | None]) -> None:
        """Call at that time, and again at the time that the call returns, if any."""
        self._calls.append((time_s, call))

    def sleep_until(self, deadline_s: float) -> None:
        while due := [each for each in self._calls if each[0] <= deadline_s]:
            first = min(due, key=lambda each: each[0])
            self._calls.remove(first)
            self.time_s = max(self.time_s, first[0])
            again_s = first[1]()
            if again_s is not None:
                self.at(again_s, first[1])
        super().sleep_until(deadline_s)

    def spend(self, seconds: float) -> None:
        self.sleep_until(self.time_s + seconds)
