from __future__ import annotations

import pytest
from fakes import FakeClock
from fakes_play import FakePlayWorld

from worldsim.errors import CheckpointError, ConfigError
from worldsim.play.doctor import DoctorConfig, Finding, examine, onnx_finding, run
from worldsim.record.format import WorldInfo
from worldsim.record.worlds import MadeWorld, WorldConfig


@pytest.fixture(autouse=True)
def _no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")


def findings(world: FakePlayWorld, clock: FakeClock) -> dict[str, Finding]:
    def make(config: WorldConfig) -> MadeWorld:
        return MadeWorld(world, WorldInfo(kind=config.kind, version="1"))

    return {finding.subject: finding for finding in examine(DoctorConfig(), make, clock)}


def test_the_doctor_measures_a_second_of_the_dream() -> None:
    clock = FakeClock()
    dream = findings(FakePlayWorld(clock, [0.04] * 40), clock)["dream"]
    assert dream.state == "good"
    assert "25.0 frames/s" in dream.found


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
