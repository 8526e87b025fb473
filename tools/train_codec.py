"""Train the codec of the large presets: `python -m worldsim.tools.train_codec --help`."""

from __future__ import annotations

import sys

from worldsim.tools.training_cli import run
from worldsim.train.stages import CodecRunConfig, train_codec


def main() -> int:
    """Parse the command line and train until the time is up."""
    return run(CodecRunConfig, train_codec)


if __name__ == "__main__":
    sys.exit(main())
