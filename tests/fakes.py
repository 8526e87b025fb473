"""Stand-ins for the parts of worldsim, one class each, shared by all tests."""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass

import numpy as np

from worldsim.errors import ConfigError
from worldsim.types import Action, Observation, Pose, StepResult


class FakeTaskWorld:
    """A world for environments: noise for pictures, free walking, and a beacon 1 m ahead."""

    def __init__(self, width: int = 128, height: int = 80) -> None:
        self.size = (height, width)
        self.beacon = (0.0, 0.0, -1.0)
        self.closed = 0
        self.seed = 0
        self.frame = 0
        self.pose = Pose(0.0, 1.6, 0.0)

    def reset(self, *, seed: int | None = None, scene: str | None = None) -> Observation:
        self.seed = (seed or 0) + len(scene or "")
        self.frame = 0
        self.pose = Pose(0.0, 1.6, 0.0)
        return self.observe()

    def step(self, action: Action) -> StepResult:
        self.frame += 1
        self.pose = self.pose.turned(action.yaw_deg, action.pitch_deg)
        self.pose = self.pose.moved(0.0, 0.0, -0.1 * action.forward + 0.1 * action.back)
        arrived = self.pose.z <= self.beacon[2] + 0.5
        return StepResult(self.observe(), reward=0.1 * action.forward, terminated=arrived)

    def observe(self) -> Observation:
        noise = np.random.default_rng((self.seed, self.frame))
        rgb = noise.integers(0, 256, (*self.size, 3), dtype=np.uint8)
        depth = noise.uniform(1.0, 30.0, self.size).astype(np.float32)
        return Observation(rgb, depth, self.pose)

    def get_state(self) -> bytes:
        return json.dumps([self.seed, self.frame, astuple(self.pose)]).encode()

    def set_state(self, state: bytes) -> None:
        self.seed, self.frame, pose = json.loads(state)
        self.pose = Pose(*pose)

    def close(self) -> None:
        self.closed += 1


class FakeDreamer:
    """An engine for DreamWorld: a FakeTaskWorld whose own reward is nonsense."""

    def __init__(self) -> None:
        self.world = FakeTaskWorld()

    def reset(self, *, seed: int | None = None, scene: str | None = None) -> Observation:
        return self.world.reset(seed=seed, scene=scene)

    def step(self, action: Action) -> StepResult:
        return StepResult(self.world.step(action).observation, reward=-99.0, terminated=True)

    def snapshot(self) -> FakeSaved:
        return FakeSaved(self.world.get_state())

    def restore(self, state: FakeSaved) -> None:
        self.world.set_state(state.data)


class FakeSaved:
    """A FakeDreamer's saved state."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def to_bytes(self) -> bytes:
        return self.data


@dataclass(frozen=True, kw_only=True)
class FakeCommandConfig:
    """Fake options."""

    seed: int = 0
    speed: float | None = None

    def __post_init__(self) -> None:
        if self.speed is not None and self.speed <= 0:
            raise ConfigError("a positive speed", str(self.speed), "Pass a larger one.")
