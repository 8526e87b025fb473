"""The model thread: one tick of the world every 1/20 s, made from the latest input."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence

from worldsim.camera import Intrinsics
from worldsim.engine.clock import Clock, Pacing
from worldsim.errors import SceneError, WorldsimError
from worldsim.play.loading import Loading
from worldsim.play.loop_config import LoopConfig, Watcher
from worldsim.play.mailbox import InputSource, Motion, Taken
from worldsim.play.orders import IN_THE_PAST, Load, Order, Request, SaveAs, Start
from worldsim.play.quality import Quality
from worldsim.play.save_file import Save
from worldsim.play.saves import Saves
from worldsim.play.scrubber import branch_line
from worldsim.play.sights import Sights
from worldsim.play.stage import Stage
from worldsim.play.stats import Ring, TickMeter
from worldsim.play.tick import Board, Phase, Pulse, Step, Tick
from worldsim.play.time_travel import Past
from worldsim.play.traits import (
    Recorded,
    Steered,
    driver_of,
    keyframes_of,
    stages_of,
    steps_of,
)
from worldsim.progress import listening
from worldsim.record.worlds import MadeWorld, WorldKind
from worldsim.types import Observation

HUD_TICKS = 100
PULSE_EVERY_TICKS = 5  # numbers that change faster cannot be read

OTHER_WORLD: dict[WorldKind, WorldKind] = {"dream": "real", "real": "dream"}


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
        saves: Saves | None = None,
        quality: Quality | None = None,  # None: the steps stay as they are
    ) -> None:
        self.config = config
        self.origin = config.origin
        self._make_world = make_world
        self._source = source
        self._board = board
        self._clock = clock
        self._pacing = pacing
        self._watchers = watchers
        self._saves = saves or Saves(board.say)
        self._quality = quality
        self._orders: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._stages: dict[WorldKind, Stage] = {}
        self._name = config.world
        self._paused = False
        self._stepped = False
        self._published = 0
        self._used = Motion()
        self._step: Step | None = None
        self._pulse = Pulse()
        self._recent_ms = Ring(HUD_TICKS)  # of the world on the screen alone
        self._sights = Sights(make_world, board.say)
        self.meter = TickMeter()

    # From the display thread

    def order(self, order: Request) -> None:
        self._orders.put(order)

    def stop(self) -> None:
        self._stop.set()

    # On the model thread

    def run(self) -> None:
        """Tick until stopped or until the configured number of frames is out."""
        try:
            self._open()
            while not self._finished():
                self._pacing.wait()
                self._obey_orders()
                self._turn()
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

    def _open(self) -> None:
        if self.config.save is None:
            self._start(self.config.world, self.origin)
        else:
            self._load(self.config.save)

    def _turn(self) -> None:
        if self._stop.is_set():
            return
        if self._stage.rewinding:
            self._stage.go_back()
            self._publish(Phase.rewinding)
        elif self._phase() is Phase.playing:
            self._tick()

    def _tick(self) -> None:
        taken = self._source.take()
        if self._sights.is_photo:
            self._fly(taken)
            return
        before, started_s = self._shown().pose, self._clock.now()
        result = self._sights.step(self._stage, taken.action)
        self._judge(self.meter.ticked(started_s, self._clock.now()))
        after = result.observation.pose
        self._step = Step.between(before, after, taken.action, made_s=self._clock.now())
        self._used = taken.used
        for watcher in self._watchers:
            watcher.ticked(taken.action, result)
        if result.terminated:
            self._board.say("You are there! Restart to play again")
        if self.meter.frames % PULSE_EVERY_TICKS == 1 or len(self._recent_ms) == 1:
            self._pulse = self._measured(self._recent_ms)
        self._publish(self._phase())

    def _fly(self, taken: Taken) -> None:
        """A tick of the free camera: the world stands still."""
        self._sights.fly(taken.action)
        self._used, self._step = taken.used, None
        self._publish(self._phase())

    def _judge(self, took_ms: float) -> None:
        """Note how long a tick took; the next one may take other steps."""
        self._recent_ms.add(took_ms)
        if self._quality is not None:
            self._quality.ticked(self._stage.made.world, took_ms)

    def _measured(self, tick_ms: Ring) -> Pulse:
        world = self._stage.made.world
        return Pulse(
            tick_ms=tick_ms.quantiles(),
            recent_ms=tuple(self._recent_ms.latest().tolist()),
            hz=self.meter.rate.hz(self._clock.now()),
            keyframes=keyframes_of(world),
            steps=steps_of(world),
            stages_ms=stages_of(world),
        )

    @property
    def _stage(self) -> Stage:
        """The world on the screen."""
        return self._stages[self._name]

    def _obey_orders(self) -> None:
        while not (self._orders.empty() or self._stop.is_set()):
            order = self._orders.get()
            try:
                self._obey(order)
            except WorldsimError as error:
                self._board.say(str(error))
                self._publish(self._phase())
            if isinstance(self._source, Steered):
                self._source.fly(self._sights.is_photo)

    def _obey(self, order: Request) -> None:
        if order not in IN_THE_PAST:
            self._go_on()
        match order:
            case Order.pause | Order.resume:
                self._pause(order is Order.pause)
            case Order.step:
                self._step_once()
            case Order.hand_over:
                self._hand_over()
            case Order.reset:
                self._start(self._name, self.origin)
            case Order.switch_world:
                self._switch()
            case Start():
                self._start(self._name if order.image is None else "dream", order)
            case Order.twin | Order.photo:
                self._look(order)
            case Order.rewind:
                self._sights.leave()
                self._stage.halt()
            case Order.branch:
                self._branch()
            case Order.next_branch | Order.previous_branch:
                self._visit(1 if order is Order.next_branch else -1)
            case SaveAs(name):
                info, kept = self._stage.keep()
                self._saves.write(name, info, self._shown().rgb, kept)
            case Load(name_or_file):
                self._load(self._saves.read(name_or_file))

    def _pause(self, paused: bool) -> None:
        self._paused, self._stepped = paused, False
        self.meter.interrupted()
        self._publish(self._phase())

    def _step_once(self) -> None:
        """One tick of a paused game."""
        at_end = isinstance(self._source, Recorded) and self._source.ended
        if self._paused and not at_end:
            self._stepped = True
            self._tick()
            self.meter.interrupted()

    def _hand_over(self) -> None:
        """Let the next driver drive."""
        if not isinstance(self._source, Steered):
            raise SceneError("a session with a wheel", "a script's", "Play without --headless.")
        self._source.hand_over()
        self._used, self._step = self._source.forget(), None
        driver = driver_of(self._source)
        self._board.say(f"{driver.capitalize()} drives" if driver else "You drive")
        self._publish(self._phase())

    def _go_on(self) -> None:
        if self._stage.rewinding:
            self._stage.go_on()
            self._begin()

    def _branch(self) -> None:
        dropped = self._stage.branch()
        kept = f"This is branch {self._stage.past.branch}; the other one stays as it is"
        self._board.say(kept + (f". Branch {dropped} had to make room" if dropped else ""))
        self._publish(self._phase())

    def _visit(self, by: int) -> None:
        self._stage.visit(by)
        self._begin()
        past = self._stage.past
        alone = len(past.branches) == 1
        self._board.say("There is no other branch" if alone else f"This is {branch_line(past)}")

    def _switch(self) -> None:
        """Show the other world: where it was left, or where this one began if that is new to it."""
        other = OTHER_WORLD[self._name]
        if self._made(other, self.origin).origin == self.origin:
            self._show(other, self.origin)
        else:
            self._start(other, self.origin)

    def _look(self, order: Order) -> None:
        """Open or shut the twin or the free camera."""
        if order is Order.photo:
            self._sights.toggle_photo(self._stage)
        else:
            if self._sights.extras.twin is None:
                self._publish(Phase.loading, loading=Loading("real"))
            self._sights.toggle_twin(self._stage)
        self._used, self._step = self._source.forget(), None
        self.meter.interrupted()
        self._publish(self._phase())

    def _start(self, name: WorldKind, origin: Start) -> None:
        """Begin the named world anew."""
        stage = self._made(name, origin)
        stage.start(origin)
        self._sights.began(stage)
        self._show(name, origin)

    def _load(self, save: Save) -> None:
        """Go to the moment at which a game was saved."""
        name, origin = save.info.kind, save.info.origin
        self._made(name, origin).load(save)
        self._show(name, origin)

    def _made(self, name: WorldKind, origin: Start) -> Stage:
        """The named world, made on its first use; that it loads is told if it has to move there."""
        stage = self._stages.get(name)
        loading = Loading(name)

        def tell(what: str, share: float) -> None:
            nonlocal loading
            loading = loading.reported(what, share)
            self._publish(Phase.loading, loading=loading)

        if stage is None or stage.origin != origin:
            self._publish(Phase.loading, loading=loading)
        if stage is None:
            with listening(tell):
                stage = self._stages[name] = Stage(self._make_world(name), self.config.rewind)
            tell("start", 0.0)
        return stage

    def _show(self, name: WorldKind, origin: Start) -> None:
        """Its first frame is on the screen while the world warms up."""
        self._name, self.origin = name, origin
        self._begin()
        self._stage.warm_up()
        self.meter.interrupted()

    def _begin(self) -> None:
        """From here on another world, or another moment of it, is on the screen: input meant for
        the old one is dropped."""
        self._used, self._step = self._source.forget(), None
        if isinstance(self._source, Recorded):
            self._source.seek(self._stage.tick)
        self.meter.interrupted()
        self._recent_ms, self._pulse = Ring(HUD_TICKS), Pulse()
        self._sights.entered(self._stage)
        for watcher in self._watchers:
            watcher.began(self._shown(), self._stage.info, self._stage.intrinsics)
        self._publish(self._phase())

    def _close(self) -> None:
        for stage in self._stages.values():
            stage.close()
        self._sights.close()
        for watcher in self._watchers:
            watcher.ended()
        self._saves.close()

    def _phase(self) -> Phase:
        if self._stage.rewinding:
            return Phase.rewinding
        if self._paused:
            return Phase.paused
        ended = isinstance(self._source, Recorded) and self._source.ended
        return Phase.ended if ended else Phase.playing

    def _shown(self) -> Observation:
        assert self._stage.observation is not None  # it has begun
        return self._stage.observation

    def _publish(self, phase: Phase, *, loading: Loading | None = None) -> None:
        stage = self._stages.get(self._name)
        self._published += 1
        self._board.publish(
            Tick(
                number=self._published,
                phase=phase,
                world=self._name,
                seed=self.origin.seed,
                loading=loading,
                observation=self._sights.shown(stage.observation) if stage else None,
                fov_y_deg=(stage.intrinsics if stage else Intrinsics()).fov_y_deg,
                used=self._used,
                step=self._step,
                pulse=self._pulse,
                past=stage.past if stage else Past(),
                extras=self._sights.extras,
                stepped=self._stepped,
                driver=driver_of(self._source),
            )
        )
