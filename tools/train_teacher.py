"""Train the world model: `python -m worldsim.tools.train_teacher --help`."""

from __future__ import annotations

import sys

from worldsim.tools.training_cli import run
from worldsim.train.stages import ModelRunConfig, train_teacher


def main() -> int:
    """Parse the command line and train until the time is up."""
    return run(ModelRunConfig, train_teacher)


if __name__ == "__main__":
    sys.exit(main())
