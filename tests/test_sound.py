"""What is heard while playing, and what is done where nothing can be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pygame
import pytest
from fakes_play import FakeMixer, FakePlayWorld, FakeWindow

from worldsim.engine.clock import RealClock
from worldsim.play import pygame_mixer
from worldsim.play.app import PlayConfig, Session
from worldsim.play.pygame_mixer import NoSoundError, PygameMixer, missing_device, open_mixer
from worldsim.play.settings import Hearing
from worldsim.play.sound import JUMP_M, STRIDE_M, Silence, Sound
from worldsim.play.tick import Phase, Step, Tick
from worldsim.play.tones import RATE_HZ, Tone, made
from worldsim.types import Action, Observation, Pose

SEEN = FakePlayWorld().reset()
LOUD = Hearing(volume=1.0)


def tick(number: int, pose: Pose, *buttons: str, phase: Phase = Phase.playing) -> Tick:
    action = Action(**dict.fromkeys(buttons, True))
    return Tick(
        number=number,
        phase=phase,
        world="dream",
        seed=7,
        observation=Observation(SEEN.rgb, SEEN.depth, pose),
        step=Step.between(pose, pose, action, made_s=0.0),
    )


def heard(poses: Sequence[Pose], *buttons: str, hearing: Hearing = LOUD) -> FakeMixer:
    mixer = FakeMixer()
    sound = Sound(mixer)
    for number, pose in enumerate(poses, 1):
        sound.hear(tick(number, pose, *buttons), hearing)
    return mixer


def walk(ticks: int, step_m: float, climb_m: float = 0.0) -> list[Pose]:
    return [Pose(0.0, 1.6 + n * climb_m, -n * step_m) for n in range(ticks + 1)]


@pytest.mark.parametrize("step_m", [0.05, 0.2, 0.3])
def test_footsteps_follow_the_way_walked_not_the_time(step_m: float) -> None:
    steps = heard(walk(60, step_m)).played
    assert {tone for tone, _ in steps} == {Tone.step}
    assert len(steps) == pytest.approx(60 * step_m / STRIDE_M, abs=1)


def test_who_stands_flies_or_is_moved_elsewhere_makes_no_step() -> None:
    assert heard(walk(50, 0.0)).played == []
    assert heard(walk(50, 0.2, climb_m=0.2)).played == []
    assert heard(walk(5, JUMP_M + 0.1)).played == []


def test_a_blow_is_heard_when_it_begins_and_not_while_it_is_held() -> None:
    still = walk(10, 0.0)
    assert heard(still, "attack").played == [(Tone.crunch, 0.8)]
    assert heard(still, "use").played == [(Tone.knock, 0.8)]


def test_a_tick_that_is_shown_twice_is_heard_once() -> None:
    mixer = FakeMixer()
    sound, one = Sound(mixer), tick(1, Pose(0.0, 1.6, 0.0), "attack")
    sound.hear(one, LOUD)
    sound.hear(one, LOUD)
    assert len(mixer.played) == 1


def test_the_wind_blows_while_the_world_goes_on_and_stops_with_it() -> None:
    mixer = FakeMixer()
    sound, here = Sound(mixer), Pose(0.0, 1.6, 0.0)
    sound.hear(None, LOUD)
    sound.hear(tick(1, here), LOUD)
    sound.hear(tick(2, here), LOUD)
    sound.hear(tick(3, here, phase=Phase.paused), LOUD)
    assert mixer.winds == [0.35, 0.0]


def test_without_sound_nothing_is_played_and_the_volume_scales_the_rest() -> None:
    quiet = heard(walk(20, 0.3), "attack", hearing=Hearing(sound=False))
    assert (quiet.played, quiet.winds) == ([], [])
    half = heard(walk(1, 0.0), "attack", hearing=Hearing(volume=0.5))
    assert half.played == [(Tone.crunch, 0.4)]


@pytest.mark.parametrize("tone", list(Tone))
def test_a_tone_is_as_long_as_it_says_loud_and_always_the_same(tone: Tone) -> None:
    samples = made(tone)
    assert samples.shape == (round(tone.value * RATE_HZ),)
    assert 25_000 < np.abs(samples.astype(int)).max() <= 32_767
    assert np.array_equal(samples, made(tone))


def test_the_winds_loop_has_no_seam_and_blows_end_in_silence() -> None:
    wind = made(Tone.wind).astype(int)
    assert abs(wind[0] - wind[-1]) <= np.abs(np.diff(wind)).max()
    for tone in (Tone.step, Tone.crunch, Tone.knock):
        assert abs(int(made(tone)[-1])) < 300


def test_sounds_play_on_sdls_dummy_device_and_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_AUDIODRIVER", "dummy")
    mixer = PygameMixer()
    try:
        mixer.wind(0.3)
        for _ in range(12):  # more than there are channels
            mixer.play(Tone.step, 0.5)
        assert pygame.mixer.Channel(0).get_busy()
        mixer.wind(0.0)
    finally:
        mixer.close()
    assert pygame.mixer.get_init() is None


def test_a_missing_audio_device_is_known_without_trying(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pygame_mixer, "SOUND_CARDS", tmp_path / "snd")
    here = {"XDG_RUNTIME_DIR": str(tmp_path)}
    assert "no" in (missing_device(here, "linux") or "")
    assert missing_device(here, "darwin") is None
    assert missing_device(here | {"SDL_AUDIODRIVER": "dummy"}, "linux") is None
    assert missing_device(here | {"PULSE_SERVER": "tcp:host"}, "linux") is None
    (tmp_path / "pipewire-0").touch()
    assert missing_device(here, "linux") is None
    (tmp_path / "snd").mkdir()
    assert missing_device({}, "linux") is None


def test_without_an_audio_device_there_is_silence_and_one_notice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SDL_AUDIODRIVER", "no such driver")
    said: list[str] = []
    assert isinstance(open_mixer(said.append), Silence)
    assert len(said) == 1
    assert said[0].startswith("No sound")
    with pytest.raises(NoSoundError, match="silence"):
        PygameMixer()


def test_a_game_without_an_audio_device_plays_on_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SDL_AUDIODRIVER", "no such driver")
    window, clock = FakeWindow([[]] * 5, quits=True), RealClock()
    game = Session(
        config=PlayConfig(world="real"),
        make=lambda asked: FakePlayWorld().made(asked.kind),
        clock=clock,
        started_at_s=clock.now(),
        hears=True,
    )
    game.play(window, scripted=False)
    assert any(view.hud.message.startswith("No sound") for view in window.views)
