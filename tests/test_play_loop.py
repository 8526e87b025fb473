from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import av
import numpy as np
import platformdirs
import pytest
from fakes import FakeClock, FakePlayWorld, FakeWindow
from PIL import Image

from worldsim.engine.clock import Pacer, Pacing, RealClock, Unpaced
from worldsim.errors import CheckpointError, ConfigError, OutputError
from worldsim.play import app
from worldsim.play.app import PlayConfig, Session
from worldsim.play.controls import Controls
from worldsim.play.display import Display, pictures_folder
from worldsim.play.gl_presenter import is_software
from worldsim.play.keymap import default_keymap
from worldsim.play.loop import LoopConfig, ModelLoop, Order
from worldsim.play.mailbox import Mailbox, ScriptedInput
from worldsim.play.pygame_window import foreign_pygame, missing_display
from worldsim.play.tick import Board, Phase, Tick
from worldsim.play.watchers import EpisodeWatcher
from worldsim.play.window import Event, HeadlessWindow, Key, MouseMoved
from worldsim.record.episode import Episode
from worldsim.record.format import WorldInfo
from worldsim.record.worlds import MadeWorld, WorldConfig, WorldKind
from worldsim.types import TICK_S, Action, Observation, StepResult

REPORT_KEYS = {
    "world",
    "seed",
    "scene",
    "frames",
    "fps",
    "tick_ms",
    "stages_ms",
    "first_frame_s",
    "memory_mb",
    "keyframes",
}


def made(world: FakePlayWorld, kind: str = "real") -> MadeWorld:
    return MadeWorld(world, WorldInfo(kind=kind, version="1"))


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
            keymap=keymap,
            source=self.mailbox,
            loop=self.loop,
            board=self.board,
            clock=self.clock,
            pacing=Pacer(self.clock, 1 / 60),
        )
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
        return made(self.worlds[kind], kind)

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


def test_while_a_world_loads_the_display_can_say_so() -> None:
    game = Game()
    seen: list[tuple[Phase, str]] = []
    game.on_make = lambda kind: seen.append((game.newest().phase, game.newest().loading))
    game.run(lambda: game.loop.order(Order.switch_world), nothing)
    assert seen == [(Phase.loading, "dream"), (Phase.loading, "real")]


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


def session(config: PlayConfig, world: FakePlayWorld) -> Session:
    clock = RealClock()
    return Session(config=config, make=lambda _: made(world), clock=clock, started_at_s=clock.now())


def test_a_hundred_headless_frames_on_two_threads_are_the_script_and_its_report(
    tmp_path: Path,
) -> None:
    path = tmp_path / "report.json"
    world = FakePlayWorld()
    config = PlayConfig(world="real", headless=True, frames=100, report=path)
    session(config, world).play(HeadlessWindow(), scripted=True)
    report = json.loads(path.read_text())
    assert set(report) == REPORT_KEYS
    assert report["frames"] == 100
    assert set(report["tick_ms"]) == {"p50", "p95", "p99"}
    assert report["fps"] > 0
    assert report["first_frame_s"] > 0
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]
    again = FakePlayWorld()
    session(config, again).play(HeadlessWindow(), scripted=True)
    assert again.actions == world.actions
    assert len(world.actions) == 100


def test_quitting_the_window_ends_the_model_thread_and_closes_the_world() -> None:
    world = FakePlayWorld()
    before = threading.active_count()
    session(PlayConfig(world="real"), world).play(FakeWindow([[]] * 3, quits=True), scripted=False)
    assert world.closed == 1
    assert threading.active_count() == before


def test_an_error_on_the_model_thread_reaches_the_caller() -> None:
    def broken(_: WorldConfig) -> MadeWorld:
        raise CheckpointError("a checkpoint", "nothing", "Get one.")

    clock = RealClock()
    game = Session(config=PlayConfig(), make=broken, clock=clock, started_at_s=clock.now())
    with pytest.raises(CheckpointError, match="Get one"):
        game.play(FakeWindow(), scripted=False)


