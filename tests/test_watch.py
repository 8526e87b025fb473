"""Watching a recorded episode: the same inputs in the window, in the same world or another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeClock, FakeWorld
from fakes_play import FakeKeptWorld, FakeWindow

from worldsim.camera import Intrinsics
from worldsim.errors import CheckpointError, ConfigError, EpisodeError
from worldsim.play import watch
from worldsim.play.app import PlayConfig
from worldsim.play.hud import HudMode, compose_hud
from worldsim.play.keymap import default_keymap
from worldsim.play.mailbox import Motion, RecordedInput
from worldsim.play.recorded_world import RecordedWorld
from worldsim.play.tick import Phase, Tick
from worldsim.play.watch import Verifier, WatchConfig
from worldsim.play.window import Key, NoDisplayError, Quit
from worldsim.record import rollout
from worldsim.record.episode import Episode
from worldsim.record.format import WorldInfo
from worldsim.record.recorder import Recorder
from worldsim.record.rollout import RecordConfig
from worldsim.record.worlds import MadeWorld, WorldConfig
from worldsim.types import Action, Observation, Pose, StepResult

INFO = WorldInfo(kind="dream", version="weights-a", checkpoint="default", steps=2, memory="full")


def make_fake(config: WorldConfig) -> MadeWorld:
    version = "weights-b" if config.checkpoint == "other" else "weights-a"
    return MadeWorld(FakeKeptWorld(), replace(INFO, kind=config.kind, version=version))


@pytest.fixture
def walk(tmp_path: Path) -> Path:
    config = RecordConfig(out=tmp_path / "walk", seed=7, ticks=30)
    assert rollout.run(config, make=make_fake) == 0
    return tmp_path / "walk"


class PatientWindow(FakeWindow):
    """Presses keys when the end has been shown, and quits when it has been shown again.

    If it never is shown again, it quits `tail` pictures after the last key.
    """

    def __init__(self, *keys: str) -> None:
        super().__init__()
        self.titles: list[str] = []
        self.tail: int | None = None
        self._keys = list(keys)

    def present(self, view, /) -> None:
        super().present(view)
        self.titles.append(view.hud.title)

    def poll(self):
        if self.tail is not None and not self._keys:
            self.tail -= 1
            return [Quit()] if self.tail < 0 else []
        if not self.titles or self.titles[-1] != "The end":
            return []
        self.titles.append("")
        return [Key(self._keys.pop(0), down=True)] if self._keys else [Quit()]


class TimelessWindow(PatientWindow):
    """Its pictures let no time pass: on a clock that is shared, only the ticks do."""

    @property
    def refresh_hz(self) -> float:
        return 1e12


def watched(config: WatchConfig, window: FakeWindow, make=make_fake) -> list[Action]:
    """The actions of the world that was made first."""
    made: list[MadeWorld] = []

    def noted(asked: WorldConfig) -> MadeWorld:
        made.append(make(asked))
        return made[-1]

    assert watch.run(config, make=noted, open_in=lambda _: window) == 0
    assert window.closed == 1
    world = made[0].world
    assert isinstance(world, FakeKeptWorld)
    return world.actions


def test_an_episode_is_shown_to_its_end_and_what_agrees_is_told(walk: Path) -> None:
    window = PatientWindow()
    actions = watched(WatchConfig(episode=walk, watch=True, speed=20.0), window)
    assert actions == list(Episode.open(walk).actions)
    told = {view.hud.message for view in window.views}
    assert "All 31 frames are as they were recorded" in told
    assert "hold Backspace to go back" in window.views[-1].hud.subtitle


def test_restarting_a_watched_episode_shows_it_again(walk: Path) -> None:
    actions = watched(WatchConfig(episode=walk, watch=True, speed=20.0), PatientWindow("r"))
    assert actions == list(Episode.open(walk).actions) * 2


def test_the_player_can_take_the_wheel_of_a_watched_episode_and_go_on_after_its_end(
    walk: Path,
) -> None:
    window = PatientWindow("m")
    window.tail = 5
    actions = watched(WatchConfig(episode=walk, watch=True, speed=20.0), window)
    assert actions[:30] == list(Episode.open(walk).actions)
    assert set(actions[30:]) == {Action()}
    assert "You drive" in {view.hud.message for view in window.views}


def test_what_somebody_else_drives_is_not_compared(walk: Path) -> None:
    told: list[str] = []
    replayed = True
    verifier = Verifier(Episode.open(walk), told.append, lambda: replayed)
    world = FakeWorld()
    verifier.began(world.reset(seed=7), replace(INFO, seed=7), Intrinsics(width=64, height=40))
    replayed = False
    for _ in range(40):
        verifier.ticked(Action(yaw_deg=50.0), world.step(Action(yaw_deg=50.0)))
    assert told == []


def test_a_film_cannot_be_steered(film: Path) -> None:
    window = PatientWindow("m")
    config = WatchConfig(episode=film, watch=True, speed=20.0)
    assert watch.run(config, make=make_fake, open_in=lambda _: window) == 0
    assert any("the film of one" in view.hud.message for view in window.views)


def test_speed_is_the_pace_of_the_ticks(walk: Path) -> None:
    clock = FakeClock()
    window = TimelessWindow()
    started: list[float] = []

    def make(config: WorldConfig) -> MadeWorld:
        world = FakeKeptWorld(clock)
        world.started_s = started
        return MadeWorld(world, INFO)

    config = WatchConfig(episode=walk, watch=True, speed=4.0)
    watch.watch(config, Episode.open(walk), window, make=make, clock=clock)
    np.testing.assert_allclose(np.diff(started), 0.0125, atol=1e-6)


def test_other_weights_are_refused_unless_they_are_asked_for(walk: Path) -> None:
    def other(config: WorldConfig) -> MadeWorld:
        return make_fake(replace(config, checkpoint="other"))

    refused = WatchConfig(episode=walk, watch=True)
    with pytest.raises(CheckpointError, match=r"weights-a.*weights-b"):
        watch.run(refused, make=other, open_in=lambda _: PatientWindow())
    allowed = WatchConfig(episode=walk, watch=True, allow_other_weights=True, speed=20.0)
    assert len(watched(allowed, PatientWindow(), other)) == 30


def test_the_same_inputs_can_be_watched_in_the_dream_of_other_weights(walk: Path) -> None:
    config = WatchConfig(episode=walk, watch=True, speed=20.0, checkpoint="other")
    asked = watch.watched_world(config, Episode.open(walk))
    assert (asked.kind, asked.checkpoint, asked.steps) == ("dream", "other", None)
    assert watched(config, PatientWindow()) == list(Episode.open(walk).actions)


def test_the_first_frame_that_differs_is_told_once(walk: Path) -> None:
    told: list[str] = []
    verifier = Verifier(Episode.open(walk), told.append)
    world = FakeWorld()
    camera = Intrinsics(width=64, height=40)
    verifier.began(world.reset(seed=7), replace(INFO, seed=7), camera)
    for n, action in enumerate(Episode.open(walk).actions):
        turned = Action(yaw_deg=50.0) if n == 4 else action
        verifier.ticked(turned, world.step(turned))
    assert told == ["Frame 5 is the first that differs from the recording"]


def test_what_begins_in_another_world_or_later_is_not_compared(walk: Path) -> None:
    told: list[str] = []
    verifier = Verifier(Episode.open(walk), told.append)
    seen = FakeWorld().reset(seed=99)
    camera = Intrinsics(width=64, height=40)
    for info in (replace(INFO, seed=None), replace(INFO, seed=7, version="weights-b")):
        verifier.began(seen, info, camera)
        verifier.ticked(Action(), StepResult(seen))
    assert told == []


def test_recorded_input_goes_on_from_any_tick_and_ends() -> None:
    source = RecordedInput([Action(yaw_deg=1.0), Action(yaw_deg=2.0)])
    assert [source.take().action.yaw_deg for _ in range(2)] == [1.0, 2.0]
    assert source.ended
    source.seek(1)
    assert not source.ended
    taken = source.take()
    assert taken.action.yaw_deg == 2.0
    assert source.unused(taken.used) == Motion()


def test_recorded_input_knows_the_buttons_of_the_next_tick_until_its_end() -> None:
    source = RecordedInput([Action(forward=True, jump=True), Action()])
    assert source.held() == {"forward", "jump"}
    source.take()
    assert source.held() == set()
    source.take()
    assert source.held() == set()


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A recording that began in mid-session."""
    world = FakeWorld()
    first = world.reset(seed=3)
    with Recorder(tmp_path / "film", INFO, world.intrinsics, first=first) as recorder:
        for _ in range(12):
            recorder.append(Action(forward=True), world.step(Action(forward=True)))
    return tmp_path / "film"


