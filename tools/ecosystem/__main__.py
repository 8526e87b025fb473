"""One check, in this process: `python -m worldsim.tools.ecosystem formats.minari_loads FOLDER`.

Writes what it found to FOLDER/found.txt; an exception is the check's failure.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

FOUND_NAME = "found.txt"


def main(check: str, folder: str) -> None:
    """Run it."""
    module, name = check.split(".")
    run = getattr(import_module(f"worldsim.tools.ecosystem.{module}"), name)
    (Path(folder) / FOUND_NAME).write_text(run(Path(folder)), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
