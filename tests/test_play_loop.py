"""The model thread and the display, stepped by hand under a fake clock."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeClock
from fakes_game import Game, nothing
from fakes_play import FakePlayWorld

from worldsim.engine.clock import RealClock, Unpaced
from worldsim.errors import CheckpointError, SceneError
from worldsim.play.loading import Loading
from worldsim.play.loop import LoopConfig, ModelLoop
from worldsim.play.mailbox import ScriptedInput
from worldsim.play.orders import Order, Start
from worldsim.play.tick import Board, Phase
from worldsim.play.watchers import EpisodeWatcher
from worldsim.record.episode import Episode
from worldsim.types import TICK_S, Action, Observation


def test_ticks_start_a_twentieth_of_a_second_apart() -> None:
    game = Game(costs_s=[0.03] * 4)
    game.run(*[nothing] * 4)
    assert np.diff(game.worlds["dream"].started_s) == pytest.approx([TICK_S] * 3)


def test_a_slow_tick_is_not_followed_by_a_burst() -> None:
    game = Game(costs_s=[0.01, 0.30, 0.01, 0.01, 0.01])
    game.run(*[nothing] * 5)
    gaps = np.diff(game.worlds["dream"].started_s)
    assert gaps[1] == pytest.approx(0.30)
    assert gaps[2:] == pytest.approx([TICK_S] * 2)


def test_a_slightly_late_tick_keeps_the_rhythm() -> None:
    game = Game(costs_s=[0.055, 0.01, 0.01])
    game.run(*[nothing] * 3)
    started = np.array(game.worlds["dream"].started_s)
    assert started - started[0] == pytest.approx([0.0, 0.055, 0.10])


def test_a_real_clock_sleeps_until_its_deadline() -> None:
    clock = RealClock()
    deadline = clock.now() + 0.004
    clock.sleep_until(deadline)
    assert clock.now() >= deadline


def test_input_is_read_when_a_tick_starts_and_the_frame_says_what_it_used() -> None:
    game = Game()
    game.run(lambda: game.mailbox.turn(6.0, 0.0), lambda: game.mailbox.turn(4.0, 0.0), nothing)
    assert [a.yaw_deg for a in game.worlds["dream"].actions] == [0.0, 6.0, 4.0]
    assert game.newest().used.yaw_deg == 10.0


def test_a_published_frame_does_not_change_when_the_world_draws_again() -> None:
    game = Game()
    published: list[Observation | None] = []
    game.run(*[lambda: published.append(game.newest().observation)] * 3)
    first, second = published[1:]
    assert first is not None
    assert second is not None
    assert not np.array_equal(first.rgb, second.rgb)


def test_a_paused_world_does_not_tick_and_goes_on_after() -> None:
    phases: list[Phase] = []
    turns = _Turns(
        {
            2: lambda: game.loop.order(Order.pause),
            5: lambda: phases.append(game.newest().phase),
            6: lambda: game.loop.order(Order.resume),
            8: lambda: game.loop.stop(),
        }
    )
    game = Game(pacing=turns)
    game.loop.run()
    assert phases == [Phase.paused]
    assert len(game.worlds["dream"].actions) == 3  # turns 1, 6 and 7


def test_a_paused_world_ticks_once_for_each_step_and_stays_paused() -> None:
    game = Game()
    order = game.loop.order
    phases: list[Phase] = []

    def step() -> None:
        phases.append(game.newest().phase)
        order(Order.step)

    def pause_and_step() -> None:
        order(Order.pause)
        order(Order.step)

    game.run(pause_and_step, step, step, nothing)
    assert len(game.worlds["dream"].actions) == 4
    assert phases == [Phase.paused] * 2
    assert (game.newest().phase, game.newest().stepped) == (Phase.paused, True)


def test_a_step_in_a_game_that_is_not_paused_does_nothing() -> None:
    game = Game()
    game.run(lambda: game.loop.order(Order.step), nothing)
    assert len(game.worlds["dream"].actions) == 2


def test_a_reset_starts_the_same_seed_again_and_drops_waiting_motion() -> None:
    game = Game()

    def reset() -> None:
        game.mailbox.turn(90.0, 0.0)
        game.loop.order(Order.reset)

    game.run(nothing, reset, nothing)
    assert game.worlds["dream"].resets == [(7, None), (7, None)]
    assert game.worlds["dream"].actions[-1].yaw_deg == 0.0
    assert game.began_in == ["dream", "dream"]


def test_switching_makes_the_other_world_once_and_keeps_both_where_they_are() -> None:
    game = Game()
    switch = partial(game.loop.order, Order.switch_world)
    game.run(nothing, switch, switch, nothing)
    assert game.made == ["dream", "real"]
    assert game.worlds["real"].resets == [(7, None)]
    assert len(game.worlds["dream"].actions) == 3
    assert len(game.worlds["real"].actions) == 1
    assert [world.closed for world in game.worlds.values()] == [1, 1]
    assert game.ended_times == 1


def test_the_shown_tick_times_are_those_of_the_world_on_the_screen() -> None:
    game = Game(costs_s=[0.04] * 3)
    shown: list[tuple[float, ...]] = []
    look = lambda: shown.append(game.newest().pulse.recent_ms)  # noqa: E731
    game.run(nothing, look, partial(game.loop.order, Order.switch_world), nothing, look, nothing)
    assert shown == [pytest.approx((40.0,)), (0.0,)]


def test_a_start_begins_both_worlds_anew_the_hidden_one_when_it_is_next_shown() -> None:
    game = Game()
    switch = partial(game.loop.order, Order.switch_world)
    start = partial(game.loop.order, Start(seed=9, scene="snow"))
    game.run(switch, start, nothing, switch, switch, nothing)
    assert game.made == ["dream", "real"]
    assert game.worlds["real"].resets == [(7, None), (9, "snow")]
    assert game.worlds["dream"].resets == [(7, None), (9, "snow")]
    assert game.newest().seed == 9


def test_a_start_that_fails_is_told_and_the_present_world_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    game = Game()
    world = game.worlds["dream"]
    reset = world.reset

    def picky(*, seed: int | None = None, scene: str | None = None) -> Observation:
        if scene == "moon":
            raise SceneError("a scene", "'moon'", "Correct it.")
        return reset(seed=seed, scene=scene)

    monkeypatch.setattr(world, "reset", picky)
    game.run(lambda: game.loop.order(Start(seed=9, scene="moon")), nothing)
    assert game.board.heard() == ["expected a scene; got 'moon'. Correct it."]
    assert (game.newest().seed, len(world.actions)) == (7, 2)


def test_while_a_world_loads_the_display_can_say_so() -> None:
    game = Game()
    seen: list[tuple[Phase, str]] = []
    game.on_make = lambda kind: seen.append((game.newest().phase, game.newest().loading))
    game.run(lambda: game.loop.order(Order.switch_world), nothing)
    assert seen == [(Phase.loading, Loading("dream")), (Phase.loading, Loading("real"))]


def test_a_world_that_cannot_be_made_is_told_and_the_present_one_goes_on() -> None:
    game = Game()

    def fail(kind: str) -> None:
        if kind == "real":
            raise CheckpointError("a checkpoint", "nothing", "Get one.")

    game.on_make = fail
    game.run(lambda: game.loop.order(Order.switch_world), nothing)
    assert game.board.heard() == ["expected a checkpoint; got nothing. Get one."]
    assert len(game.worlds["dream"].actions) == 2
    assert game.newest().phase is Phase.playing


def test_a_restart_while_recording_begins_a_second_episode(tmp_path: Path) -> None:
    board, world = Board(), FakePlayWorld()
    loop = ModelLoop(
        LoopConfig(world="real", seed=1, frames=2),
        make_world=lambda _: world.made(),
        source=ScriptedInput([Action(forward=True)]),
        board=board,
        clock=FakeClock(),
        pacing=_Turns({2: lambda: loop.order(Order.reset)}),
        watchers=[EpisodeWatcher(tmp_path / "walk")],
    )
    loop.run()
    assert [len(Episode.open(tmp_path / name)) for name in ("walk", "walk-2")] == [2, 2]


class _Turns(Unpaced):
    """A pacing that calls functions at certain turns of the loop, counted from 1."""

    def __init__(self, calls: dict[int, Callable[[], object]]) -> None:
        self._calls = calls
        self._turn = 0

    def wait(self) -> None:
        self._turn += 1
        self._calls.get(self._turn, nothing)()
