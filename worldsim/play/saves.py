"""The player's saved games: where they lie, their names, and a thread that writes them."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import numpy as np
import platformdirs
from numpy.typing import NDArray

from worldsim.errors import ConfigError, OutputError, StateError
from worldsim.play.keeper import Kept
from worldsim.play.save_file import (
    Preview,
    Save,
    SaveInfo,
    read_preview,
    read_save,
    write_save,
)
from worldsim.record.output import unwritable

log = logging.getLogger(__name__)

SUFFIX = ".wsave"
QUICK = "quick"
NAME = re.compile(r"\w[\w .()-]{0,79}")


def saves_folder() -> Path:
    return Path(platformdirs.user_data_dir("worldsim")) / "saves"


def find_save(name_or_file: str, folder: Path | None = None) -> Path:
    """The file of a saved game's name, or the file itself. StateError, with the names there are."""
    folder = saves_folder() if folder is None else folder
    named = folder / f"{name_or_file}{SUFFIX}"
    for path in (named, Path(name_or_file)):
        if path.is_file():
            return path
    names = [path.stem for path in _newest_first(folder)]
    raise StateError(
        f"a saved game among {names}" if names else "a saved game",
        repr(name_or_file),
        f"Give a name from {folder}, or the path of a {SUFFIX} file.",
    )


def list_saves(folder: Path | None = None) -> list[Preview]:
    """The saved games, newest first; one that cannot be read is left out, and the log says why."""
    previews = []
    for path in _newest_first(saves_folder() if folder is None else folder):
        try:
            previews.append(read_preview(path))
        except StateError as error:
            log.warning("%s", error)
    return previews


class Saves:
    """Writes saved games on a thread of its own, one after the other; nothing waits for the disk.

    Args:
        tell: is called on that thread with a sentence about each saved game.
    """

    def __init__(self, tell: Callable[[str], None], folder: Path | None = None) -> None:
        self._tell = tell
        self._folder = saves_folder() if folder is None else folder
        self._pool = ThreadPoolExecutor(1, "worldsim-saves")
        self._writing: Future[None] | None = None

    def write(
        self,
        name: str | None,
        info: SaveInfo,
        rgb: NDArray[np.uint8],  # [H, W, 3] what is on the screen; must not change
        kept: Kept,
    ) -> None:
        """Save under a name, in place of an older game of that name; None finds a new name.

        Raises ConfigError for a name that is none.
        """
        name = self._new_name(info) if name is None else require_name(name)
        self._writing = self._pool.submit(self._write, name, info, rgb, kept)

    def read(self, name_or_file: str) -> Save:
        """What was saved, the game that is being written included; StateError if nothing was."""
        self.wait()
        return read_save(find_save(name_or_file, self._folder))

    def wait(self) -> None:
        """Until all is written."""
        if self._writing is not None:
            self._writing.result()

    def close(self) -> None:
        self._pool.shutdown()
        self.wait()  # raises what nobody foresaw

    def _new_name(self, info: SaveInfo) -> str:
        self.wait()
        place = info.world.scene or ("picture" if info.image else f"seed {info.world.seed}")
        stem = f"{info.kind} {place} {datetime.now():%Y-%m-%d %H-%M-%S}"
        number = 1
        name = stem
        while (self._folder / f"{name}{SUFFIX}").exists():
            number += 1
            name = f"{stem} ({number})"
        return name

    def _write(self, name: str, info: SaveInfo, rgb: NDArray[np.uint8], kept: Kept) -> None:
        try:
            _make_folder(self._folder)
            write_save(self._folder / f"{name}{SUFFIX}", info, rgb, kept.to_bytes())
        except OutputError as error:
            self._tell(str(error))
            return
        self._tell(f"Saved as {name}")


def require_name(name: str) -> str:
    """A saved game's name, which is also its file's. Raises ConfigError for an impossible one."""
    if NAME.fullmatch(name) is None:
        raise ConfigError(
            "a name of up to 80 letters, digits, spaces and - _ . ( )",
            repr(name),
            "Choose another name.",
        )
    return name


def _newest_first(folder: Path) -> list[Path]:
    found = [path for path in folder.glob(f"*{SUFFIX}") if path.is_file()]
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from error
