"""Stand-ins for the parts of worldsim, one class each, shared by all tests."""

from __future__ import annotations

import json
import math
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worldsim.camera import Intrinsics, pose_matrices, unproject
from worldsim.engine.events import Chances
from worldsim.envs.base import Start
from worldsim.envs.blocks.tasks import Deeds, Goals, Progress, Sighting, score
from worldsim.envs.blocks_env import BlocksEnv
from worldsim.envs.vector import Move, WorldVectorEnv
from worldsim.errors import ConfigError, SceneError, StateError
from worldsim.memory.bank import MemoryBank
from worldsim.memory.keyframe import Keyframe
from worldsim.model.trunk import Context
from worldsim.model.world_model import FrameInputs, Prediction, WorldModel
from worldsim.play.window import Event, Quit, View
from worldsim.record.format import WorldInfo
from worldsim.record.worlds import MadeWorld, WorldConfig
from worldsim.train.data import Episode
from worldsim.types import SKY_DEPTH_M, Action, Clip, Observation, Pose, StepResult


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
        super().__init__(
            [
                BlocksEnv(world_factory=FakeTaskWorld, action_view="box", size=(8, 6))
                for _ in range(num_envs)
            ],
            max_episode_steps=None,
            autoreset_mode="Disabled",
            action_repeat=action_repeat,
        )
        self.ticks = [0] * num_envs

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


class MortalWorld(FakeWorld):
    """A FakeWorld whose process is killed at a reset to a seed that a file of `deaths` names.

    The file is gone then, so each one kills once. Its name is the seed, and anything after a dot.
    """

    def __init__(self, deaths: Path) -> None:
        super().__init__()
        self._deaths = deaths

    def reset(self, *, seed: int | None = None, scene: str | None = None) -> Observation:
        for death in sorted(self._deaths.glob(f"{seed}.*")):
            death.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().reset(seed=seed, scene=scene)


class BrokenWorld(FakeWorld):
    """Cannot be begun with seed 3."""

    def reset(self, *, seed: int | None = None, scene: str | None = None) -> Observation:
        if seed == 3:
            raise SceneError("a seed that works", "3", "Try another.")
        return super().reset(seed=seed, scene=scene)


@dataclass(frozen=True)
class FakeMaker:
    """Makes a world in whatever process it is sent to."""

    deaths: Path | None = None
    broken: bool = False
    version: str = "1"

    def __call__(self, config: WorldConfig) -> MadeWorld:
        world = BrokenWorld() if self.broken else FakeWorld()
        if self.deaths is not None:
            world = MortalWorld(self.deaths)
        return MadeWorld(world, WorldInfo(kind="real", version=self.version))


class FakeClock:
    """Time that passes only when somebody sleeps or a fake spends it."""

    def __init__(self) -> None:
        self.time_s = 100.0

    def now(self) -> float:
        return self.time_s

    def sleep_until(self, deadline_s: float) -> None:
        self.time_s = max(self.time_s, deadline_s)

    def spend(self, seconds: float) -> None:
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


class FakePlayWorld(FakeWorld):
    """A FakeWorld that remembers what it was asked, and whose steps may cost a FakeClock time."""

    def __init__(self, clock: FakeClock | None = None, costs_s: Sequence[float] = ()) -> None:
        super().__init__()
        self.actions: list[Action] = []
        self.resets: list[tuple[int | None, str | None]] = []
        self.started_s: list[float] = []
        self._clock = clock
        self._costs_s = list(costs_s)

    def reset(self, *, seed: int | None = None, scene: str | None = None) -> Observation:
        self.resets.append((seed, scene))
        return super().reset(seed=seed, scene=scene)

    def step(self, action: Action) -> StepResult:
        self.actions.append(action)
        if self._clock is not None:
            self.started_s.append(self._clock.now())
            self._clock.spend(self._costs_s.pop(0) if self._costs_s else 0.0)
        return super().step(action)

    def made(self, kind: str = "real") -> MadeWorld:
        """As `make_world` would hand it over."""
        return MadeWorld(self, WorldInfo(kind=kind, version="1"))


class FakeTruth(PlaneWorld):
    """A PlaneWorld as the loop's real world; counts what it drew and what it only walked."""

    def __init__(self) -> None:
        super().__init__()
        self.walked_ticks = 0
        self.closed = 0

    def reset(self, *, seed: int | None = None, scene: str | None = None) -> Observation:
        self.walked_ticks = 0
        return super().reset(seed=seed)

    def advance(self, action: Action) -> tuple[float, bool]:
        self.walked_ticks += 1
        return super().advance(action)

    def step(self, action: Action) -> StepResult:
        self.advance(action)
        return StepResult(self.observe())

    def close(self) -> None:
        self.closed += 1

    def made(self, kind: str = "real") -> MadeWorld:
        return MadeWorld(self, WorldInfo(kind=kind, version="1"))


