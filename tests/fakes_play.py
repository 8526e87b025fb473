"""Stand-ins for what the game is played in: worlds for its loop, a window, a mixer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple

import numpy as np
from fakes import FakeClock, FakeWorld, PlaneWorld
from numpy.typing import NDArray

from worldsim.errors import StateError
from worldsim.memory.bank import MemoryBank
from worldsim.memory.keyframe import Keyframe
from worldsim.play.controls import Controls
from worldsim.play.keymap import default_keymap
from worldsim.play.mailbox import Mailbox
from worldsim.play.tones import Tone
from worldsim.play.window import Event, Key, Quit, View
from worldsim.record.format import WorldInfo
from worldsim.record.worlds import MadeWorld
from worldsim.types import Action, Observation, Pose, StepResult

KEYMAP = default_keymap()
DEG_PER_PX = KEYMAP.look.mouse_deg_per_px


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


class FakeMixer:
    """Notes what it is to play."""

    def __init__(self) -> None:
        self.played: list[tuple[Tone, float]] = []
        self.winds: list[float] = []
        self.closed = 0

    def play(self, tone: Tone, loudness: float, /) -> None:
        self.played.append((tone, loudness))

    def wind(self, loudness: float, /) -> None:
        self.winds.append(loudness)

    def close(self) -> None:
        self.closed += 1


def down(key: str) -> Key:
    return Key(key, down=True)


def up(key: str) -> Key:
    return Key(key, down=False)


def grabbed_controls() -> tuple[Controls, Mailbox]:
    mailbox = Mailbox()
    controls = Controls(KEYMAP, mailbox)
    controls.handle([down("mouse left"), up("mouse left")], 0.0)
    return controls, mailbox
