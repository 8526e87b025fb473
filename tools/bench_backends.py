"""How long a denoising pass takes on each backend: `python -m worldsim.tools.bench_backends`.

Prints the machine, versions, load and commit, then the minimum and the median of a pass, and how
they compare with torch as the engine runs it. The backends take turns, so compare within one run.
Before it measures, it checks that the ONNX graph agrees with the model.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import torch
import tyro
from rich.console import Console
from rich.table import Table

from worldsim.backends.agreement import require_agreement
from worldsim.backends.denoiser import Denoiser, TorchDenoiser, placed, torch_denoiser
from worldsim.backends.installation import EXPORTERS, RUNTIMES, installed
from worldsim.backends.onnx_denoiser import OnnxDenoiser
from worldsim.backends.onnx_graph import example_inputs
from worldsim.backends.onnx_store import cache_folder, exported_graph
from worldsim.backends.timing import finished_pass, take_turns
from worldsim.engine.engine import choose_device
from worldsim.errors import ConfigError
from worldsim.evaluate.machine import describe_machine
from worldsim.model.checkpoint import Checkpoint, load_checkpoint
from worldsim.tools.command import run


@dataclass(frozen=True, kw_only=True)
class BenchBackendsConfig:
    """What to measure."""

    checkpoint: str = "default"
    device: str = "auto"
    graph: Path | None = None
    """Another graph of the checkpoint to measure too, such as a model_int8.onnx."""
    seconds: float = 10.0
    """Of all backends together."""
    threads: int | None = None
    """By default as many as torch uses."""

    def __post_init__(self) -> None:
        if not self.seconds > 0 or (self.threads is not None and self.threads < 1):
            raise ConfigError(
                "positive seconds and threads", f"{self.seconds}, {self.threads}", "Correct them."
            )


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0 when measured, 2 if a backend cannot be had or disagrees."""
    return run(partial(tyro.cli, BenchBackendsConfig, args=argv, description=__doc__), bench)


def bench(config: BenchBackendsConfig, console: Console) -> None:
    """Measure, and print the table."""
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    device = choose_device(config.device)
    console.print_json(data=describe_machine() | installed((*RUNTIMES, *EXPORTERS)))
    first, second = (load_checkpoint(config.checkpoint) for _ in range(2))
    rivals = made_rivals(first, second, device)
    if config.graph is not None:
        rivals[config.graph.name] = OnnxDenoiser(config.graph, first.model.config, device)
    inputs = example_inputs(first.model.config, device=device)
    calls = {name: partial(finished_pass, each, *inputs) for name, each in rivals.items()}
    console.print(table_of(take_turns(calls, config.seconds)))


def made_rivals(first: Checkpoint, second: Checkpoint, device: torch.device) -> dict[str, Denoiser]:
    """torch as the engine runs it, torch in float32, and ONNX, of one checkpoint loaded twice."""
    graph, shape = exported_graph(second, cache_folder()), second.model.config
    plain = TorchDenoiser(second.model)
    require_agreement(OnnxDenoiser(graph, shape, torch.device("cpu")), plain, shape)
    native = torch_denoiser(first, device)
    placed(second.model, device, torch.float32)
    precision = str(first.model.stem.weight.dtype).removeprefix("torch.")
    onnx = OnnxDenoiser(graph, shape, device)
    return {f"torch, {precision}": native, "torch, float32": plain, "onnx, float32": onnx}


def table_of(times_ms: dict[str, list[float]]) -> Table:
    """Minimum and median of each; ratios to the first one's."""
    table = Table("backend", "passes", "min ms", "median ms", "min ratio", "median ratio")
    first, *_ = times_ms.values()
    for name, times in times_ms.items():
        numbers = (
            min(times),
            median(times),
            min(times) / min(first),
            median(times) / median(first),
        )
        table.add_row(name, str(len(times)), *(f"{number:.2f}" for number in numbers))
    return table


if __name__ == "__main__":
    sys.exit(main())
