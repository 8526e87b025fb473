"""The one place that decides who computes the denoising pass, and logs why."""

from __future__ import annotations

import copy
import json
import logging
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median

import torch

from worldsim.backends.denoiser import Denoiser, torch_denoiser
from worldsim.backends.installation import EXPORTERS, RUNTIMES, installed
from worldsim.backends.onnx_graph import example_inputs
from worldsim.backends.onnx_store import cache_folder, digest, graph_key, onnx_denoiser
from worldsim.backends.timing import finished_pass, take_turns
from worldsim.errors import BackendError, OutputError
from worldsim.model.checkpoint import Checkpoint

BACKENDS = ("auto", "torch", "onnx")
MEASURE_S = 2.0  # for both together

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Choice:
    """What "auto" means on this machine."""

    backend: str
    why: str


def make_denoiser(
    name: str, checkpoint: Checkpoint, device: torch.device, *, cache: Path | None = None
) -> Denoiser:
    """The denoiser of a backend; moves the checkpoint's model to where the backend needs it.

    "auto" is torch where ONNX Runtime is not installed, and elsewhere the faster of the two,
    measured on first use and remembered in the cache folder.

    Raises:
        BackendError: for an unknown name, or if the one asked for cannot be had.
    """
    if name not in BACKENDS:
        raise BackendError(f"a backend among {list(BACKENDS)}", repr(name), "Use auto.")
    cache = cache_folder() if cache is None else cache
    if name == "auto":
        choice = choose_backend(checkpoint, device, cache)
        logger.info("backend %s: %s", choice.backend, choice.why)
        name = choice.backend
    if name == "onnx":
        return onnx_denoiser(checkpoint, device, cache)
    return torch_denoiser(checkpoint, device)


def choose_backend(checkpoint: Checkpoint, device: torch.device, cache: Path) -> Choice:
    """What "auto" means for a checkpoint on a device."""
    if not installed(RUNTIMES):
        return Choice("torch", "ONNX Runtime is not installed")
    key = choice_key(checkpoint, device)
    path = cache / "backend" / f"{digest(key)}.json"
    return remembered(path, lambda: faster(lambda: median_ms(checkpoint, device, cache)))


def faster(measure: Callable[[], dict[str, float]]) -> Choice:
    """The backend of the lowest time, in milliseconds a pass; torch if ONNX cannot be had."""
    try:
        times_ms = measure()
    except (BackendError, OutputError) as error:
        return Choice("torch", f"ONNX cannot be had: {error}")
    told = ", ".join(f"{name} {ms:.1f} ms a pass" for name, ms in times_ms.items())
    return Choice(min(times_ms, key=times_ms.__getitem__), told)


def remembered(path: Path, decide: Callable[[], Choice]) -> Choice:
    """The choice that a file holds; decided and written if there is none that can be read."""
    try:
        return Choice(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        choice = decide()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(asdict(choice), indent=1) + "\n")
        part.replace(path)
    except OSError as error:
        logger.warning("the choice of backend is not remembered: %s", error)
    return choice


def choice_key(checkpoint: Checkpoint, device: torch.device) -> dict[str, object]:
    """Everything that the choice depends on: machine, weights and versions."""
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return graph_key(checkpoint) | {
        "machine": [platform.node(), platform.machine(), platform.processor()],
        "threads": torch.get_num_threads(),
        "device": device.type,
        "gpu": gpu,
        "installed": installed((*RUNTIMES, *EXPORTERS)),
    }


def median_ms(checkpoint: Checkpoint, device: torch.device, cache: Path) -> dict[str, float]:
    """Milliseconds a pass of both backends. Raises BackendError if ONNX cannot be had."""
    twin = replace(checkpoint, model=copy.deepcopy(checkpoint.model))
    rivals = (onnx_denoiser(checkpoint, device, cache), torch_denoiser(twin, device))
    inputs = example_inputs(checkpoint.model.config, device=device)
    calls = {each.name: partial(finished_pass, each, *inputs) for each in rivals}
    return {name: median(times) for name, times in take_turns(calls, MEASURE_S).items()}
