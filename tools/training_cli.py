"""What the training commands share: options, messages, exit codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import tyro
from rich.console import Console

from worldsim.errors import WorldsimError
from worldsim.train.trainer import RunConfig

C = TypeVar("C", bound=RunConfig)


def run(config_type: type[C], train: Callable[[C, Console], None]) -> int:
    """Exit code 0 when the time is up, 2 for a user's mistake, 130 when stopped."""
    config = tyro.cli(config_type, description=config_type.__doc__)
    console = Console()
    try:
        train(config, console)
    except WorldsimError as error:
        Console(stderr=True).print(f"[red]error:[/red] {error}", soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        console.print(f"Stopped and saved. Continue with the same --out ({config.out}).")
        return 130
    return 0
