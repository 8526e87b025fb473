"""Stand-ins for what environments are made of: worlds with a task, dreamers, referees."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple, replace

import numpy as np

from worldsim.envs.base import Start
from worldsim.envs.blocks.tasks import Deeds, Goals, Progress, Sighting, score
from worldsim.envs.blocks_env import BlocksEnv
from worldsim.envs.vector import Move, WorldVectorEnv
from worldsim.types import Action, Clip, Observation, Pose, StepResult


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

    def fork(self) -> FakeTaskWorld:
        twin = FakeTaskWorld(*self.size[::-1])
        twin.set_state(self.get_state())
        return twin

    def close(self) -> None:
        self.closed += 1


class FakeVectorEnv(WorldVectorEnv):
    """FakeTaskWorlds side by side; counts the ticks of each."""

    def __init__(self, num_envs: int = 2, *, action_repeat: int = 1) -> None:
        super().__init__(num_envs, autoreset_mode="Disabled", action_repeat=action_repeat)
        self.ticks = [0] * num_envs

    def make_envs(self, count: int) -> list[BlocksEnv]:
        made = {"world_factory": FakeTaskWorld, "action_view": "box", "size": (8, 6)}
        return [BlocksEnv(**made) for _ in range(count)]

    def turn(self, moves: Sequence[Move]) -> list[StepResult | None]:
        return [self._moved(i, move) for i, move in enumerate(moves)]

    def _moved(self, i: int, move: Move) -> StepResult | None:
        world = self.envs[i].world
        if isinstance(move, Start):
            return StepResult(world.reset(seed=move.seed, scene=move.scene))
        if move is None:
            return None
        earned, result = 0.0, None
        for _ in range(self.action_repeat):
            result = world.step(move)
            self.ticks[i] += 1
            earned += result.reward
            if result.terminated:
                break
        return replace(result, reward=earned)


class FakeDreamer:
    """An engine for DreamTask: a FakeTaskWorld whose reward and end are what a test says."""

    def __init__(self, *, sees_events: bool = True) -> None:
        self.world = FakeTaskWorld()
        self.sees_events = sees_events
        self.reward, self.terminated = 0.0, False

    def reset(self, *, seed: int | None = None, clip: Clip | None = None) -> Observation:
        return self.world.reset(seed=seed)

    def step(self, action: Action) -> StepResult:
        return StepResult(self.world.step(action).observation, self.reward, self.terminated)

    def fork(self) -> FakeDreamer:
        twin = FakeDreamer()
        twin.restore(self.snapshot())
        return twin

    def batch(self, count: int) -> list[FakeDreamer]:
        return [FakeDreamer() for _ in range(count)]

    def snapshot(self) -> FakeSaved:
        return FakeSaved(self.world.get_state())

    def restore(self, state: FakeSaved) -> None:
        self.world.set_state(state.data)

    def close(self) -> None:
        self.world.close()


class FakeReferee:
    """Judges by the true rules, with a beacon at (0, 0, -2.15) and nothing else to be found."""

    def __init__(self, task: str = "reach") -> None:
        self.task = task
        self.goals = Goals(0, (0.0, 0.0, 0.0), (0.0, 0.0, -2.15))
        self.eye = (0.0, 1.6, 0.0)
        self.closed = 0

    @property
    def beacon(self) -> tuple[float, float, float]:
        return self.goals.beacon

    def begin(self, seed: int, scene: str | None) -> None:
        self.eye = (0.0, 1.6, 0.0)

    def judge(self, action: Action, pose: Pose, seen: Sighting | None) -> tuple[float, bool]:
        before, self.eye = self.eye, (pose.x, pose.y, pose.z)
        gems, at_beacon = (0, None) if seen is None else (int(seen.gem), seen.beacon)
        deeds = Deeds(before, self.eye, gems=gems, at_beacon=at_beacon)
        outcome = score(self.task, Progress(), deeds, self.goals)
        return outcome.reward, outcome.terminated

    def get_state(self) -> bytes:
        return json.dumps(self.eye).encode()

    def set_state(self, state: bytes) -> None:
        self.eye = tuple(json.loads(state))

    def sibling(self) -> FakeReferee:
        return FakeReferee(self.task)

    def close(self) -> None:
        self.closed += 1


class FakeSaved:
    """A FakeDreamer's saved state."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def to_bytes(self) -> bytes:
        return self.data
