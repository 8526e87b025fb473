"""The denoising pass as an ONNX graph: its inputs, its outputs, and its export from torch.

The graph is one frame (T = 1) of B worlds in float32. Camera rays, rotary positions and the
attention mask are computed inside; B and the length of the context, which may be 0, are free.
"""

from __future__ import annotations

import copy
import json
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim

import worldsim
from worldsim.backends.installation import require_exporter
from worldsim.camera import pose_matrices
from worldsim.errors import BackendError, OutputError
from worldsim.model.checkpoint import Checkpoint
from worldsim.model.presets import ModelConfig
from worldsim.model.trunk import Context
from worldsim.model.world_model import FrameInputs, Prediction, WorldModel
from worldsim.types import Pose

FORMAT = "worldsim-onnx"
FORMAT_VERSION = 1
OPSET = 20
GRAPH_NAME, RECORD_NAME = "model.onnx", "export.json"
FRAME_INPUTS = tuple(field.name for field in fields(FrameInputs))
CONTEXT_INPUTS = tuple(f"context_{field.name}" for field in fields(Context))
INPUTS = FRAME_INPUTS + CONTEXT_INPUTS
OUTPUTS = ("clean", "tokens", "keys", "values")
EXPORTER_LOGS = ("torch.onnx", "onnxscript", "onnx_ir")
ONE_FILE_BYTES = 2**31 - 2**20  # protobuf's limit, less some room for the graph itself


class DenoisingPass(nn.Module):
    """The model with the flat inputs and outputs of a graph."""

    def __init__(self, model: WorldModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        *inputs: Tensor,  # as INPUTS names them
    ) -> tuple[Tensor, ...]:  # as OUTPUTS names them
        count = len(FRAME_INPUTS)
        prediction = self.model(FrameInputs(*inputs[:count]), Context(*inputs[count:]))
        return flat(prediction)


def tensors_of(inputs: FrameInputs | Context) -> tuple[Tensor, ...]:
    """The tensors of one argument of the model, in the order of INPUTS."""
    return tuple(getattr(inputs, field.name) for field in fields(inputs))


def flat(prediction: Prediction) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A prediction's tensors, as OUTPUTS names them."""
    return prediction.clean, prediction.tokens, prediction.kv.keys, prediction.kv.values


def example_inputs(
    config: ModelConfig, *, worlds: int = 1, seed: int = 0, device: torch.device | str = "cpu"
) -> tuple[FrameInputs, Context]:
    """Random inputs of one pass; a quarter of the context is masked out."""
    g = torch.Generator().manual_seed(seed)
    picture = (worlds, 1, 4, config.height, config.width)
    length = (config.context + config.recalled) * config.tokens
    kv = (config.depth, worlds, length, config.heads, config.head_dim)
    poses = pose_matrices([Pose(0.3 * n, 0.2, -0.1 * n, 40.0 * n, 5.0) for n in range(worlds)])
    frames = FrameInputs(
        noisy=torch.randn(worlds, 1, config.latent_channels, *config.latent_hw, generator=g),
        sigma=torch.ones(worlds, 1),
        action=torch.rand(worlds, 1, config.action_size, generator=g),
        anchor_from_camera=torch.from_numpy(poses)[:, None],
        hint=torch.rand(picture, generator=g) * 2 - 1,
        confidence=torch.rand(worlds, 1, 1, config.height, config.width, generator=g),
        last=torch.rand(picture, generator=g) * 2 - 1,
        last_confidence=torch.rand(worlds, 1, 1, config.height, config.width, generator=g),
        time=torch.full((worlds, 1), float(config.context)),
    )
    context = Context(
        torch.randn(kv, generator=g),
        torch.randn(kv, generator=g),
        torch.rand(worlds, length, generator=g) > 0.25,
    )
    return (
        FrameInputs(*(tensor.to(device) for tensor in tensors_of(frames))),
        Context(*(tensor.to(device) for tensor in tensors_of(context))),
    )


def export_graph(checkpoint: Checkpoint, folder: Path) -> Path:
    """Write `model.onnx` and `export.json` into a folder; returns the graph's path.

    Raises BackendError if the exporter is not installed, or fails.
    """
    require_exporter()
    path = folder / GRAPH_NAME
    try:
        _write_graph(checkpoint.model, path)
    except torch.onnx.OnnxExporterError as error:
        raise BackendError(
            "a model that torch can export",
            f"{str(error).splitlines()[0]} (torch {torch.__version__})",
            "Use --backend torch, or another version of torch and onnxscript.",
        ) from error
    (folder / RECORD_NAME).write_text(json.dumps(_record(checkpoint), indent=1) + "\n")
    return path


@contextmanager
def published(folder: Path) -> Iterator[Path]:
    """A folder to write into, whose files move into `folder` at the end, `export.json` the last.

    Where there is an `export.json`, the graph beside it is whole. Raises OutputError if the folder
    cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=folder) as name:
            partial = Path(name)
            yield partial
            for path in sorted(partial.iterdir(), key=lambda path: path.name == RECORD_NAME):
                path.replace(folder / path.name)
    except OSError as error:
        raise OutputError(
            f"to write {folder}", f"{error}", "Choose a folder on a disk with free space."
        ) from error


def _write_graph(model: WorldModel, path: Path) -> None:
    """Export a float32 copy; weights beyond protobuf's limit go into a file beside the graph."""
    frames, context = example_inputs(model.config, worlds=2)
    twin = copy.deepcopy(model).to("cpu", torch.float32).eval()
    size = sum(p.nbytes for p in twin.parameters())
    with _quiet_exporter(), torch.no_grad():
        torch.onnx.export(
            DenoisingPass(twin),
            (*tensors_of(frames), *tensors_of(context)),
            path,
            input_names=INPUTS,
            output_names=OUTPUTS,
            dynamic_shapes={"inputs": _free_axes()},
            opset_version=OPSET,
            dynamo=True,
            external_data=size > ONE_FILE_BYTES,
            verbose=False,
        )


def _free_axes() -> tuple[dict[int, Dim], ...]:
    worlds, length = Dim("worlds", min=1), Dim("context_length", min=1)
    keys = {1: worlds, 2: length}
    return (*({0: worlds} for _ in FRAME_INPUTS), keys, keys, {0: worlds, 1: length})


def _record(checkpoint: Checkpoint) -> dict[str, object]:
    import onnx

    return {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "model_hash": checkpoint.model_hash,
        "model": checkpoint.model.config.to_record(),
        "opset": OPSET,
        "inputs": list(INPUTS),
        "outputs": list(OUTPUTS),
        "versions": {
            "worldsim": worldsim.__version__,
            "torch": str(torch.__version__),
            "onnx": onnx.__version__,
        },
    }


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Without the exporter's remarks on operators and axis names that are none of the user's."""
    levels = {log: log.level for log in map(logging.getLogger, EXPORTER_LOGS)}
    try:
        for log in levels:
            log.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for log, level in levels.items():
            log.setLevel(level)
