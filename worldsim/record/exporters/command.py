"""`worldsim export`: recordings in another tool's format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track
from tyro.conf import Positional

from worldsim.errors import EpisodeError
from worldsim.record.dataset import open_folders
from worldsim.record.episode import Episode
from worldsim.record.exporters.exporter import ExportFormat, make_exporter
from worldsim.record.output import whole_folder


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """Write an episode, or a data set of episodes, in another tool's format."""

    folder: Positional[Path]
    """The folder that `worldsim record` or `worldsim import` wrote."""
    format: ExportFormat
    """lerobot (version 3), minari, webdataset (tar shards) or videofolder (datasets)."""
    out: Path
    """A new or empty folder. It gets its name when everything in it is whole."""


def run(config: ExportConfig) -> int:
    """Export; exit code 0.

    Raises EpisodeError for an unreadable source, ActionError for one of another action schema,
    OutputError for an occupied or full place, BackendError for a missing library.
    """
    folders = open_folders(config.folder)
    frames = 0
    with whole_folder(config.out) as place:
        exporter = make_exporter(config.format, place)
        for folder in track(folders, "exporting", console=Console(stderr=True)):
            episode = Episode.open(folder)
            _require_frames(episode)
            exporter.add(episode)
            frames += len(episode)
        exporter.close()
    Console().print(
        f"{len(folders)} episodes, {frames} frames, as {config.format} in {config.out}",
        soft_wrap=True,
    )
    return 0


def _require_frames(episode: Episode) -> None:
    if not len(episode):
        raise EpisodeError(
            f"frames in {episode.folder}", "none", "Its recorder was killed at once; remove it."
        )
