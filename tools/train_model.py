"""Train the world model: `python -m worldsim.tools.train_model --help`."""

from __future__ import annotations

import sys

import tyro
from rich.console import Console

from worldsim.errors import WorldsimError
from worldsim.train.trainer import TrainConfig, train


def main() -> int:
    """Parse the command line and train until the time is up."""
    config = tyro.cli(TrainConfig, description=TrainConfig.__doc__)
    console = Console()
    try:
        train(config, console)
    except WorldsimError as error:
        Console(stderr=True).print(f"[red]error:[/red] {error}")
        return 2
    except KeyboardInterrupt:
        console.print("stopped; call again with the same --out to continue")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
