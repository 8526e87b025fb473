"""ONNX: an exported graph computes what the model computes, and the engine dreams the same."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from dreams import LATENT, LEVELS, LOOK_AROUND, WALK, random_model, walk

from worldsim.backends import choose, onnx_store
from worldsim.backends.agreement import LIMIT, differences, require_agreement
from worldsim.backends.choose import make_denoiser
from worldsim.backends.denoiser import Denoiser, TorchDenoiser
from worldsim.backends.onnx_denoiser import OnnxDenoiser
from worldsim.backends.onnx_graph import (
    GRAPH_NAME,
    INPUTS,
    RECORD_NAME,
    example_inputs,
    export_graph,
    published,
)
from worldsim.engine.engine import WorldEngine
from worldsim.errors import BackendError, OutputError
from worldsim.memory.retrieve import MemoryMode
from worldsim.model.checkpoint import Checkpoint, save_checkpoint
from worldsim.model.trunk import Context
from worldsim.tools import export_onnx
from worldsim.tools.export_onnx import INT8_NAME, PARITY_NAME
from worldsim.tools.onnx_int8 import quantise, recorded_passes, stage_convolutions

CPU = torch.device("cpu")


def a_checkpoint() -> Checkpoint:
    """The same weights each time; a backend may move them."""
    return Checkpoint(random_model(), "hash", {})


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def onnx(cache: Path) -> Denoiser:
    """The smallest model in ONNX Runtime, exported once for all tests."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    return make_denoiser("onnx", a_checkpoint(), CPU, cache=cache)


def engine_of(denoiser: Denoiser) -> WorldEngine:
    engine = WorldEngine(
        a_checkpoint(), device=CPU, levels=LEVELS, memory=MemoryMode.FULL, denoiser=denoiser
    )
    engine.reset(clip=LOOK_AROUND, seed=3)
    return engine


@pytest.mark.parametrize("worlds", [1, 3])
@pytest.mark.parametrize("cached", [0, 1, 5])
def test_a_graph_computes_what_the_model_computes(worlds: int, cached: int, onnx: Denoiser) -> None:
    model = a_checkpoint().model
    frames, whole = example_inputs(model.config, worlds=worlds, seed=cached)
    length = cached * model.config.tokens
    context = Context(
        whole.keys[:, :, :length], whole.values[:, :, :length], whole.valid[:, :length]
    )
    with torch.no_grad():
        expected = model(frames, context if cached else None)
    found = differences(onnx(frames, context if cached else None), expected)
    assert set(found) == {"clean", "tokens", "keys", "values"}
    assert max(found.values()) <= LIMIT / 10


def test_both_backends_dream_the_same_next_frame_wherever_the_walk_has_led(
    onnx: Denoiser,
) -> None:
    # Each frame from the same state: a level by rounding may lead elsewhere some frames later.
    ours, theirs = engine_of(onnx), engine_of(TorchDenoiser(a_checkpoint().model))
    for action in WALK:
        theirs.restore(ours.snapshot())
        (a,), (b,) = walk(ours, [action]), walk(theirs, [action])
        assert np.abs(a.rgb.astype(int) - b.rgb).max() <= 1
        assert np.allclose(a.pose.position(), b.pose.position(), atol=1e-5)


def test_a_dream_by_onnx_is_restored_bit_for_bit(onnx: Denoiser) -> None:
    engine = engine_of(onnx)
    saved = engine.snapshot()
    first = walk(engine, WALK[:2])
    engine.restore(saved)
    for a, b in zip(walk(engine, WALK[:2]), first, strict=True):
        assert np.array_equal(a.rgb, b.rgb)


def test_a_checkpoint_is_exported_once(
    onnx: Denoiser, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(onnx_store, "export_graph")
    again = make_denoiser("onnx", a_checkpoint(), CPU, cache=cache)
    inputs = example_inputs(a_checkpoint().model.config)
    assert torch.equal(again(*inputs).clean, onnx(*inputs).clean)


def test_auto_measures_both(onnx: Denoiser, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "MEASURE_S", 0.0)
    times_ms = choose.median_ms(a_checkpoint(), CPU, cache)
    assert set(times_ms) == {"torch", "onnx"}
    assert all(ms > 0.0 for ms in times_ms.values())
    assert make_denoiser("auto", a_checkpoint(), CPU, cache=cache).name in times_ms


def test_the_tool_exports_the_model_with_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    save_checkpoint(random_model(LATENT), tmp_path / "model", {})
    out = tmp_path / "out"
    words = ["--checkpoint", str(tmp_path / "model"), "--out", str(out), "--frames", "3"]
    assert export_onnx.main(words) == 0
    assert {path.name for path in out.iterdir()} == {GRAPH_NAME, RECORD_NAME, PARITY_NAME}
    record = json.loads((out / RECORD_NAME).read_text())
    assert record["inputs"] == list(INPUTS)
    assert record["model"]["codec"] == "autoencoder"
    parity = json.loads((out / PARITY_NAME).read_text())["float32"]
    assert max(*parity["random"].values(), *parity["dreamed"].values()) <= LIMIT
    assert parity["first_levels"] <= 2
    assert "worst" in capsys.readouterr().out


def test_a_quantised_graph_shows_nearly_the_same(
    onnx: Denoiser, cache: Path, tmp_path: Path
) -> None:
    checkpoint = a_checkpoint()
    graph = onnx_store.exported_graph(checkpoint, cache)
    assert len(stage_convolutions(graph)) == 3 * 6  # of each stage: down, two blocks of two, up
    quantise(graph, tmp_path / INT8_NAME, recorded_passes(checkpoint))
    assert [path.name for path in tmp_path.iterdir()] == [INT8_NAME]
    coarse = OnnxDenoiser(tmp_path / INT8_NAME, checkpoint.model.config, CPU)
    inputs = example_inputs(checkpoint.model.config)
    error = (coarse(*inputs).clean - onnx(*inputs).clean).abs()
    assert 0.0 < error.mean() < 0.02  # of a picture in [-1, 1]


# What needs no ONNX Runtime.


def test_a_graph_of_another_model_does_not_agree() -> None:
    ours, theirs = (TorchDenoiser(random_model(seed=seed)) for seed in (0, 1))
    config = a_checkpoint().model.config
    with torch.no_grad():
        assert max(require_agreement(ours, ours, config).values()) == 0.0
        with pytest.raises(BackendError, match="clean"):
            require_agreement(ours, theirs, config)


def test_files_are_published_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "graphs"
    with pytest.raises(KeyboardInterrupt), published(folder) as partial:
        (partial / GRAPH_NAME).write_text("half")
        raise KeyboardInterrupt
    assert not list(folder.iterdir())
    with published(folder) as partial:
        (partial / GRAPH_NAME).write_text("whole")
        (partial / RECORD_NAME).write_text("{}")
    assert {path.name for path in folder.iterdir()} == {GRAPH_NAME, RECORD_NAME}


def test_a_folder_that_cannot_be_written_to_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file"), published(tmp_path / "file" / "graphs"):
        pass


def test_an_exporter_that_fails_is_a_backend_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise torch.onnx.OnnxExporterError("no rule for this operator\nand many more lines")

    monkeypatch.setattr("worldsim.backends.onnx_graph.require_exporter", lambda: None)
    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(BackendError, match=r"no rule for this operator \(torch"):
        export_graph(a_checkpoint(), tmp_path)