def test_a_recording_that_began_in_mid_session_is_shown_as_a_film(film: Path) -> None:
    window = PatientWindow("r")
    config = WatchConfig(episode=film, watch=True, speed=20.0)
    assert watch.run(config, make=make_fake, open_in=lambda _: window) == 0
    frames = [frame.tobytes() for frame in Episode.open(film).frames()]
    shown = [view.rgb.tobytes() for view in window.views if view.rgb is not None]
    assert set(shown) <= set(frames)
    assert shown[-1] == frames[-1]
    assert any("mid-session" in view.hud.message for view in window.views)
    assert "seed" not in " ".join(window.views[-1].hud.lines)


def test_a_film_cannot_be_watched_in_other_weights(film: Path) -> None:
    config = WatchConfig(episode=film, watch=True, checkpoint="other")
    with pytest.raises(EpisodeError, match="begin at a reset"):
        watch.run(config, make=make_fake, open_in=lambda _: PatientWindow())


def test_a_film_can_be_gone_back_in_and_ends(film: Path) -> None:
    world = RecordedWorld(Episode.open(film))
    frames = [world.reset().rgb, *(world.step(Action()).observation.rgb for _ in range(12))]
    assert np.array_equal(frames, list(Episode.open(film).frames()))
    world.set_state(b"4")
    assert world.get_state() == b"4"
    assert np.array_equal(world.observe().rgb, frames[4])
    world.set_state(b"12")
    with pytest.raises(EpisodeError, match="frame 13"):
        world.step(Action())


