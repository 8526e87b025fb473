"""`worldsim play` as a whole: sessions, reports, recordings, and machines without a screen."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import av
import platformdirs
import pytest
from fakes import FakeClock
from fakes_play import FakePlayWorld, FakeWindow
from PIL import Image

from worldsim import cli
from worldsim.engine.clock import RealClock, Unpaced
from worldsim.errors import CheckpointError, ConfigError, OutputError
from worldsim.play import app
from worldsim.play.app import PlayConfig, Session
from worldsim.play.gl_presenter import is_software
from worldsim.play.loop import LoopConfig, ModelLoop
from worldsim.play.mailbox import ScriptedInput
from worldsim.play.orders import Order
from worldsim.play.pygame_window import foreign_pygame, missing_display
from worldsim.play.tick import Board
from worldsim.play.window import HeadlessWindow
from worldsim.record.episode import Episode
from worldsim.record.worlds import MadeWorld, WorldConfig
from worldsim.types import Action, Observation

REPORT_KEYS = {
    "world",
    "seed",
    "scene",
    "frames",
    "fps",
    "tick_ms",
    "stages_ms",
    "first_view_s",
    "first_frame_s",
    "memory_mb",
    "keyframes",
}


def session(config: PlayConfig, world: FakePlayWorld) -> Session:
    clock = RealClock()
    return Session(
        config=config,
        make=lambda asked: world.made(asked.kind),
        clock=clock,
        started_at_s=clock.now(),
    )


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
    window = FakeWindow([[]] * 3, quits=True)
    report = session(PlayConfig(world="real"), world).play(window, scripted=False)
    assert report.first_view_s is not None
    assert report.first_view_s > 0
    assert world.closed == 1
    assert threading.active_count() == before


def test_a_damaged_keymap_is_told_in_the_window_and_the_game_plays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platformdirs, "user_config_dir", lambda _: str(tmp_path))
    (tmp_path / "keymap.toml").write_text("[buttons\n")
    window = FakeWindow([[]] * 5, quits=True)
    session(PlayConfig(world="real"), FakePlayWorld()).play(window, scripted=False)
    assert any("cannot be read" in view.hud.message for view in window.views)


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


class PictureWorld(FakePlayWorld):
    """A FakePlayWorld that can start in a picture, as a dream can."""

    def __init__(self) -> None:
        super().__init__()
        self.images: list[Path | None] = []

    def reset(
        self, *, seed: int | None = None, scene: str | None = None, image: Path | None = None
    ) -> Observation:
        self.images.append(image)
        return super().reset(seed=seed, scene=scene)


def test_a_dream_can_start_in_a_picture_and_its_recording_claims_no_seed(tmp_path: Path) -> None:
    image, world = tmp_path / "photo.jpg", PictureWorld()
    config = PlayConfig(image=image, headless=True, frames=3, record=tmp_path / "walk")
    session(config, world).play(HeadlessWindow(), scripted=True)
    assert (world.images, world.resets) == ([image], [(PlayConfig().seed, None)])
    assert Episode.open(tmp_path / "walk").info.world.seed is None


def test_the_real_world_beside_a_picture_starts_from_the_seed() -> None:
    image = Path("photo.jpg")
    worlds = {"dream": PictureWorld(), "real": FakePlayWorld()}
    loop = ModelLoop(
        LoopConfig(world="dream", seed=7, image=image, frames=1),
        make_world=lambda kind: worlds[kind].made(kind),
        source=ScriptedInput([Action()]),
        board=Board(),
        clock=FakeClock(),
        pacing=Unpaced(),
    )
    loop.order(Order.switch_world)
    loop.run()
    assert loop.world == "real"
    assert worlds["real"].resets == [(7, None)]


@pytest.mark.parametrize("other", [("--world", "real"), ("--scene", "forest")])
def test_a_picture_with_another_start_is_refused(
    other: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["play", "--image", "photo.jpg", *other])
    told = " ".join(capsys.readouterr().err.replace("│", "").split())
    assert stop.value.code == 2
    assert "expected --image for a dream" in told
    assert f"got --image photo.jpg {' '.join(other)}." in told
    assert f"Leave out {' '.join(other)}" in told


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
    assert app.run(config, make=lambda _: FakePlayWorld().made()) == 0
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


def _must_not_be_made(config: WorldConfig) -> MadeWorld:
    raise AssertionError(config)
