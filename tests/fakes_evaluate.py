"""Stand-ins for what is evaluated: a true world with hands, its dream, a judge of events."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import astuple
from types import MappingProxyType

import numpy as np
import torch
from fakes import PlanePictures, PlaneWorld

from worldsim.camera import Intrinsics, pose_matrices, unproject
from worldsim.engine.events import Chances
from worldsim.types import Action, Clip, Observation, Pose, StepResult

LEVEL = Pose(0.0, 1.6, 0.0)


class FakeJudge:
    """An engine for `event_scores`: nothing is dreamed, its chances are a list."""

    def __init__(self, told: Sequence[Chances]) -> None:
        self._told = list(told)
        self.resets: list[tuple[int | None, Clip | None]] = []
        self.poses: list[Pose | None] = []
        self.chances = Chances(0.5, 0.5)

    def reset(self, *, seed: int | None = None, clip: Clip | None = None) -> Observation:
        assert clip is not None
        self.resets.append((seed, clip))
        return clip.observations[-1]

    def step(self, action: Action, *, pose: Pose | None = None) -> StepResult:
        self.poses.append(pose)
        self.chances = self._told.pop(0)
        assert self.resets[-1][1] is not None
        return StepResult(self.resets[-1][1].observations[-1])


class EditableWorld(PlaneWorld):
    """A PlaneWorld with hands: where the player looks, `use` paints the ground white and `attack`
    black, a square metre of it.
    """

    def __init__(self, intrinsics: Intrinsics | None = None) -> None:
        super().__init__(intrinsics)
        self.painted: list[tuple[float, float, int]] = []  # x, z, grey level

    def reset(self, *, seed: int | None = None) -> Observation:
        self.painted = []
        return super().reset(seed=seed)

    def advance(self, action: Action) -> tuple[float, bool]:
        outcome = super().advance(action)
        if action.attack or action.use:
            self.paint(self.pose, 255 * action.use)
        return outcome

    def paint(self, eye: Pose, level: int) -> None:
        ahead_m = eye.y / math.tan(math.radians(eye.pitch_deg))
        spot = eye.moved_along(0.0, 0.0, ahead_m)
        self.painted.append((spot.x, spot.z, level))

    def render(self, poses: Sequence[Pose]) -> PlanePictures:
        pictures = super().render(poses)
        matrices = torch.from_numpy(pose_matrices(list(poses)))
        points = unproject(torch.from_numpy(pictures.depth), matrices, self.intrinsics).numpy()
        for x, z, level in self.painted:
            near = (abs(points[..., 0] - x) < 0.5) & (abs(points[..., 2] - z) < 0.5)
            pictures.rgb[near] = level
        return pictures

    def get_state(self) -> bytes:
        return json.dumps([astuple(self.pose), self.painted]).encode()

    def set_state(self, state: bytes) -> None:
        pose, self.painted = json.loads(state)
        self.pose = Pose(*pose)


class PlaneDream:
    """An engine that dreams an EditableWorld rightly, but for noise that a good memory lessens.

    What it was shown being painted it keeps only with its whole memory.

    Args:
        obedient: whether the dream does what it is told; if not, it always walks forward.
    """

    sees_events = False
    chances = Chances(0.0, 0.0)

    noise_levels = MappingProxyType({"full": 2.0, "recent": 12.0, "random": 18.0, "off": 30.0})

    def __init__(self, *, obedient: bool = True) -> None:
        self.world = EditableWorld()
        self.obedient = obedient
        self.memory_mode = "full"
        self.metrics = self
        self.frames = 0
        self.fed = 0

    @property
    def intrinsics(self) -> Intrinsics:
        return self.world.intrinsics

    def reset(self, *, seed: int | None = None, clip: Clip | None = None) -> Observation:
        assert clip is not None
        self.frames = 0
        self.world.painted = []
        self.world.pose = clip.observations[-1].pose
        return clip.observations[-1]

    def step(self, action: Action, *, pose: Pose | None = None) -> StepResult:
        self.frames += 1
        self.world.advance(action if self.obedient else Action(forward=True))
        self.world.pose = pose or self.world.pose
        true = self.world.observe()
        noise = np.random.default_rng(self.frames).normal(size=true.rgb.shape)
        rgb = true.rgb + noise * self.noise_levels[self.memory_mode]
        return StepResult(
            Observation(rgb.clip(0, 255).astype(np.uint8), true.depth, self.world.pose)
        )

    def observe(self, action: Action, observation: Observation) -> None:
        self.fed += 1
        self.world.pose = observation.pose
        if self.memory_mode == "full" and (action.attack or action.use):
            self.world.paint(observation.pose, 255 * action.use)

    def snapshot(self) -> tuple[int, Pose]:
        return self.frames, self.world.pose

    def restore(self, state: tuple[int, Pose]) -> None:
        self.frames, self.world.pose = state

    def stages_ms(self) -> dict[str, dict[str, float]]:
        return {"denoise": {"p50": 1.0, "p95": 2.0, "p99": 3.0}}
