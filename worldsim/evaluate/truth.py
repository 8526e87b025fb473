"""Seeded walks in the true world: who walks, and what is seen on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from worldsim.camera import Intrinsics
from worldsim.types import Action, Clip, Observation, Pose

RENDER_BATCH = 64
KEPT_FRAMES, KEPT_WALKS = 80, 32  # some 70 kB a frame
STUCK_TICKS = 5  # without progress for so long: jump
LOST_TICKS = 14  # and for so long: turn away
STUCK_M = 0.04  # less than this a tick while walking is no progress
RESTING_PITCH_DEG = 8.0

Behaviour = Callable[[Pose], Action]


class Pictures(Protocol):
    """A batch of true renders (see `worldsim.envs.blocks.renderers.frames.Frames`)."""

    @property
    def rgb(self) -> NDArray[np.uint8]: ...  # [B, H, W, 3]

    @property
    def depth(self) -> NDArray[np.float32]: ...  # [B, H, W] metres


class Truth(Protocol):
    """What the suites need of the true world (see `worldsim.envs.blocks.world.BlockWorld`)."""

    @property
    def intrinsics(self) -> Intrinsics: ...

    @property
    def pose(self) -> Pose: ...

    def reset(self, *, seed: int | None = None) -> Observation: ...

    def advance(self, action: Action) -> object: ...

    def render(self, poses: Sequence[Pose]) -> Pictures: ...

    def get_state(self) -> bytes: ...

    def set_state(self, state: bytes) -> object: ...


@dataclass(frozen=True, slots=True)
class Walk:
    """A way through the true world: `actions[t]` leads from `observations[t]` to the next."""

    seed: int
    observations: tuple[Observation, ...]
    actions: tuple[Action, ...]

    @property
    def poses(self) -> list[Pose]:
        return [observation.pose for observation in self.observations]

    def clip(self, frames: int) -> Clip:
        """The first `frames` observations and the actions between them."""
        return Clip(self.observations[:frames], self.actions[: frames - 1])


class FreePlay:
    """Plays as a curious person would: mostly forward, turning, sometimes looking around.

    Steps are jumped over; who cannot get on turns away. The same seed and poses give the same
    actions.
    """

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng((seed, 0x5EED))
        self._ticks_left = 0
        self._plan = Action(forward=True)
        self._last: Pose | None = None
        self._halted = 0
        self._escape_deg = 0.0

    def __call__(self, pose: Pose) -> Action:
        self._notice_progress(pose)
        if self._halted >= LOST_TICKS:
            return self._turn_away()
        if self._ticks_left == 0:
            self._plan, self._ticks_left = self._next_plan(pose)
        self._ticks_left -= 1
        jump = self._plan.forward and self._halted >= STUCK_TICKS
        return _with_jump(self._plan) if jump else self._plan

    def _notice_progress(self, pose: Pose) -> None:
        last, self._last = self._last, pose
        if last is None or not self._plan.forward:
            self._halted = 0
            return
        moved = float(np.hypot(pose.x - last.x, pose.z - last.z))
        self._halted = self._halted + 1 if moved < STUCK_M else 0

    def _turn_away(self) -> Action:
        self._halted = 0
        self._ticks_left = 8
        turn = float(self._rng.choice((-1.0, 1.0)) * self._rng.uniform(9.0, 16.0))
        self._plan = Action(yaw_deg=turn)
        return self._plan

    def _next_plan(self, pose: Pose) -> tuple[Action, int]:
        """An action and for how many ticks to hold it."""
        rng = self._rng
        side = float(rng.choice((-1.0, 1.0)))
        level = float(np.clip((RESTING_PITCH_DEG - pose.pitch_deg) / 8, -4.0, 4.0))
        ticks = int(rng.integers(6, 14))
        kind = rng.choice(
            ("ahead", "curve", "sprint", "look", "nod", "strafe", "back", "idle"),
            p=(0.26, 0.26, 0.08, 0.16, 0.08, 0.07, 0.05, 0.04),
        )
        turn = side * float(rng.uniform(1.0, 5.0))
        plans = {
            "ahead": Action(forward=True, pitch_deg=level),
            "curve": Action(forward=True, yaw_deg=turn, pitch_deg=level),
            "sprint": Action(forward=True, sprint=True, yaw_deg=turn / 4, pitch_deg=level),
            "look": Action(yaw_deg=2 * turn),
            "nod": Action(forward=True, pitch_deg=side * float(rng.uniform(1.0, 3.0))),
            "strafe": Action(left=side < 0, right=side > 0, yaw_deg=turn / 2),
            "back": Action(back=True, yaw_deg=turn / 2),
            "idle": Action(),
        }
        return plans[str(kind)], ticks


def look_away(seed: int, ticks: int) -> Behaviour:
    """Turns by half to three quarters of a circle, evenly over `ticks`, and stays in place."""
    rng = np.random.default_rng((seed, 0xA3A7))
    rate_deg = float(rng.choice((-1.0, 1.0)) * rng.uniform(180.0, 270.0) / ticks)
    action = Action(yaw_deg=rate_deg)
    return lambda _pose: action


def take_route(
    truth: Truth,
    seed: int,
    frames: int,
    *,
    then: Behaviour | None = None,
    then_frames: int = 0,
) -> tuple[list[Pose], list[Action]]:  # T+1 poses and T actions
    """Free play for `frames` frames, then `then_frames` more under another behaviour, undrawn."""
    truth.reset(seed=seed)
    poses, actions = [truth.pose], list[Action]()
    behaviour: Behaviour = FreePlay(seed)
    for tick in range(frames + then_frames - 1):
        if then is not None and tick == frames - 1:
            behaviour = then
        actions.append(behaviour(poses[-1]))
        truth.advance(actions[-1])
        poses.append(truth.pose)
    return poses, actions


class Walks:
    """Walks in one true world. Their first frames are drawn once and kept for the next suite."""

    def __init__(self, truth: Truth) -> None:
        self._truth = truth
        self._kept: dict[int, tuple[Observation, ...]] = {}

    def take(
        self,
        seed: int,
        frames: int,
        *,
        then: Behaviour | None = None,
        then_frames: int = 0,
    ) -> Walk:
        """A route with its frames, drawn together once it is known; the truth stays at its end."""
        poses, actions = take_route(self._truth, seed, frames, then=then, then_frames=then_frames)
        kept = self._kept.get(seed, ())
        drawn = observe(self._truth, poses[min(len(kept), frames) :])
        observations = (*kept[:frames], *drawn)
        self._keep(seed, observations[: min(frames, KEPT_FRAMES)])
        return Walk(seed, observations, tuple(actions))

    def _keep(self, seed: int, observations: tuple[Observation, ...]) -> None:
        if len(observations) > len(self._kept.get(seed, ())):
            self._kept[seed] = observations
        if len(self._kept) > KEPT_WALKS:
            del self._kept[next(iter(self._kept))]


def observe(truth: Truth, poses: Sequence[Pose]) -> tuple[Observation, ...]:
    """The true pictures from any poses, rendered in batches."""
    observations: list[Observation] = []
    for start in range(0, len(poses), RENDER_BATCH):
        chunk = list(poses[start : start + RENDER_BATCH])
        pictures = truth.render(chunk)
        rows = zip(pictures.rgb, pictures.depth, chunk, strict=True)
        observations += [Observation(rgb, depth, pose) for rgb, depth, pose in rows]
    return tuple(observations)


def way_back(
    actions: Sequence[Action],  # T actions of the way out
    poses: Sequence[Pose],  # their T+1 poses
) -> list[tuple[Action, Pose]]:
    """For each tick of the way back, the action that undoes the way out and the pose it leads to.

    Turns are taken from the poses, for a clamped pitch was not turned; walking is swapped
    (forward with back, left with right). What cannot be undone by a button, such as a jump, is
    left to the pose.
    """
    steps = []
    for t in reversed(range(len(actions))):
        steps.append((_undone(actions[t], poses[t + 1], poses[t]), poses[t]))
    return steps


def path_length_m(poses: Sequence[Pose]) -> float:
    """How far the eye travelled, metres."""
    places = np.stack([pose.position() for pose in poses])
    return float(np.linalg.norm(np.diff(places, axis=0), axis=1).sum())


def _undone(action: Action, here: Pose, there: Pose) -> Action:
    return Action(
        forward=action.back,
        back=action.forward,
        left=action.right,
        right=action.left,
        sprint=action.sprint,
        sneak=action.sneak,
        yaw_deg=(there.yaw_deg - here.yaw_deg + 180.0) % 360.0 - 180.0,
        pitch_deg=there.pitch_deg - here.pitch_deg,
    )


def _with_jump(action: Action) -> Action:
    return Action(
        forward=action.forward,
        sprint=action.sprint,
        jump=True,
        yaw_deg=action.yaw_deg,
        pitch_deg=action.pitch_deg,
    )