def test_the_end_is_told_in_the_middle() -> None:
    rgb, depth = FakeWorld().reset().rgb, FakeWorld().reset().depth
    tick = Tick(
        number=1,
        phase=Phase.ended,
        world="dream",
        seed=7,
        observation=Observation(rgb, depth, Pose(0, 0, 0)),
    )
    assert compose_hud(tick, HudMode(), default_keymap()).title == "The end"


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"watch": True, "speed": 0.0}, "a speed"),
        ({"watch": True, "speed": float("nan")}, "a speed"),
        ({"speed": 2.0}, "--watch with --speed"),
        ({"checkpoint": "other"}, "--watch with --checkpoint"),
    ],
)
def test_options_that_make_no_sense_are_refused_by_name(
    options: dict[str, object], named: str
) -> None:
    with pytest.raises(ConfigError, match=named):
        WatchConfig(episode=Path("walk"), **options)


def test_without_a_display_the_remedy_is_to_compare_without_one(walk: Path) -> None:
    def none(_: PlayConfig) -> FakeWindow:
        raise NoDisplayError("a display", "none", "Use --headless.")

    with pytest.raises(NoDisplayError, match="Leave out --watch"):
        watch.run(WatchConfig(episode=walk, watch=True), make=make_fake, open_in=none)


def test_without_watching_the_frames_are_compared(
    walk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert watch.run(WatchConfig(episode=walk), make=make_fake) == 0
    assert "all 31 frames" in capsys.readouterr().out
