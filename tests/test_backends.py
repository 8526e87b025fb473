"""Backends: who computes the denoising pass, how that is chosen, and what is said if it cannot."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import torch
from dreams import LEVELS, LOOK_AROUND, FrameSpy, all_same, begun, random_model, walk
from fakes import FakeClock
from fakes_train import FakeDenoiser

from worldsim.backends import choose, installation, onnx_denoiser
from worldsim.backends.choose import Choice, choice_key, choose_backend, faster, remembered
from worldsim.backends.denoiser import TorchDenoiser
from worldsim.backends.installation import (
    installed,
    require_exporter,
    require_provider,
    require_runtime,
)
from worldsim.backends.onnx_graph import example_inputs
from worldsim.backends.timing import take_turns
from worldsim.engine.engine import WorldEngine
from worldsim.errors import BackendError, ConfigError, OutputError, WorldsimError
from worldsim.memory.retrieve import MemoryMode
from worldsim.model.checkpoint import Checkpoint
from worldsim.record.worlds import WorldConfig

CPU = torch.device("cpu")
ONE = {"onnxruntime": "1.20"}
BOTH = {"onnxruntime": "1.20", "onnxruntime-gpu": "1.21"}


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return Checkpoint(random_model(), "hash", {})


def finds(found: dict[str, str]) -> Callable[[object], dict[str, str]]:
    """In place of `installed`."""
    return lambda names: found


def fails(error: WorldsimError) -> Callable[[], dict[str, float]]:
    """In place of a measurement."""

    def measure() -> dict[str, float]:
        raise error

    return measure


def never() -> Choice:
    raise AssertionError("this is not to be decided again")


# The seam in the engine.


def test_the_engine_dreams_and_learns_by_its_denoiser(checkpoint: Checkpoint) -> None:
    denoiser = FakeDenoiser(checkpoint.model)
    engine = WorldEngine(
        checkpoint, device=CPU, levels=LEVELS, memory=MemoryMode.FULL, denoiser=denoiser
    )
    engine.reset(clip=LOOK_AROUND, seed=3)
    shown = denoiser.passes
    assert shown == checkpoint.model.config.context
    other = begun()
    asked = FrameSpy(other)
    assert all_same(walk(engine), walk(other))
    assert denoiser.passes == shown + len(asked.frames)
    assert engine.backend == engine.fork().backend == "fake"


def test_torch_is_the_model_itself(checkpoint: Checkpoint) -> None:
    inputs = example_inputs(checkpoint.model.config, worlds=2)
    with torch.no_grad():
        ours, theirs = TorchDenoiser(checkpoint.model)(*inputs), checkpoint.model(*inputs)
    assert torch.equal(ours.clean, theirs.clean)
    assert torch.equal(ours.kv.keys, theirs.kv.keys)


def test_an_engine_is_computed_by_torch_unless_told_otherwise(tiny_checkpoint: Path) -> None:
    assert WorldEngine.from_pretrained(tiny_checkpoint, device="cpu").backend == "torch"


def test_an_unknown_backend_is_refused(tiny_checkpoint: Path) -> None:
    unknown: Any = "tensorrt"
    with pytest.raises(BackendError, match=r"auto.*torch.*onnx.*tensorrt"):
        WorldEngine.from_pretrained(tiny_checkpoint, device="cpu", backend=unknown)
    with pytest.raises(ConfigError, match="backend"):
        WorldConfig(backend=unknown)


# What is installed.


def test_installed_distributions_are_found_with_their_versions() -> None:
    assert installed(("numpy", "no-such-thing")) == {"numpy": metadata.version("numpy")}


def test_a_missing_runtime_is_an_error_with_the_command_that_installs_it(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_denoiser, "installed", finds({}))
    with pytest.raises(BackendError, match=r'pip install "worldsim-engine\[onnx\]"'):
        WorldEngine.from_pretrained(tiny_checkpoint, device="cpu", backend="onnx")


def test_two_runtimes_at_once_are_named_with_the_way_out() -> None:
    with pytest.raises(BackendError, match=r"onnxruntime-gpu 1\.21.*pip uninstall"):
        require_runtime(BOTH)
    require_runtime(ONE)


def test_a_runtime_without_the_graphics_card_is_refused_for_it() -> None:
    assert require_provider("cpu", ["CPUExecutionProvider"]) == "CPUExecutionProvider"
    with pytest.raises(BackendError, match="onnx-gpu"):
        require_provider("cuda", ["AzureExecutionProvider", "CPUExecutionProvider"])


def test_a_missing_exporter_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "EXPORTERS", ("no_such_exporter",))
    with pytest.raises(BackendError, match=r"no_such_exporter.*pip install"):
        require_exporter()


# What "auto" means.


def test_auto_is_torch_where_there_is_no_runtime(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choose, "installed", finds({}))
    choice = choose_backend(checkpoint, CPU, tmp_path)
    assert (choice.backend, choice.why) == ("torch", "ONNX Runtime is not installed")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("torch_ms", "winner"), [(9.0, "onnx"), (3.0, "torch")])
def test_auto_is_the_faster_backend_and_measured_once(
    torch_ms: float,
    winner: str,
    checkpoint: Checkpoint,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(choose, "installed", finds(ONE))
    times = [{"onnx": 5.0, "torch": torch_ms}]
    monkeypatch.setattr(choose, "median_ms", lambda *_: times.pop())
    choices = [choose_backend(checkpoint, CPU, tmp_path) for _ in range(2)]
    assert choices == [Choice(winner, f"onnx 5.0 ms a pass, torch {torch_ms:.1f} ms a pass")] * 2


def test_the_reason_for_a_choice_is_logged(
    checkpoint: Checkpoint,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(choose, "installed", finds({}))
    with caplog.at_level(logging.INFO, "worldsim"):
        denoiser = choose.make_denoiser("auto", checkpoint, CPU, cache=tmp_path)
    assert denoiser.name == "torch"
    assert "torch: ONNX Runtime is not installed" in caplog.text


@pytest.mark.parametrize("error", [BackendError, OutputError])
def test_auto_is_torch_if_onnx_cannot_be_had(error: type[WorldsimError]) -> None:
    choice = faster(fails(error("one runtime", "two", "Remove one.")))
    assert choice.backend == "torch"
    assert "Remove one." in choice.why


def test_a_choice_is_remembered_by_its_file(tmp_path: Path) -> None:
    path = tmp_path / "backend" / "key.json"
    choice = Choice("onnx", "faster")
    assert remembered(path, lambda: choice) == choice
    assert remembered(path, never) == choice
    assert [each.name for each in path.parent.iterdir()] == ["key.json"]


@pytest.mark.parametrize("damaged", ["", "[]", '{"backend": "onnx"}', "\x00"])
def test_a_damaged_choice_is_made_anew(damaged: str, tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text(damaged)
    assert remembered(path, lambda: Choice("torch", "faster")).backend == "torch"
    assert remembered(path, never).backend == "torch"


def test_a_choice_that_cannot_be_written_is_made_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "key.json"
    assert remembered(path, lambda: Choice("onnx", "faster")).backend == "onnx"


def test_another_machine_model_version_or_device_is_another_choice(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [choice_key(checkpoint, CPU), choice_key(replace(checkpoint, model_hash="b"), CPU)]
    with monkeypatch.context() as patch:
        patch.setattr(choose.platform, "node", lambda: "another")
        keys.append(choice_key(checkpoint, CPU))
    with monkeypatch.context() as patch:
        patch.setattr(choose, "installed", finds({"onnxruntime": "0.1"}))
        keys.append(choice_key(checkpoint, CPU))
    with monkeypatch.context() as patch:
        patch.setattr(choose.torch, "get_num_threads", lambda: 99)
        keys.append(choice_key(checkpoint, CPU))
    assert len({str(key) for key in keys}) == 5


def test_rivals_take_turns_and_their_first_turn_does_not_count() -> None:
    clock, order = FakeClock(), []

    def call(name: str, costs_s: list[float]) -> Callable[[], None]:
        def spend() -> None:
            order.append(name)
            clock.spend(costs_s.pop(0) if len(costs_s) > 1 else costs_s[0])

        return spend

    calls = {"a": call("a", [5.0, 0.25]), "b": call("b", [5.0, 0.5])}
    times_ms = take_turns(calls, 2.0, clock.now)
    assert times_ms == {"a": [250.0] * 3, "b": [500.0] * 3}
    assert order == ["a", "b"] * 4


def test_no_time_at_all_still_gives_three_turns() -> None:
    times_ms = take_turns({"a": lambda: None}, 0.0, FakeClock().now)
    assert times_ms == {"a": [0.0] * 3}
