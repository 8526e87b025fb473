"""The model thread: one tick of the world every 1/20 s, made from the latest input."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import Path
from typing import Protocol, cast

from worldsim.camera import Intrinsics
from worldsim.engine.clock import Clock, Pacing
from worldsim.errors import ConfigError, WorldsimError
from worldsim.play.mailbox import InputSource, Motion
from worldsim.play.quality import Quality
from worldsim.play.stats import Ring, TickMeter
from worldsim.play.tick import Board, Phase, Pulse, Step, Tick
from worldsim.play.traits import Picturing, keyframes_of, stages_of, steps_of
from worldsim.record.format import WorldInfo
from worldsim.record.worlds import MadeWorld, WorldKind
from worldsim.types import BUTTONS, Action, Observation, Pose, StepResult

HUD_TICKS = 100
PULSE_EVERY_TICKS = 5  # numbers that change faster cannot be read

OTHER_WORLD: dict[WorldKind, WorldKind] = {"dream": "real", "real": "dream"}


class Order(Enum):
    """What the display thread can ask of the model thread."""

    pause = auto()
    resume = auto()
    reset = auto()
    switch_world = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """An order to begin anew somewhere else."""

    seed: int
    scene: str | None = None  # None: the seed decides
    image: Path | None = None  # a picture for the dream, in place of the seed's world


class Watcher(Protocol):
    """Sees every tick on the model thread, where nothing is dropped: a recorder, a test."""

    def began(self, first: Observation, info: WorldInfo, camera: Intrinsics, /) -> None: ...

    def ticked(self, action: Action, result: StepResult, /) -> None: ...

    def ended(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopConfig:
    world: WorldKind
    seed: int
    scene: str | None = None
    image: Path | None = None  # where the dream starts, in place of the seed's world
    frames: int | None = None  # stop after so many ticks; None: play on

    def __post_init__(self) -> None:
        if self.frames is not None and self.frames < 1:
            raise ConfigError("frames of 1 or more", repr(self.frames), "Leave it out to play on.")


@dataclass(slots=True)
class _Stage:
    """A world in use, and what it showed last."""

    made: MadeWorld
    observation: Observation


class ModelLoop:
    """Owns the worlds: they are made, stepped and closed on the thread that calls `run`."""

    def __init__(
        self,
        config: LoopConfig,
        *,
        make_world: Callable[[WorldKind], MadeWorld],
        source: InputSource,
        board: Board,
        clock: Clock,
        pacing: Pacing,
        watchers: Sequence[Watcher] = (),
        quality: Quality | None = None,  # None: it never changes
    ) -> None:
        self.config = config
        self._make_world = make_world
        self._source = source
        self._board = board
        self._clock = clock
        self._pacing = pacing
        self._watchers = watchers
        self._quality = quality
        self._orders: queue.SimpleQueue[Order | Start] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._stages: dict[WorldKind, _Stage] = {}
        self._stale: set[WorldKind] = set()  # made, but to begin anew before they are shown
        self._name = config.world
        self._paused = False
        self._published = 0
        self._used = Motion()
        self._step: Step | None = None
        self._pulse = Pulse()
        self._recent_ms = Ring(HUD_TICKS)  # of the world on the screen alone
        self.meter = TickMeter()

    # From the display thread

    def order(self, order: Order | Start) -> None:
        self._orders.put(order)

    def stop(self) -> None:
        self._stop.set()

    # On the model thread

    def run(self) -> None:
        """Tick until stopped or until the configured number of frames is out."""
        try:
            self._enter(self.config.world)
            while not self._finished():
                self._pacing.wait()
                self._obey_orders()
                if not (self._paused or self._stop.is_set()):
                    self._tick()
            self._pulse = self._measured(self.meter.tick_ms)
        finally:
            self._close()

    def final_pulse(self) -> Pulse:
        """The whole run's numbers, once `run` has returned."""
        return self._pulse

    @property
    def world(self) -> WorldKind:
        """The world on the screen."""
        return self._name

    def _finished(self) -> bool:
        return self._stop.is_set() or self.meter.frames == self.config.frames

    def _tick(self) -> None:
        stage = self._stages[self._name]
        taken = self._source.take()
        started_s = self._clock.now()
        result = stage.made.world.step(taken.action)
        took_ms = self.meter.ticked(started_s, self._clock.now())
        self._recent_ms.add(took_ms)
        if self._quality is not None:
            self._quality.ticked(stage.made.world, took_ms)
        self._step = self._made(taken.action, stage.observation.pose, result.observation.pose)
        stage.observation, self._used = _own_copy(result.observation), taken.used
        for watcher in self._watchers:
            watcher.ticked(taken.action, result)
        if result.terminated:
            self._board.say("You are there! Restart to play again")
        if self.meter.frames % PULSE_EVERY_TICKS == 1 or len(self._recent_ms) == 1:
            self._pulse = self._measured(self._recent_ms)
        self._publish(Phase.playing)

    def _made(self, action: Action, before: Pose, after: Pose) -> Step:
        buttons = frozenset(name for name in BUTTONS if getattr(action, name))
        moved_m = after.displacement_from(before)
        return Step(made_s=self._clock.now(), moved_m=moved_m, buttons=buttons)

    def _measured(self, tick_ms: Ring) -> Pulse:
        world = self._stages[self._name].made.world
        return Pulse(
            tick_ms=tick_ms.quantiles(),
            recent_ms=tuple(self._recent_ms.latest().tolist()),
            hz=self.meter.rate.hz(self._clock.now()),
            keyframes=keyframes_of(world),
            steps=steps_of(world),
            stages_ms=stages_of(world),
        )

    def _obey_orders(self) -> None:
        while not (self._orders.empty() or self._stop.is_set()):
            order = self._orders.get()
            if isinstance(order, Start):
                self._start(order)
            elif order is Order.reset:
                self._restart()
            elif order is Order.switch_world:
                self._switch()
            else:
                self._paused = order is Order.pause
                self.meter.interrupted()
                self._publish(self._phase())

    def _switch(self) -> None:
        self._try_to_enter(OTHER_WORLD[self._name])

    def _start(self, start: Start) -> None:
        """Both worlds begin anew: one now, the other when it is next shown."""
        before, stale = self.config, self._stale
        self.config = replace(before, seed=start.seed, scene=start.scene, image=start.image)
        self._stale = set(self._stages)
        if not self._try_to_enter(self._name if start.image is None else "dream"):
            self.config, self._stale = before, stale

    def _try_to_enter(self, name: WorldKind) -> bool:
        """Whether it worked; if not, the present world goes on and the player is told."""
        try:
            self._enter(name)
        except WorldsimError as error:
            self._board.say(str(error))
            self._publish(self._phase())
            return False
        return True

    def _enter(self, name: WorldKind) -> None:
        """Show the named world; make it first, from the same seed, where this is its first use."""
        if name not in self._stages:
            self._publish(Phase.loading, loading=name)
            made = self._make_world(name)
            self._stages[name] = _Stage(made, self._reset(made))
        elif name in self._stale:
            self._publish(Phase.loading, loading=name)
            self._stages[name].observation = self._reset(self._stages[name].made)
        self._stale.discard(name)
        self._name = name
        self._begin()

    def _restart(self) -> None:
        stage = self._stages[self._name]
        stage.observation = self._reset(stage.made)
        self._begin()

    def _reset(self, made: MadeWorld) -> Observation:
        seed, image = self.config.seed, self._image(made)
        if image is None:
            return _own_copy(made.world.reset(seed=seed, scene=self.config.scene))
        return _own_copy(cast(Picturing, made.world).reset(seed=seed, image=image))

    def _image(self, made: MadeWorld) -> Path | None:
        return self.config.image if made.info.kind == "dream" else None

    def _begin(self) -> None:
        """From here on another world is on the screen: input meant for the old one is dropped."""
        self._used, self._step = self._source.forget(), None
        self.meter.interrupted()
        self._recent_ms, self._pulse = Ring(HUD_TICKS), Pulse()
        stage = self._stages[self._name]
        seed = self.config.seed if self._image(stage.made) is None else None
        info = replace(stage.made.info, seed=seed, scene=self.config.scene)
        for watcher in self._watchers:
            watcher.began(stage.observation, info, stage.made.world.intrinsics)
        self._publish(self._phase())

    def _close(self) -> None:
        for stage in self._stages.values():
            stage.made.world.close()
        for watcher in self._watchers:
            watcher.ended()

    def _phase(self) -> Phase:
        return Phase.paused if self._paused else Phase.playing

    def _publish(self, phase: Phase, *, loading: str = "") -> None:
        stage = self._stages.get(self._name)
        camera = stage.made.world.intrinsics if stage else Intrinsics()
        self._published += 1
        self._board.publish(
            Tick(
                number=self._published,
                phase=phase,
                world=self._name,
                seed=self.config.seed,
                loading=loading,
                observation=stage.observation if stage else None,
                fov_y_deg=camera.fov_y_deg,
                used=self._used,
                step=self._step,
                pulse=self._pulse,
            )
        )


def _own_copy(seen: Observation) -> Observation:
    """Worlds may draw into the same buffers again while the display thread still reads them."""
    return Observation(seen.rgb.copy(), seen.depth.copy(), seen.pose)
