"""`worldsim import`: other tools' recordings as a data set of episodes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track
from tyro.conf import Positional

from worldsim.errors import ConfigError
from worldsim.record.dataset import DataSet
from worldsim.record.importers.importer import (
    Importer,
    ImportFormat,
    make_importer,
    write_foreign,
)
from worldsim.record.video import PixelFormat

DEFAULT_FOV_Y_DEG = 60.0


@dataclass(frozen=True, kw_only=True)
class ImportConfig:
    """Turn recordings of another format into a data set that worldsim reads and trains on."""

    folder: Positional[Path]
    """The folder of recordings."""
    format: ImportFormat
    """vpt (NAME.mp4 and NAME.jsonl) or lerobot (version 3, with our action names)."""
    out: Path
    """A new or empty folder."""
    size: tuple[int, int] | None = None
    """Scale the frames to this width and height; left out, they stay as they are."""
    fov_y_deg: float | None = None
    """The camera's vertical field of view; left out, what the format says, or 60."""
    pixel_format: PixelFormat = "yuv444p"
    """yuv444p keeps colours for training, yuv420p plays everywhere."""
    resume: bool = False
    """Go on with an import that was interrupted."""

    def __post_init__(self) -> None:
        if self.size is not None and min(self.size) < 1:
            raise ConfigError("a width and a height of 1 or more", repr(self.size), "Correct them.")
        if self.fov_y_deg is not None and not 1.0 <= self.fov_y_deg <= 170.0:
            raise ConfigError("fov_y_deg from 1 to 170", repr(self.fov_y_deg), "Correct it.")


def run(config: ImportConfig) -> int:
    """Import; exit code 0. However it ends, the episodes that are whole stay.

    Raises EpisodeError for recordings that cannot be read, ActionError for other actions than
    ours, OutputError for an occupied or full place.
    """
    importer = make_importer(config.format, config.folder)
    dataset = DataSet.claim(config.out, _plan(config), shared=config.resume, writer="import")
    try:
        numbers = range(len(importer))
        for number in track(numbers, "importing", console=Console(stderr=True)):
            if not dataset.has(number):
                _import_one(config, importer, dataset, number)
    finally:
        dataset.finish()
    Console().print(f"{len(importer)} episodes in {config.out}", soft_wrap=True)
    return 0


def _import_one(config: ImportConfig, importer: Importer, dataset: DataSet, number: int) -> None:
    episode = importer.read(number)
    with dataset.new_episode(number) as folder:
        write_foreign(
            episode,
            folder,
            size=config.size,
            fov_y_deg=config.fov_y_deg or episode.fov_y_deg or DEFAULT_FOV_Y_DEG,
            pixel_format=config.pixel_format,
        )
    dataset.append_metadata(number)


def _plan(config: ImportConfig) -> dict[str, object]:
    return {
        "imported_from": config.format,
        "source": config.folder.resolve().name,
        "size": None if config.size is None else list(config.size),
        "fov_y_deg": config.fov_y_deg,
        "pixel_format": config.pixel_format,
    }
