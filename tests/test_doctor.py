from __future__ import annotations

from pathlib import Path

import pytest
from fakes import FakeClock
from fakes_play import FakePlayWorld

from worldsim.errors import CheckpointError, ConfigError
from worldsim.play import doctor, pads
from worldsim.play.doctor import (
    DoctorConfig,
    Finding,
    agents_finding,
    examine,
    onnx_finding,
    pads_finding,
    run,
)
from worldsim.play.pads import PluggedPads
from worldsim.record.format import WorldInfo
from worldsim.record.worlds import MadeWorld, WorldConfig


@pytest.fixture(autouse=True)
def _no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setenv("SDL_AUDIODRIVER", "dummy")


def findings(world: FakePlayWorld, clock: FakeClock) -> dict[str, Finding]:
    def make(config: WorldConfig) -> MadeWorld:
        made = world if config.kind == "dream" else FakePlayWorld(clock, [0.01] * 200)
        return MadeWorld(made, WorldInfo(kind=config.kind, version="1"))

    return {finding.subject: finding for finding in examine(DoctorConfig(), make, clock)}


def test_the_doctor_measures_a_second_of_the_dream() -> None:
    clock = FakeClock()
    dream = findings(FakePlayWorld(clock, [0.04] * 40), clock)["dream"]
    assert dream.state == "good"
    assert "25.0 frames/s" in dream.found


def test_the_doctor_looks_at_everything_that_playing_needs() -> None:
    clock = FakeClock()
    found = findings(FakePlayWorld(clock, [0.04] * 40), clock)
    assert {"window", "sound", "gamepads", "renderer", "onnxruntime", "dream"} <= set(found)
    assert "100.0 frames/s" in found["real world"].found
    assert "dummy" in found["sound"].found
    lacking = [one for one in found.values() if one.state != "good"]
    assert all(one.remedy for one in lacking)


def test_a_machine_without_sound_is_told_and_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_AUDIODRIVER", "no such driver")
    clock = FakeClock()
    sound = findings(FakePlayWorld(clock, [0.04] * 40), clock)["sound"]
    assert sound.state == "note"
    assert "silence" in sound.remedy


@pytest.mark.parametrize(
    ("plugged", "state", "told"),
    [
        (PluggedPads(("Pad One",), ()), "good", "Pad One"),
        (PluggedPads(("Pad One",), ("Odd Stick",)), "bad", "Odd Stick"),
        (PluggedPads((), ()), "note", "none"),
        (None, "note", "cannot be used"),
    ],
)
def test_gamepads_are_named_and_strange_ones_come_with_where_to_describe_them(
    plugged: PluggedPads | None, state: str, told: str
) -> None:
    finding = pads_finding(plugged, Path("config"))
    assert (finding.state, told in finding.found) == (state, True)
    assert bool(finding.remedy) == (state != "good")
    if state == "bad":
        assert "gamecontrollerdb.txt" in finding.remedy


def test_the_doctor_and_the_pads_mean_the_same_file() -> None:
    assert doctor.MAPPINGS_FILE == pads.MAPPINGS_FILE


def test_trained_agents_need_an_extra() -> None:
    assert "[rl]" in agents_finding({}).remedy
    assert agents_finding({"stable-baselines3": "2.9"}).state == "good"


def test_a_dream_that_is_too_slow_comes_with_advice() -> None:
    clock = FakeClock()
    dream = findings(FakePlayWorld(clock, [0.1] * 40), clock)["dream"]
    assert dream.state == "note"
    assert "--steps 1" in dream.remedy


def test_a_missing_display_is_no_failure() -> None:
    clock = FakeClock()
    window = findings(FakePlayWorld(clock, [0.1] * 40), clock)["window"]
    assert window.state == "note"
    assert "--headless" in window.remedy


def test_a_missing_checkpoint_is_told_with_its_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    def broken(config: WorldConfig) -> MadeWorld:
        raise CheckpointError("a checkpoint", "nothing", "Train one.")

    assert run(DoctorConfig(), make=broken, clock=FakeClock()) == 0
    assert "Train one." in capsys.readouterr().out


def test_two_onnxruntimes_are_found_out() -> None:
    assert onnx_finding({"onnxruntime": "1.20", "onnxruntime-gpu": "1.20"}).state == "bad"
    assert onnx_finding({"onnxruntime": "1.20"}).state == "good"
    assert onnx_finding({}).state == "note"


def test_a_negative_measure_is_refused() -> None:
    with pytest.raises(ConfigError, match="seconds"):
        DoctorConfig(seconds=-1.0)
