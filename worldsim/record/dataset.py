"""A data set: a folder of episodes with one `metadata.jsonl`.

`datasets.load_dataset("videofolder", data_dir=root)` opens it: one row an episode, its video
and the columns written here.
"""

from __future__ import annotations

import json
from pathlib import Path

from worldsim.record.format import VIDEO_NAME, WorldInfo
from worldsim.record.output import unwritable
from worldsim.types import TICK_HZ

METADATA_NAME = "metadata.jsonl"


def episode_folder(root: Path, number: int) -> Path:
    return root / f"episode_{number:05d}"


def append_metadata(
    root: Path, folder: Path, world: WorldInfo, *, frames: int, script: str | None
) -> None:
    """Add the row of a complete episode. OutputError if the file cannot be written."""
    row = {
        "file_name": (folder / VIDEO_NAME).relative_to(root).as_posix(),
        "world": world.kind,
        "world_version": world.version,
        "seed": world.seed,
        "scene": world.scene,
        "script": script,
        "frames": frames,
        "fps": TICK_HZ,
    }
    path = root / METADATA_NAME
    try:
        with path.open("ab", buffering=0) as file:
            file.write((json.dumps(row) + "\n").encode())
    except OSError as error:
        raise unwritable(path, error) from error
