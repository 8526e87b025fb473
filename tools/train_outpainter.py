"""Train what imagines the unseen: `python -m worldsim.tools.train_outpainter --help`."""

from __future__ import annotations

import sys

from worldsim.tools.training_cli import run
from worldsim.train.outpainter_stage import OutpainterRunConfig, train_outpainter


def main() -> int:
    """Parse the command line and train until the time is up."""
    return run(OutpainterRunConfig, train_outpainter)


if __name__ == "__main__":
    sys.exit(main())
