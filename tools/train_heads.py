"""Train the heads of a trained model: `python -m worldsim.tools.train_heads --help`."""

from __future__ import annotations

import sys

from worldsim.tools.training_cli import run
from worldsim.train.heads_stage import HeadsRunConfig, train_heads


def main() -> int:
    """Parse the command line and train until the time is up."""
    return run(HeadsRunConfig, train_heads)


if __name__ == "__main__":
    sys.exit(main())
