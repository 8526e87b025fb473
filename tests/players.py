"""What tests of twin, overlays and photo mode share: a player of the loop, and a display."""

from __future__ import annotations

from collections.abc import Sequence

from fakes import FakeClock
from fakes_play import FakeRememberer, FakeTruth, FakeWindow

from worldsim.engine.clock import Pacer, Unpaced
from worldsim.play.controls import Controls
from worldsim.play.display import Display
from worldsim.play.hud import Hud, HudMode, compose_hud
from worldsim.play.keymap import OVERLAY_KEYS, Keymap, default_keymap
from worldsim.play.loop import LoopConfig, ModelLoop
from worldsim.play.mailbox import Mailbox, Motion, Taken
from worldsim.play.orders import Order
from worldsim.play.tick import Board, Tick
from worldsim.play.window import Event
from worldsim.record.worlds import MadeWorld, WorldKind
from worldsim.types import Action

AHEAD, ASIDE = Action(forward=True, yaw_deg=2.0), Action(right=True)
KEYMAP = default_keymap()


class Player:
    """Gives the loop one action after another, and orders in between."""

    def __init__(
        self, steps: Sequence[Action | Order], *, config: LoopConfig, **worlds: FakeTruth
    ) -> None:
        self._steps = list(steps)
        self.worlds = worlds
        self.ticks: list[Tick] = []
        self.said: list[str] = []
        self._board = Board()
        self.loop = ModelLoop(
            config,
            make_world=self._make,
            source=self,
            board=self._board,
            clock=FakeClock(),
            pacing=self,
        )
        self.loop.run()

    @property
    def last(self) -> Tick:
        return self.ticks[-1]

    def wait(self) -> None:
        """The pacing: what happened since the tick before, and what is ordered until the next."""
        tick = self._board.newest()
        assert tick is not None
        self.ticks.append(tick)
        self.said += self._board.heard()
        while self._steps and isinstance(self._steps[0], Order):
            self.loop.order(self._steps.pop(0))
        if not self._steps:
            self.loop.stop()

    def take(self) -> Taken:
        step = self._steps.pop(0)
        assert isinstance(step, Action)
        return Taken(step, Motion())

    def forget(self) -> Motion:
        return Motion()

    def unused(self, used: Motion) -> Motion:
        return Motion()

    def held(self) -> frozenset[str]:
        return frozenset()

    def _make(self, kind: WorldKind) -> MadeWorld:
        return self.worlds[kind].made(kind)


def played(
    *steps: Action | Order,
    dream: FakeRememberer | None = None,
    config: LoopConfig | None = None,
) -> Player:
    return Player(
        steps,
        config=config or LoopConfig(world="dream", seed=7),
        dream=dream or FakeRememberer(),
        real=FakeTruth(),
    )


def hud_of(tick: Tick, keymap: Keymap = KEYMAP, **mode: bool) -> Hud:
    return compose_hud(tick, HudMode(grabbed=True, **mode), keymap)


def everything(keymap: Keymap = KEYMAP) -> Keymap:
    for command in OVERLAY_KEYS:
        keymap = keymap.with_setting("overlays", command.name, True)
    return keymap


class Shown:
    """A display that is refreshed by hand over a tick of its own."""

    def __init__(self, tick: Tick, *refreshes: Sequence[Event]) -> None:
        self.window, self.clock = FakeWindow(refreshes), FakeClock()
        board, mailbox = Board(), Mailbox()
        board.publish(tick)
        loop = ModelLoop(
            LoopConfig(world="dream", seed=7),
            make_world=lambda kind: FakeRememberer().made(kind),
            source=mailbox,
            board=board,
            clock=self.clock,
            pacing=Unpaced(),
        )
        self.display = Display(
            window=self.window,
            controls=Controls(KEYMAP, mailbox),
            save_keymap=lambda _: None,
            source=mailbox,
            loop=loop,
            board=board,
            clock=self.clock,
            pacing=Pacer(self.clock, 1 / 60),
        )
        for _ in refreshes:
            self.display.refresh()
            self.clock.spend(0.3)
