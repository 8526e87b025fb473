"""Export the denoising pass to ONNX: `python -m worldsim.tools.export_onnx --help`.

Writes `model.onnx`, `export.json` (weights, versions, inputs, outputs) and `parity.json`: how far
the graph lies from torch in float32, on random inputs, on those of a dream, and in whole dreams.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import torch
import tyro
from rich.console import Console
from rich.table import Table

from worldsim.backends.onnx_denoiser import OnnxDenoiser
from worldsim.backends.onnx_graph import GRAPH_NAME, export_graph, published
from worldsim.errors import ConfigError, WorldsimError
from worldsim.model.checkpoint import load_checkpoint
from worldsim.record.script import compile_script, load_script
from worldsim.tools.onnx_parity import Parity, compare

PARITY_NAME = "parity.json"


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """What to export, and where to."""

    out: Path
    """The folder to write to."""
    checkpoint: str = "default"
    """A name or a folder."""
    frames: int = 40
    """How many frames to dream with both, for comparison."""
    script: str = "stroll"
    """How the dream moves: a bundled script or the path of a TOML file."""

    def __post_init__(self) -> None:
        if self.frames < 1:
            raise ConfigError("frames of 1 or more", repr(self.frames), "Correct it.")


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0 when the graph agrees with torch, 2 when it does not or cannot be made."""
    try:
        export(tyro.cli(ExportConfig, args=argv, description=__doc__), Console())
    except WorldsimError as error:
        Console(stderr=True).print(f"[red]error:[/red] {error}", soft_wrap=True)
        return 2
    return 0


def export(config: ExportConfig, console: Console) -> None:
    """Export, compare, tell. A graph that does not agree with torch is not written."""
    checkpoint = load_checkpoint(config.checkpoint)
    actions = list(islice(cycle(compile_script(load_script(config.script))), config.frames))
    with published(config.out) as partial:
        graph = export_graph(checkpoint, partial)
        session = OnnxDenoiser(graph, checkpoint.model.config, torch.device("cpu"))
        parity = compare(checkpoint, session, actions)
        console.print(parity_table(parity))
        parity.require()
        text = json.dumps(parity.to_record(), indent=1, allow_nan=False) + "\n"
        (partial / PARITY_NAME).write_text(text)
    megabytes = (config.out / GRAPH_NAME).stat().st_size / 1e6
    console.print(f"{config.out / GRAPH_NAME}: {megabytes:.1f} MB", soft_wrap=True)


def parity_table(parity: Parity) -> Table:
    """What the comparison found."""
    table = Table("largest difference of", "random", "dreamed", title=f"limit {parity.limit:g}")
    for name, found in parity.random.items():
        table.add_row(name, f"{found:.1e}", f"{parity.dreamed[name]:.1e}")
    levels = f"{parity.first_levels} of 255 levels"
    table.add_row("the first frame", "", f"{parity.first_psnr_db:.1f} dB, {levels}")
    told = f"mean {parity.mean_psnr_db:.1f} dB, worst {parity.worst_psnr_db:.1f} dB"
    table.add_row(f"{parity.frames} frames", "", told)
    return table


if __name__ == "__main__":
    sys.exit(main())
