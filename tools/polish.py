"""Polish a trained world model on its own dreams: `python -m worldsim.tools.polish --help`."""

from __future__ import annotations

import sys

from worldsim.tools.training_cli import RECIPE, run
from worldsim.train.stages import ModelRunConfig, train_teacher


def main() -> int:
    """The teacher's stage, by default with the recipe that has walks and a critic."""
    if RECIPE not in sys.argv[1:]:
        sys.argv[1:1] = [RECIPE, "small-polish"]
    return run(ModelRunConfig, train_teacher)


if __name__ == "__main__":
    sys.exit(main())
