"""A whole game, stepped by hand under a fake clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from fakes import FakeClock
from fakes_play import FakePlayWorld, FakeWindow

from worldsim.engine.clock import Pacer, Pacing
from worldsim.errors import OutputError
from worldsim.play.controls import Controls
from worldsim.play.display import Display
from worldsim.play.keymap import Keymap, default_keymap
from worldsim.play.loop import LoopConfig, ModelLoop
from worldsim.play.mailbox import Mailbox
from worldsim.play.tick import Board, Tick
from worldsim.play.window import Event
from worldsim.record.format import WorldInfo
from worldsim.record.worlds import MadeWorld, WorldKind
from worldsim.types import TICK_S, Action, Observation, StepResult


class Game:
    """A loop, a display, two fake worlds and a fake clock, stepped by hand."""

    def __init__(
        self,
        refreshes: Sequence[Sequence[Event]] = (),
        *,
        costs_s: Sequence[float] = (),
        pacing: Pacing | None = None,
    ) -> None:
        self.clock = FakeClock()
        self.worlds = {
            "dream": FakePlayWorld(self.clock, costs_s),
            "real": FakePlayWorld(self.clock),
        }
        self.made: list[str] = []
        self.board, self.mailbox = Board(), Mailbox()
        self.window = FakeWindow(refreshes)
        keymap = default_keymap()
        self.loop = ModelLoop(
            LoopConfig(world="dream", seed=7),
            make_world=self._make,
            source=self.mailbox,
            board=self.board,
            clock=self.clock,
            pacing=pacing or Pacer(self.clock, TICK_S),
            watchers=[self],
        )
        self.display = Display(
            window=self.window,
            controls=Controls(keymap, self.mailbox),
            save_keymap=self._save,
            source=self.mailbox,
            loop=self.loop,
            board=self.board,
            clock=self.clock,
            pacing=Pacer(self.clock, 1 / 60),
        )
        self.saved: list[Keymap] = []
        self.kept_as: Path | None = None
        self.save_error: OutputError | None = None
        self.on_make: Callable[[str], object] = lambda kind: None
        self._after_ticks: list[Callable[[], object]] | None = None
        self.began_in: list[str] = []
        self.ended_times = 0

    def run(self, *after_each_tick: Callable[[], object]) -> None:
        """Play; after tick n, call the nth function, and stop after the last."""
        self._after_ticks = list(after_each_tick)
        self.loop.run()

    def newest(self) -> Tick:
        tick = self.board.newest()
        assert tick is not None
        return tick

    def _make(self, kind: WorldKind) -> MadeWorld:
        self.on_make(kind)
        self.made.append(kind)
        return self.worlds[kind].made(kind)

    def _save(self, keymap: Keymap) -> Path | None:
        if self.save_error is not None:
            raise self.save_error
        self.saved.append(keymap)
        return self.kept_as

    def began(self, first: Observation, info: WorldInfo, camera: object, /) -> None:
        self.began_in.append(info.kind)

    def ticked(self, action: Action, result: StepResult, /) -> None:
        if self._after_ticks is not None:
            self._after_ticks.pop(0)()
            if not self._after_ticks:
                self.loop.stop()

    def ended(self) -> None:
        self.ended_times += 1


def nothing() -> None:
    pass