class FakeRememberer(FakeTruth):
    """A dream of a PlaneWorld with a memory, that errs by so many grey levels and drifts aside.

    Its start, a look to the right, was shown to it.
    """

    def __init__(self, *, grey_levels: int = 8, drift_m: float = 0.0) -> None:
        super().__init__()
        self.grey_levels, self.drift_m = grey_levels, drift_m
        self.memory = MemoryBank(self.intrinsics)
        self.recalled: tuple[Keyframe, ...] = ()
        self.frame = 0

    def reset(
        self, *, seed: int | None = None, scene: str | None = None, image: object = None
    ) -> Observation:
        self.memory, self.recalled, self.frame = MemoryBank(self.intrinsics), (), 0
        first = super().reset(seed=seed, scene=scene)
        (aside,) = self._look([first.pose.turned(40.0, 0.0)])
        for shown in (first, aside):
            self._remember(shown, trust=1.0)
        return first

    def step(self, action: Action, *, pose: Pose | None = None) -> StepResult:
        self.recalled = tuple(self.memory.retrieve(self.pose, count=2))
        self.advance(action)
        self.pose = pose or self.pose.moved(self.drift_m, 0.0, 0.0)
        (seen,) = self._look([self.pose])
        rgb = (seen.rgb.astype(int) + self.grey_levels).clip(0, 255).astype(np.uint8)
        dreamed = Observation(rgb, seen.depth, self.pose)
        self._remember(dreamed, trust=0.6)
        return StepResult(dreamed)

    def _look(self, poses: Sequence[Pose]) -> list[Observation]:
        frames = self.render(poses)
        rows = zip(frames.rgb, frames.depth, poses, strict=True)
        return [Observation(*row) for row in rows]

    def _remember(self, seen: Observation, *, trust: float) -> None:
        self.memory.insert(seen.rgb, seen.depth, seen.pose, self.frame, trust)
        self.frame += 1


class FakeKeptWorld(FakePlayWorld):
    """A FakePlayWorld whose whole state can be kept, as the real world's."""

    def get_state(self) -> bytes:
        return json.dumps([self._shift, self._frame, astuple(self._pose)]).encode()

    def set_state(self, state: bytes) -> None:
        try:
            self._shift, self._frame, pose = json.loads(state)
        except ValueError as error:
            raise StateError("a FakeKeptWorld's state", f"{error}", "Save it again.") from error
        self._pose = Pose(*pose)

    def observe(self) -> Observation:
        return self._observe()


class FakeSteppingWorld(FakeKeptWorld):
    """A FakeKeptWorld as a dream: its frames depend on the denoising steps that led to them."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = 2

    def step(self, action: Action) -> StepResult:
        self._shift += 5 * self.steps
        return super().step(action)


class FakeWindow:
    """A window whose player is a list of event lists, one a refresh, and then quits or waits."""

    def __init__(self, refreshes: Sequence[Sequence[Event]] = (), *, quits: bool = False) -> None:
        self.views: list[View] = []
        self.grabs: list[bool] = []
        self.fullscreens = 0
        self.closed = 0
        self._refreshes = list(refreshes)
        self._quits = quits

    @property
    def size(self) -> tuple[int, int]:
        return 320, 200

    @property
    def refresh_hz(self) -> float:
        return 60.0

    @property
    def on_gpu(self) -> bool:
        return True

    def poll(self) -> list[Event]:
        if self._refreshes:
            return list(self._refreshes.pop(0))
        return [Quit()] if self._quits else []

    def present(self, view: View, /) -> None:
        self.views.append(view)

    def screenshot(self) -> NDArray[np.uint8] | None:
        return np.zeros((200, 320, 3), dtype=np.uint8)

    def knows_key(self, name: str, /) -> bool:
        return True

    def grab_mouse(self, grabbed: bool, /) -> None:
        self.grabs.append(grabbed)

    def toggle_fullscreen(self) -> None:
        self.fullscreens += 1

    def close(self) -> None:
        self.closed += 1


class FakeDenoiser:
    """A backend of its own name that lets a model work, and counts its passes."""

    name = "fake"

    def __init__(self, model: WorldModel) -> None:
        self.passes = 0
        self._model = model

    def __call__(self, frames: FrameInputs, context: Context | None, /) -> Prediction:
        self.passes += 1
        prediction: Prediction = self._model(frames, context)
        return prediction


class FakePool:
    """One episode again and again, in place of those that worker processes render."""

    def __init__(self, episode: Episode) -> None:
        self.episode = episode
        self.episodes: list[Episode] = []
        self.rendered = 0
        self.closed = 0

    def refresh(self, *, wait: bool = False) -> bool:
        self.episodes.append(self.episode)
        self.rendered += 1
        return True

    def close(self) -> None:
        self.closed += 1


class FakeStage:
    """A loss that is as quick as it is senseless; each step takes a second of a fake clock."""

    name = "fake"

    def __init__(self, clock: FakeClock, model: WorldModel) -> None:
        self.model = model
        self.clock = clock
        self.stops_at: int | None = None
        self.drawn: list[Episode] = []
        self.steps: list[int] = []
        self.evaluated: list[int] = []

    def losses(
        self, average: WorldModel, episodes: list[Episode], step: int, rng: np.random.Generator
    ) -> dict[str, Tensor]:
        if step == self.stops_at:
            raise KeyboardInterrupt
        self.drawn = episodes[:2]
        self.steps.append(step)
        self.clock.spend(1.0)
        total = torch.stack([(p - 0.5).square().mean() for p in self.model.parameters()]).sum()
        return {"total": total, "part": total.detach() / 2}

    def evaluate(self, average: WorldModel, step: int, folder: Path) -> dict[str, float]:
        self.evaluated.append(step)
        return {"psnr": 20.0}
