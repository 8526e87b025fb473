"""What an export format has to offer, and which formats there are."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Literal, Protocol

from worldsim.errors import BackendError
from worldsim.record.episode import Episode

ExportFormat = Literal["lerobot", "minari", "webdataset", "videofolder"]

_CLASSES: dict[ExportFormat, tuple[str, str]] = {
    "lerobot": ("lerobot", "LeRobotExporter"),
    "minari": ("minari", "MinariExporter"),
    "webdataset": ("webdataset", "WebDatasetExporter"),
    "videofolder": ("videofolder", "VideoFolderExporter"),
}


class Exporter(Protocol):
    """Writes episodes into a folder of its own, in the order they are added.

    Both methods may raise OSError, which the caller tells as an OutputError.
    """

    def add(self, episode: Episode) -> None:
        """Add one episode. EpisodeError if it is damaged or does not go with the others."""

    def close(self) -> None:
        """Write what describes the whole; nothing is complete before."""


def make_exporter(name: ExportFormat, folder: Path) -> Exporter:
    """An exporter that writes below `folder`; BackendError if its library is missing."""
    module, cls = _CLASSES[name]
    exporter: Exporter = getattr(import_module(f"worldsim.record.exporters.{module}"), cls)(folder)
    return exporter


def require_library(name: str, extra: str) -> ModuleType:
    """Import a library that only one format needs."""
    try:
        return import_module(name)
    except ImportError as error:
        raise BackendError(
            f"the package {name}", str(error), f'Run `pip install "worldsim-engine[{extra}]"`.'
        ) from error
