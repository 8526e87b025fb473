"""How far a world is loaded, from the weights to the bar on the screen or on the console."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeClock
from fakes_play import FakePlayWorld, FakeWindow
from rich.console import Console

from worldsim.engine.clock import RealClock, Unpaced
from worldsim.model.checkpoint import load_checkpoint
from worldsim.play.app import PlayConfig, Session
from worldsim.play.console_window import ConsoleWindow
from worldsim.play.hud import Hud
from worldsim.play.loading import Loading
from worldsim.play.loop import LoopConfig, ModelLoop
from worldsim.play.mailbox import ScriptedInput
from worldsim.play.tick import Board, Phase, Tick
from worldsim.play.window import Key, Quit, View
from worldsim.progress import listening, report
from worldsim.record.worlds import MadeWorld, WorldConfig
from worldsim.types import Action


def view(hud: Hud) -> View:
    return View(rgb=None, fov_y_deg=60.0, frame_from_view=np.eye(3), hud=hud)


def test_reports_reach_the_listener_of_their_thread_and_nobody_else() -> None:
    heard: list[tuple[str, float]] = []
    report("weights", 0.1)
    with listening(lambda *told: heard.append(told)):
        report("weights", 0.2)
        other = threading.Thread(target=report, args=("weights", 0.3))
        other.start()
        other.join()
    report("weights", 0.4)
    assert heard == [("weights", 0.2)]


def test_the_weights_tell_how_much_of_them_is_read(tiny_checkpoint: Path) -> None:
    shares: list[float] = []
    with listening(lambda what, share: shares.append(share)):
        load_checkpoint(tiny_checkpoint)
    assert len(shares) > 10
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)


def test_the_bar_never_goes_back_and_what_is_unknown_does_not_move_it() -> None:
    bar = Loading("dream").reported("weights", 0.5)
    assert bar.share == pytest.approx(0.6)
    assert bar.told == "reading the weights"
    assert bar.reported("engine", 0.0).share == bar.share
    assert bar.reported("something else", 0.9) == bar
    assert bar.reported("start", 1.0).share == pytest.approx(1.0)


def test_the_board_tells_of_a_loading_world_while_it_is_made() -> None:
    told: list[Loading | None] = []

    class NotedBoard(Board):
        def publish(self, tick: Tick) -> None:
            super().publish(tick)
            if tick.phase is Phase.loading:
                told.append(tick.loading)

    def make(kind: str) -> MadeWorld:
        report("engine", 0.0)
        report("weights", 1.0)
        return FakePlayWorld().made(kind)

    ModelLoop(
        LoopConfig(world="dream", seed=7, frames=1),
        make_world=make,
        source=ScriptedInput([Action()]),
        board=NotedBoard(),
        clock=FakeClock(),
        pacing=Unpaced(),
    ).run()
    assert [bar.share for bar in told if bar] == [0.0, 0.0, 0.8, 0.8]


def test_the_menu_answers_while_the_world_is_still_being_made() -> None:
    pages: list[str] = []
    may_load = threading.Event()

    class ImpatientWindow(FakeWindow):
        def present(self, shown: View, /) -> None:
            super().present(shown)
            if shown.hud.menu is not None:
                pages.append(shown.hud.menu.title)
                may_load.set()

        def poll(self) -> list:
            if not self.views:
                return [Key("escape", down=True)]
            return [Quit()] if may_load.is_set() else []

    def make(config: WorldConfig) -> MadeWorld:
        assert may_load.wait(30.0)
        return FakePlayWorld().made(config.kind)

    clock = RealClock()
    game = Session(config=PlayConfig(), make=make, clock=clock, started_at_s=clock.now())
    game.play(ImpatientWindow(), scripted=False)
    assert pages[0] == "worldsim"


def test_the_console_shows_the_bar_while_a_world_loads_and_then_nothing() -> None:
    stream = io.StringIO()
    window = ConsoleWindow(Console(file=stream, force_terminal=True, width=80))
    window.present(view(Hud(title="Loading the dream ...", progress=0.0)))
    window.present(view(Hud(title="Loading", subtitle="reading the weights", progress=0.6)))
    window.present(view(Hud()))
    shown = stream.getvalue()
    assert "reading the weights" in shown
    assert "60%" in shown
    before = len(shown)
    window.present(view(Hud()))
    window.close()
    assert len(stream.getvalue()) == before