def test_what_is_played_can_be_recorded(tmp_path: Path) -> None:
    world = FakePlayWorld()
    config = PlayConfig(world="real", seed=3, headless=True, frames=12, record=tmp_path / "walk")
    session(config, world).play(HeadlessWindow(), scripted=True)
    episode = Episode.open(tmp_path / "walk")
    assert list(episode.actions) == world.actions
    assert (episode.info.world.seed, episode.info.script) == (3, "stroll")


def test_a_restart_while_recording_begins_a_second_episode(tmp_path: Path) -> None:
    board, world = Board(), FakePlayWorld()
    loop = ModelLoop(
        LoopConfig(world="real", seed=1, frames=2),
        make_world=lambda _: made(world),
        source=ScriptedInput([Action(forward=True)]),
        board=board,
        clock=FakeClock(),
        pacing=_Turns({2: lambda: loop.order(Order.reset)}),
        watchers=[EpisodeWatcher(tmp_path / "walk")],
    )
    loop.run()
    assert [len(Episode.open(tmp_path / name)) for name in ("walk", "walk-2")] == [2, 2]


def test_an_occupied_record_folder_is_refused_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "old").touch()
    with pytest.raises(OutputError, match="old"):
        app.run(PlayConfig(headless=True, record=tmp_path), make=_must_not_be_made)


@pytest.mark.parametrize("driver", ["dummy", ""])
def test_without_a_display_a_demo_is_filmed_and_said_so_once(
    driver: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SDL_VIDEODRIVER", driver)
    monkeypatch.setattr("sys.platform", "linux")
    config = PlayConfig(world="real", frames=30)
    assert app.run(config, make=lambda _: made(FakePlayWorld())) == 0
    told = capsys.readouterr()
    assert told.err.count("No display") == 1
    assert "worldsim-demo.mp4" in told.out
    with av.open(str(tmp_path / "worldsim-demo.mp4")) as film:
        stream = film.streams.video[0]
        assert (stream.width, stream.height) == (64 * 4, 40 * 4)
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert sum(1 for _ in film.decode(video=0)) == 31
    assert Image.open(tmp_path / "worldsim-demo.png").width > 64


@pytest.mark.parametrize("wrong", [{"frames": 0}, {"seed": -1}])
def test_a_value_outside_its_domain_is_refused_by_name(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        PlayConfig(**wrong)


def test_a_foreign_pygame_is_detected() -> None:
    assert foreign_pygame(True, {"pygame-ce": "2.5.8"}) is None
    both = foreign_pygame(True, {"pygame-ce": "2.5.8", "pygame": "2.6.1"})
    assert both is not None
    assert "pip uninstall" in both
    assert foreign_pygame(False, {"pygame": "2.6.1"}) is not None


@pytest.mark.parametrize(
    ("environment", "platform", "missing"),
    [
        ({"DISPLAY": ":0"}, "linux", False),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", False),
        ({}, "linux", True),
        ({}, "darwin", False),
        ({}, "win32", False),
        ({"DISPLAY": ":0", "SDL_VIDEODRIVER": "dummy"}, "linux", True),
        ({"SDL_VIDEODRIVER": "kmsdrm"}, "linux", False),
    ],
)
def test_a_missing_display_is_known_from_the_environment(
    environment: dict[str, str], platform: str, missing: bool
) -> None:
    assert (missing_display(environment, platform) is not None) == missing


@pytest.mark.parametrize(
    ("renderer", "software"),
    [
        ("llvmpipe (LLVM 15.0.6, 256 bits)", True),
        ("GDI Generic", True),
        ("NVIDIA GeForce RTX 4090/PCIe/SSE2", False),
        ("Apple M2", False),
    ],
)
def test_emulated_opengl_is_recognised(renderer: str, software: bool) -> None:
    assert is_software(renderer) == software


class _Turns(Unpaced):
    """A pacing that calls functions at certain turns of the loop, counted from 1."""

    def __init__(self, calls: dict[int, Callable[[], object]]) -> None:
        self._calls = calls
        self._turn = 0

    def wait(self) -> None:
        self._turn += 1
        self._calls.get(self._turn, nothing)()


def _must_not_be_made(config: WorldConfig) -> MadeWorld:
    raise AssertionError(config)
