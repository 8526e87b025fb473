"""Exported graphs, kept in the user's cache folder: each checkpoint is exported once."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path

import platformdirs
import torch

import worldsim
from worldsim.backends.agreement import require_agreement
from worldsim.backends.denoiser import TorchDenoiser, placed
from worldsim.backends.onnx_denoiser import OnnxDenoiser, provider_for
from worldsim.backends.onnx_graph import (
    FORMAT_VERSION,
    GRAPH_NAME,
    OPSET,
    RECORD_NAME,
    export_graph,
    published,
)
from worldsim.model.checkpoint import Checkpoint

logger = logging.getLogger(__name__)


def cache_folder() -> Path:
    """Where worldsim keeps what it can make again."""
    return Path(platformdirs.user_cache_dir("worldsim"))


def onnx_denoiser(checkpoint: Checkpoint, device: torch.device, cache: Path) -> OnnxDenoiser:
    """The checkpoint's graph in a session; the model stays in float32 for the rest of a tick.

    Raises BackendError if something is not installed, or the graph does not agree with the model.
    """
    provider_for(device)  # before the long export
    graph = exported_graph(checkpoint, cache)
    placed(checkpoint.model, device, torch.float32)
    return OnnxDenoiser(graph, checkpoint.model.config, device)


def exported_graph(checkpoint: Checkpoint, cache: Path) -> Path:
    """The graph of a checkpoint of float32 weights on the processor; exported if there is none."""
    folder = cache / "onnx" / digest(graph_key(checkpoint))
    if not (folder / RECORD_NAME).is_file():
        logger.warning("exporting the model to ONNX, once, into %s: some ten seconds", folder)
        with published(folder) as partial:
            graph, config = export_graph(checkpoint, partial), checkpoint.model.config
            session = OnnxDenoiser(graph, config, torch.device("cpu"))
            require_agreement(session, TorchDenoiser(checkpoint.model), config)
    return folder / GRAPH_NAME


def graph_key(checkpoint: Checkpoint) -> dict[str, object]:
    """Everything that a graph depends on."""
    return {
        "model_hash": checkpoint.model_hash,
        "model": checkpoint.model.config.to_record(),
        "format": FORMAT_VERSION,
        "opset": OPSET,
        "worldsim": worldsim.__version__,
        "torch": str(torch.__version__),
    }


def digest(key: Mapping[str, object]) -> str:
    """Sixteen hex digits of a key."""
    text = json.dumps(key, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
