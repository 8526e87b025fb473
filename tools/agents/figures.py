"""What the measuring commands share: measure, print a table, leave the figures in a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from rich.console import Console
from rich.table import Table

from worldsim.record.output import replace_file

Figures = dict[str, Any]


class Measuring(Protocol):
    """The settings of a command that measures."""

    @property
    def threads(self) -> int | None: ...  # of torch

    @property
    def json(self) -> Path | None: ...  # a file for the figures


M = TypeVar("M", bound=Measuring)


def report_figures(
    config: M,
    console: Console,
    measure: Callable[[M, Console], Figures],
    table: Callable[[M, Figures], Table],
) -> None:
    """Measure with the threads asked for, print, and write the file asked for."""
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    figures = measure(config, console)
    console.print(table(config, figures))
    if config.json is not None:
        write_figures(config.json, figures)


def write_figures(path: Path, figures: Figures) -> None:
    """As JSON; whole or not at all."""
    replace_file(path, (json.dumps(figures, indent=2, default=str) + "\n").encode())
