"""Ten seconds of play with a model that stalls 0.3 s every 2 s, both threads on one fake clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import pytest
from fakes import BusyClock
from fakes_play import FakePlayWorld, FakeWindow

from worldsim.engine.clock import Pacer
from worldsim.play.controls import Controls
from worldsim.play.display import Display
from worldsim.play.keymap import default_keymap
from worldsim.play.loop import LoopConfig, ModelLoop
from worldsim.play.mailbox import Mailbox
from worldsim.play.tick import Board
from worldsim.play.window import Event, Key, MouseMoved
from worldsim.types import TICK_S, Action

PLAYED_S = 10.0
STALL_S, STALL_EVERY_S, USUAL_S = 0.3, 2.0, 0.03
REFRESH_S = 1 / 60
DEG_PER_PX = default_keymap().look.mouse_deg_per_px
CLICK = (Key("mouse left", down=True), Key("mouse left", down=False))


class StalledGame:
    """A player who never rests, before a display that is on time and a model that is not."""

    def __init__(self) -> None:
        self.clock = BusyClock()
        start_s = self.clock.now()
        costs = _costs()
        self.world = FakePlayWorld(self.clock, costs)
        self.moved_px = [0.0, 0.0]
        self.clicks = 0
        self.shown_s: list[float] = []
        self._rng = np.random.default_rng(1)
        board, mailbox = Board(), Mailbox()
        self.window = _PlayersWindow(self._events)
        self.loop = ModelLoop(
            LoopConfig(world="real", seed=1, frames=len(costs)),
            make_world=lambda _: self.world.made(),
            source=mailbox,
            board=board,
            clock=self.clock,
            pacing=Pacer(self.clock, TICK_S),
        )
        self.display = Display(
            window=self.window,
            controls=Controls(default_keymap(), mailbox),
            save_keymap=lambda _: None,
            source=mailbox,
            loop=self.loop,
            board=board,
            clock=self.clock,
            pacing=Pacer(self.clock, REFRESH_S),
        )
        self.clock.at(start_s + 0.001, self._refresh)

    def _refresh(self) -> float:
        now_s = self.clock.now()
        self.shown_s.append(now_s)
        self.display.refresh()
        return now_s + REFRESH_S

    def _events(self) -> list[Event]:
        """Mouse motion at every refresh, a click at every ninth; the first takes the mouse."""
        number = len(self.shown_s)
        if number == 1:
            return list(CLICK)
        if self.clock.now() > 100.0 + PLAYED_S - 1.0:
            return []  # the last second is there to use up what waits
        dx, dy = (float(px) for px in self._rng.integers(-40, 41, 2))
        self.moved_px[0] += dx
        self.moved_px[1] += dy
        clicks = CLICK if number % 9 == 0 else ()
        self.clicks += number % 9 == 0
        return [MouseMoved(dx, dy), *clicks]


class _PlayersWindow(FakeWindow):
    """A window whose player reacts to the clock."""

    def __init__(self, events: Callable[[], list[Event]]) -> None:
        super().__init__()
        self._events = events

    def poll(self) -> list[Event]:
        return self._events()


def _costs() -> list[float]:
    costs, time_s, next_stall_s = list[float](), 0.0, STALL_EVERY_S
    while time_s < PLAYED_S:
        stalls = time_s >= next_stall_s
        next_stall_s += STALL_EVERY_S * stalls
        costs.append(STALL_S if stalls else USUAL_S)
        time_s += max(costs[-1], TICK_S)
    return costs


@cache
def played() -> StalledGame:
    game = StalledGame()
    game.loop.run()
    return game


def blows(actions: Sequence[Action]) -> int:
    """How often the button went down, as a world sees it."""
    pressed = np.array([False, *(action.attack for action in actions)])
    return int((pressed[1:] & ~pressed[:-1]).sum())


def test_the_model_did_stall() -> None:
    gaps = np.diff(played().world.started_s)
    assert (gaps > STALL_S - 1e-6).sum() == 4


def test_no_stall_is_followed_by_a_burst() -> None:
    gaps = np.diff(played().world.started_s)
    assert gaps.min() == pytest.approx(TICK_S)
    assert len(gaps) < PLAYED_S / TICK_S


def test_the_display_goes_on_through_a_stall() -> None:
    shown_s = np.array(played().shown_s)
    assert np.diff(shown_s).max() == pytest.approx(REFRESH_S)
    drawn = len(played().window.views) / len(shown_s)
    assert drawn > 0.85  # all but the last second's, which are alike


def test_no_click_is_lost_two_during_one_stall_included() -> None:
    game = played()
    assert game.clicks > 50
    assert blows(game.world.actions) == game.clicks


def test_all_motion_of_the_mouse_is_used_once() -> None:
    game = played()
    used = [
        sum(a.yaw_deg for a in game.world.actions),
        sum(a.pitch_deg for a in game.world.actions),
    ]
    assert used == pytest.approx([px * DEG_PER_PX for px in game.moved_px], abs=1e-9)


def test_the_view_turns_at_every_refresh_also_during_a_stall() -> None:
    game = played()
    stall_s = game.world.started_s[int(np.diff(game.world.started_s).argmax())]
    during = [
        view
        for time_s, view in zip(game.shown_s, game.window.views, strict=False)
        if stall_s < time_s < stall_s + STALL_S
    ]
    turns = {view.frame_from_view.tobytes() for view in during}
    assert len(turns) == len(during) >= STALL_S / REFRESH_S - 2


def test_a_button_let_go_and_pressed_again_during_a_tick_is_seen_up_in_between() -> None:
    mailbox = Mailbox()
    mailbox.press("use")
    seen = [mailbox.take().action.use]
    mailbox.release("use")
    mailbox.press("use")
    seen += [mailbox.take().action.use for _ in range(3)]
    assert seen == [True, False, True, True]


def test_pressing_a_held_button_by_another_key_is_no_second_blow() -> None:
    mailbox = Mailbox()
    mailbox.press("use")
    mailbox.press("use")
    assert [mailbox.take().action.use for _ in range(2)] == [True, True]
