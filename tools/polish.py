"""Polish a trained model on what play asks of it: `python -m worldsim.tools.polish --help`."""

from __future__ import annotations

import sys

from worldsim.tools.training_cli import run
from worldsim.train.polish_stage import PolishRunConfig, polish


def main() -> int:
    """Parse the command line and train until the time is up."""
    return run(PolishRunConfig, polish)


if __name__ == "__main__":
    sys.exit(main())
