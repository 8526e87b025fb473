"""What the model thread shows the display thread: the newest tick, and short messages."""

from __future__ import annotations

import queue
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from worldsim.play.loading import Loading
from worldsim.play.mailbox import Motion, pressed
from worldsim.play.sights import Extras
from worldsim.play.stats import Quantiles
from worldsim.play.time_travel import Past
from worldsim.types import Action, Observation, Pose


class Phase(Enum):
    loading = "loading"
    playing = "playing"
    paused = "paused"
    rewinding = "rewinding"
    ended = "ended"  # the recorded input is used up


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """How well the model thread keeps up."""

    tick_ms: Quantiles = field(default_factory=Quantiles)
    recent_ms: tuple[float, ...] = ()  # oldest first
    hz: float = 0.0
    keyframes: int | None = None  # None: this world has no memory
    steps: int | None = None  # of denoising; None: this world needs none
    stages_ms: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """How the newest frame came about."""

    made_s: float  # when, on the loop's clock
    moved_m: tuple[float, float, float]  # right, up and forward, along its pose's level axes
    buttons: frozenset[str]  # pressed during its tick

    @staticmethod
    def between(before: Pose, after: Pose, action: Action, *, made_s: float) -> Step:
        """The step that an action made from one pose to another."""
        moved_m = after.displacement_from(before)
        return Step(made_s=made_s, moved_m=moved_m, buttons=pressed(action))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tick:
    """The newest frame and everything the display needs to know about it."""

    number: int  # counts publications, so a new number means something new to show
    phase: Phase
    world: str
    seed: int | None  # None: it began nowhere in particular
    loading: Loading | None = None  # the world that is being made ready
    observation: Observation | None = None  # None before the first world is ready
    fov_y_deg: float = 60.0
    used: Motion = field(default_factory=Motion)  # all player motion that led to this frame
    step: Step | None = None  # None: no step of the world led to this frame
    pulse: Pulse = field(default_factory=Pulse)
    extras: Extras = field(default_factory=Extras)
    past: Past = field(default_factory=Past)
    stepped: bool = False  # paused, and let on tick by tick: the picture is to be seen
    driver: str = ""  # who drives, if it is not the player


class Board:
    """One writer, the model thread; one reader, the display thread; the newest tick wins."""

    def __init__(self) -> None:
        self._newest: Tick | None = None
        self._said: queue.SimpleQueue[str] = queue.SimpleQueue()

    def publish(self, tick: Tick) -> None:
        self._newest = tick  # assigning a reference is atomic

    def newest(self) -> Tick | None:
        return self._newest

    def say(self, message: str) -> None:
        self._said.put(message)

    def heard(self) -> list[str]:
        """The messages since the last call, oldest first."""
        messages = []
        while not self._said.empty():
            messages.append(self._said.get())
        return messages
