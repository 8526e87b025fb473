"""A saved game: one file that opens on any machine with the same weights.

A ZIP archive of

    save.json       which world, where it began, when it was saved
    thumbnail.png   what was on the screen
    state           the world's whole state (`Kept.to_bytes`)

The header and the thumbnail can be read without the state.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from worldsim.errors import StateError
from worldsim.play.orders import Start
from worldsim.record.format import WorldInfo
from worldsim.record.output import replace_file
from worldsim.record.worlds import WorldKind

FORMAT = "worldsim-save"
FORMAT_VERSION = 1
HEADER, THUMBNAIL, STATE = "save.json", "thumbnail.png", "state"
THUMBNAIL_SIZE = (256, 160)  # width and height at most
DAMAGED = (
    ValueError, KeyError, TypeError, AttributeError, OSError, EOFError,
    RuntimeError,  # zipfile's, for a password or a compression that it does not know
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveInfo:
    """What a saved game says of itself. `world.seed` and `world.scene` are those it began with."""

    world: WorldInfo
    tick: int  # actions since the world began
    saved_at: str  # ISO 8601, with the time zone
    image: str | None = None  # the picture that the dream began in

    @property
    def kind(self) -> WorldKind:
        return cast(WorldKind, self.world.kind)

    @property
    def origin(self) -> Start:
        """Where the world began."""
        image = None if self.image is None else Path(self.image)
        return Start(seed=self.world.seed, scene=self.world.scene, image=image)


@dataclass(frozen=True, slots=True)
class Save:
    """A saved game, read."""

    info: SaveInfo
    state: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Preview:
    """A saved game as the menu shows it."""

    path: Path
    info: SaveInfo
    thumbnail: NDArray[np.uint8]  # [h, w, 3]

    @property
    def name(self) -> str:
        return self.path.stem


def write_save(
    path: Path,
    info: SaveInfo,
    rgb: NDArray[np.uint8],  # [H, W, 3] what was on the screen
    state: bytes,
) -> None:
    """Write in one step: the file is either whole or as it was. OutputError if it cannot be."""
    header = {"format": FORMAT, "version": FORMAT_VERSION, **asdict(info)}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(HEADER, json.dumps(header, indent=2))
        archive.writestr(THUMBNAIL, _png(rgb), zipfile.ZIP_STORED)
        archive.writestr(STATE, state)
    replace_file(path, stream.getvalue())


def read_save(path: Path) -> Save:
    """Read a saved game. Raises StateError if there is none, or it is damaged or foreign."""
    with _opened(path) as archive:
        return Save(_info(archive), archive.read(STATE))


def read_preview(path: Path) -> Preview:
    """Read all but the state; raises as `read_save` does."""
    with _opened(path) as archive:
        picture = Image.open(io.BytesIO(archive.read(THUMBNAIL))).convert("RGB")
        return Preview(path, _info(archive), np.asarray(picture))


def require_same_world(info: SaveInfo, present: WorldInfo) -> None:
    """StateError unless the world at hand is the one whose state was saved."""
    saved = info.world
    if saved.version == present.version:
        return
    if saved.kind == "dream":
        raise StateError(
            f"the weights of the saved game, {saved.version} (checkpoint {saved.checkpoint!r})",
            f"{present.version} (checkpoint {present.checkpoint!r})",
            "Play with the checkpoint that the game was saved with: --checkpoint.",
        )
    raise StateError(
        f"the real world of version {saved.version}, as in the saved game",
        f"version {present.version}",
        "Load it with the version of worldsim that saved it.",
    )


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """The archive; what goes wrong inside the block is a StateError that names the file."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except FileNotFoundError as error:
        raise StateError(f"a saved game at {path}", "no such file", "Check the name.") from error
    except DAMAGED as error:
        raise StateError(
            f"a saved game of format {FORMAT} {FORMAT_VERSION} in {path}",
            f"{error}" or type(error).__name__,
            "The file is damaged, or of another version of worldsim.",
        ) from error


def _info(archive: zipfile.ZipFile) -> SaveInfo:
    header = json.loads(archive.read(HEADER))
    if (header["format"], header["version"]) != (FORMAT, FORMAT_VERSION):
        raise ValueError(f"{header['format']} {header['version']}")
    world = WorldInfo(**_known(WorldInfo, header["world"]))
    if world.kind not in get_args(WorldKind):
        raise ValueError(f"a world called {world.kind!r}")
    return SaveInfo(**{**_known(SaveInfo, header), "world": world})


def _known(kind: type[Any], record: dict[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in record.items() if name in names}


def _png(rgb: NDArray[np.uint8]) -> bytes:
    picture = Image.fromarray(rgb)
    picture.thumbnail(THUMBNAIL_SIZE)
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()
