"""Distil the outpainter into few steps: `python -m worldsim.tools.distill --help`."""

from __future__ import annotations

import sys

from worldsim.tools.training_cli import run
from worldsim.train.distill_stage import DistillRunConfig, distill


def main() -> int:
    """Parse the command line and train until the time is up."""
    return run(DistillRunConfig, distill)


if __name__ == "__main__":
    sys.exit(main())
