"""What the commands share: messages and exit codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from rich.console import Console

from worldsim.errors import WorldsimError

C = TypeVar("C")


def run(
    parse: Callable[[], C],
    work: Callable[[C, Console], object],
    stopped: str = "Stopped.",
) -> int:
    """Exit code 0 when done, 2 for a user's mistake, 130 when stopped.

    Args:
        parse: makes the settings from the command line.
        stopped: what to say after Ctrl+C.
    """
    console = Console()
    try:
        work(parse(), console)
    except WorldsimError as error:
        Console(stderr=True).print(f"[red]error:[/red] {error}", soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        console.print(stopped)
        return 130
    return 0
