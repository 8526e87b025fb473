"""Where files are written: claiming a folder, and replacing a file in one step."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from worldsim.errors import OutputError


def claim_folder(folder: Path) -> None:
    """Create `folder` with its parents, or accept it if it exists and is empty.

    Raises OutputError if it holds anything, is a file, or cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        occupied = next(folder.iterdir(), None)
    except OSError as error:
        raise unwritable(folder, error) from error
    if occupied is not None:
        raise OutputError(
            f"{folder} to be new or empty",
            f"a folder that holds {occupied.name!r}",
            "Choose another folder, or move the old data away.",
        )
    if not os.access(folder, os.W_OK):
        raise unwritable(folder, PermissionError("permission denied"))


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A place to write what becomes `folder` when the block ends, and is removed if it raises.

    Raises OutputError if `folder` holds anything, or if the system refuses a write in the block.
    """
    claim_folder(folder)
    partial = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        partial.mkdir()
        yield partial
        folder.rmdir()
        partial.rename(folder)
    except OSError as error:
        raise unwritable(folder, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        with suppress(OSError):
            folder.rmdir()  # only if it is still empty


def replace_file(path: Path, data: bytes) -> None:
    """Write `data` so that `path` holds either its old content or all of the new.

    Several processes may do so at once; the last one's data stays.
    """
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> OutputError:
    """The error for a place that the system refuses to write to."""
    return OutputError(
        f"to write {path}",
        error.strerror or str(error),
        "Choose a folder that you may write to, on a disk with free space.",
    )
