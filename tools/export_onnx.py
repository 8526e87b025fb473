"""Export the denoising pass to ONNX: `python -m worldsim.tools.export_onnx --help`.

Writes `model.onnx`, `export.json` (weights, versions, inputs, outputs) and `parity.json`: how far
the graph lies from torch in float32, on random inputs, on those of a dream, and in whole dreams.
With `--int8`, the same of a second graph, `model_int8.onnx`, whose stages are quantised.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import torch
import tyro
from rich.console import Console
from rich.table import Table

from worldsim.backends.agreement import LIMIT
from worldsim.backends.onnx_denoiser import OnnxDenoiser, provider_for
from worldsim.backends.onnx_graph import export_graph, published
from worldsim.errors import ConfigError
from worldsim.model.checkpoint import Checkpoint, load_checkpoint
from worldsim.record.script import compile_script, load_script
from worldsim.tools.command import run
from worldsim.tools.onnx_int8 import quantise, recorded_passes
from worldsim.tools.onnx_parity import Parity, compare
from worldsim.types import Action

CPU = torch.device("cpu")
INT8_NAME = "model_int8.onnx"
PARITY_NAME = "parity.json"


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """What to export, and where to."""

    out: Path
    """The folder to write to."""
    checkpoint: str = "default"
    """A name or a folder."""
    int8: bool = False
    """Write a second graph, with the convolutions of the stages in 8 bits."""
    frames: int = 40
    """How many frames to dream with both, for comparison."""
    script: str = "stroll"
    """How the dream moves: a bundled script or the path of a TOML file."""

    def __post_init__(self) -> None:
        if self.frames < 1:
            raise ConfigError("frames of 1 or more", repr(self.frames), "Correct it.")


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0 when the graph agrees with torch, 2 when it does not or cannot be made."""
    return run(partial(tyro.cli, ExportConfig, args=argv, description=__doc__), export)


def export(config: ExportConfig, console: Console) -> None:
    """Export, compare, tell. A graph that does not agree with torch is not written."""
    provider_for(CPU)  # before the long export
    checkpoint = load_checkpoint(config.checkpoint)
    actions = list(islice(cycle(compile_script(load_script(config.script))), config.frames))
    with published(config.out) as folder:
        graph = export_graph(checkpoint, folder)
        reports = {"float32": parity_of(graph, checkpoint, actions, console)}
        reports["float32"].require()
        if config.int8:
            quantised = folder / INT8_NAME
            quantise(graph, quantised, recorded_passes(checkpoint))
            reports["int8"] = parity_of(quantised, checkpoint, actions, console)
        told = {"limit": LIMIT} | {name: asdict(report) for name, report in reports.items()}
        (folder / PARITY_NAME).write_text(json.dumps(told, indent=1, allow_nan=False) + "\n")
    console.print(f"written to {config.out}", soft_wrap=True)


def parity_of(
    graph: Path, checkpoint: Checkpoint, actions: Sequence[Action], console: Console
) -> Parity:
    """Compare a graph with its model, and print what was found."""
    session = OnnxDenoiser(graph, checkpoint.model.config, CPU)
    parity = compare(checkpoint, session, actions)
    title = f"{graph.name}, {graph.stat().st_size / 1e6:.1f} MB"
    console.print(parity_table(parity, title))
    return parity


def parity_table(parity: Parity, title: str) -> Table:
    """What the comparison found."""
    table = Table("largest difference of", "random", "dreamed", title=title)
    for name, found in parity.random.items():
        table.add_row(name, f"{found:.1e}", f"{parity.dreamed[name]:.1e}")
    levels = f"{parity.first_levels} of 255 levels"
    table.add_row("the first frame", "", f"{parity.first_psnr_db:.1f} dB, {levels}")
    told = f"mean {parity.mean_psnr_db:.1f} dB, worst {parity.worst_psnr_db:.1f} dB"
    table.add_row(f"{parity.frames} frames", "", told)
    return table


if __name__ == "__main__":
    sys.exit(main())
