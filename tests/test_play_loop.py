"""The model thread and the display, stepped by hand under a fake clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import platformdirs
import pytest
from fakes import FakeClock
from fakes_play import FakePlayWorld, FakeWindow
from PIL import Image

from worldsim.engine.clock import Pacer, Pacing, RealClock, Unpaced
from worldsim.errors import CheckpointError, OutputError, SceneError
from worldsim.play.controls import Controls
from worldsim.play.display import Display, pictures_folder
from worldsim.play.keymap import Keymap, default_keymap
from worldsim.play.loading import Loading
from worldsim.play.loop import LoopConfig, ModelLoop
from worldsim.play.mailbox import Mailbox, ScriptedInput
from worldsim.play.orders import Order, Start
from worldsim.play.tick import Board, Phase, Tick
from worldsim.play.watchers import EpisodeWatcher
from worldsim.play.window import Event, Key, MouseMoved, PadPlugged
from worldsim.record.episode import Episode
from worldsim.record.format import WorldInfo
from worldsim.record.worlds import MadeWorld, WorldKind
from worldsim.types import TICK_S, Action, Observation, StepResult

TO_THE_FIRST_SETTING = ("escape", "down", "down", "down", "return", "right")


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


def test_the_view_turns_with_the_mouse_before_the_next_frame() -> None:
    game = Game([[Key("mouse left", down=True)], [MouseMoved(50, 0)], []])
    game.run(nothing)
    for _ in range(3):
        game.display.refresh()
    turns = [view.frame_from_view for view in game.window.views]
    assert np.allclose(turns[0], np.eye(3))
    yaw = np.degrees(np.arctan2(turns[-1][0, 2], turns[-1][0, 0]))
    assert abs(yaw) == pytest.approx(50 * default_keymap().look.mouse_deg_per_px)


def test_a_picture_that_would_look_the_same_is_not_drawn_again() -> None:
    game = Game()
    game.run(nothing)
    for _ in range(5):
        game.display.refresh()
    assert len(game.window.views) == 1


def test_the_mouse_is_grabbed_by_a_click_and_freed_by_escape() -> None:
    game = Game([[Key("mouse left", down=True)], [], [Key("escape", down=True)]])
    for _ in range(3):
        game.display.refresh()
    assert game.window.grabs == [True, False]


def test_keys_of_the_display_change_the_display_only() -> None:
    game = Game([[Key("f1", down=True)], [Key("f3", down=True)], [Key("f11", down=True)]])
    game.run(nothing)
    for _ in range(3):
        game.display.refresh()
    assert game.window.views[-1].hud.lines == ()
    assert game.window.views[-1].hud.stages
    assert game.window.fullscreens == 1


def test_the_menu_is_shown_and_its_choice_reaches_the_world() -> None:
    taps = ("escape", "down", "return", "right", "return")
    game = Game([[Key(key, down=True)] for key in taps])

    def play() -> None:
        for _ in taps:
            game.display.refresh()

    game.run(play, nothing)
    titles = [view.hud.menu.title for view in game.window.views if view.hud.menu]
    assert list(dict.fromkeys(titles)) == ["worldsim", "Worlds"]
    assert game.worlds["dream"].resets == [(7, None), (1, None)]


def test_a_setting_changed_in_the_menu_is_kept_and_a_keymap_of_the_players_own_is_told_of() -> None:
    game = Game([[Key(key, down=True)] for key in TO_THE_FIRST_SETTING])
    game.kept_as = Path("keymap.toml.bak")
    for _ in TO_THE_FIRST_SETTING:
        game.display.refresh()
    assert [keymap.look.mouse_deg_per_px for keymap in game.saved] == [pytest.approx(0.13)]
    assert "keymap.toml.bak" in game.window.views[-1].hud.message


def test_settings_that_cannot_be_written_hold_and_it_is_told() -> None:
    game = Game([[Key(key, down=True)] for key in TO_THE_FIRST_SETTING])
    game.save_error = OutputError("to write", "a full disk", "Make room.")
    for _ in TO_THE_FIRST_SETTING:
        game.display.refresh()
    assert "Make room." in game.window.views[-1].hud.message


def test_a_narrower_field_of_view_enlarges_the_middle_of_the_frame() -> None:
    game = Game()
    game.run(nothing)
    game.display._controls.keymap = default_keymap().with_setting("sight", "field_of_view", 0.5)
    game.display.refresh()
    view = game.window.views[-1]
    zoom = np.tan(np.radians(view.fov_y_deg / 4)) / np.tan(np.radians(view.fov_y_deg / 2))
    assert view.frame_from_view == pytest.approx(np.diag((zoom, zoom, 1.0)))


def test_a_gamepad_that_comes_is_told() -> None:
    game = Game([[PadPlugged("Some Pad", connected=True)]])
    game.display.refresh()
    assert game.window.views[-1].hud.message == "Some Pad is connected"


def test_a_screenshot_is_a_png_and_its_place_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platformdirs, "user_pictures_dir", lambda: str(tmp_path))
    game = Game([[Key("f2", down=True)]])
    game.run(nothing)
    game.display.refresh()
    (path,) = tmp_path.glob("worldsim_*.png")
    assert Image.open(path).size == (320, 200)
    assert str(path) in game.window.views[-1].hud.message


def test_a_screenshot_without_a_pictures_folder_goes_to_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platformdirs, "user_pictures_dir", lambda: str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)
    assert pictures_folder() == tmp_path


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
