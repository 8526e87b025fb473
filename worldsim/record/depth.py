"""Depth beside a video: `depth/NNNNNNNN.npz`, a few frames each, named by their first frame.

Metres along the view axis in float16 (relative error below 0.05 %), compressed. A chunk gets
its name only when it is whole, so a kill loses at most `CHUNK_FRAMES` frames.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worldsim.errors import EpisodeError
from worldsim.record.output import claim_folder, replace_file

CHUNK_FRAMES = 10


class DepthWriter:
    """Appends depth maps to a new folder. Every call can raise OutputError."""

    def __init__(self, folder: Path) -> None:
        claim_folder(folder)
        self._folder, self._first = folder, 0
        self._pending: list[NDArray[np.float16]] = []

    def append(
        self,
        depth: NDArray[np.float32],  # [H, W] metres
    ) -> None:
        self._pending.append(depth.astype(np.float16))
        if len(self._pending) == CHUNK_FRAMES:
            self._flush()

    def close(self) -> None:
        if self._pending:
            self._flush()

    def _flush(self) -> None:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, depth=np.stack(self._pending))
        replace_file(self._folder / f"{self._first:08d}.npz", buffer.getvalue())
        self._first += len(self._pending)
        self._pending.clear()


def count_depth(folder: Path) -> int:
    """Depth maps on disk, also if the writer was killed."""
    chunks = sorted(folder.glob("*.npz"))
    return int(chunks[-1].stem) + len(_read_chunk(chunks[-1])) if chunks else 0


def read_depth(
    folder: Path,
    start: int,
    stop: int,
) -> NDArray[np.float32]:  # [T, H, W] metres
    """The depth maps `start <= n < stop`; reads only the chunks that hold them."""
    first = start - start % CHUNK_FRAMES
    chunks = [_read_chunk(folder / f"{n:08d}.npz") for n in range(first, stop, CHUNK_FRAMES)]
    return np.concatenate(chunks)[start - first : stop - first].astype(np.float32)


def _read_chunk(path: Path) -> NDArray[np.float16]:  # [T, H, W]
    try:
        with np.load(path) as arrays:
            return arrays["depth"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise EpisodeError(
            f"depth maps in {path}", str(error), "The file is missing or damaged; record it again."
        ) from error
