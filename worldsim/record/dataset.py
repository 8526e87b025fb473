"""A data set: a folder of whole episodes, what they were made from, and one `metadata.jsonl`.

    dataset.json         what decides every frame: script, world, first seed, sizes
    metadata.jsonl       one row an episode, for `load_dataset("videofolder", data_dir=root)`
    episode_00000/ ...   the episodes (see `worldsim.record.episode`)
    .recording/          episodes that are being written; left behind by a kill alone

An episode is written below `.recording` and gets its name in one step when it is whole. So a
name that exists is a finished episode, two writers of one episode leave one, and a killed run
goes on where it was: with what has no name yet.
"""

from __future__ import annotations

import json
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worldsim import actions as action_schema
from worldsim.errors import EpisodeError, OutputError
from worldsim.record.format import INFO_NAME, VIDEO_NAME, read_info
from worldsim.record.output import claim_folder, replace_file, unwritable
from worldsim.types import TICK_HZ

METADATA_NAME = "metadata.jsonl"
PLAN_NAME = "dataset.json"
WORK_NAME = ".recording"
FORMAT = {"format": "worldsim-dataset", "version": 1}
_FOLDER = re.compile(r"episode_(\d{5,})")


def episode_folder(root: Path, number: int) -> Path:
    return root / f"episode_{number:05d}"


def finished_episodes(root: Path) -> dict[int, Path]:
    """The folders of the whole episodes of a data set by number, in order."""
    found: dict[int, Path] = {}
    for folder in root.iterdir():
        match = _FOLDER.fullmatch(folder.name)
        if match and (folder / INFO_NAME).exists():
            found[int(match[1])] = folder
    return dict(sorted(found.items()))


def open_folders(folder: Path) -> list[Path]:
    """The episodes of a data set, or a folder that is one episode.

    Raises EpisodeError if the folder is neither.
    """
    if (folder / INFO_NAME).exists():
        return [folder]
    try:
        found = list(finished_episodes(folder).values())
    except OSError as error:
        raise EpisodeError(
            f"a data set in {folder}", error.strerror or str(error), "Check the path."
        ) from error
    if not found:
        raise EpisodeError(
            f"an episode or a data set in {folder}",
            "a folder with no whole episode",
            "Give the folder that `worldsim record` or `worldsim import` wrote.",
        )
    return found


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set that is being written. `work` holds this writer's unfinished episodes."""

    root: Path
    work: Path

    @classmethod
    def claim(cls, root: Path, plan: Mapping[str, Any], *, shared: bool, writer: str) -> DataSet:
        """Begin a data set in a new or empty folder, or go on with one of the same plan.

        Going on is allowed if the set is `shared` with earlier or other writers. What a killed
        writer of the same name left unfinished is removed.

        Raises OutputError if the folder holds other data or cannot be written to.
        """
        record = {**FORMAT, "action_schema": action_schema.schema_hash(), **plan}
        _claim_root(root, shared=shared)
        if not (root / PLAN_NAME).exists():
            replace_file(root / PLAN_NAME, (json.dumps(record, indent=2) + "\n").encode())
        _require_plan(root / PLAN_NAME, record)
        dataset = cls(root, root / WORK_NAME / writer)
        dataset._clear_work()
        return dataset

    def has(self, number: int) -> bool:
        return (episode_folder(self.root, number) / INFO_NAME).exists()

    @contextmanager
    def new_episode(self, number: int) -> Iterator[Path]:
        """A folder to write one episode into, named when the block ends and gone if it raises."""
        folder = self.work / f"episode_{number:05d}-{uuid.uuid4().hex[:8]}"
        try:
            yield folder
            self._publish(folder, number)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def append_metadata(self, number: int) -> None:
        """Add the row of a finished episode; OutputError if the file cannot be written."""
        path = self.root / METADATA_NAME
        try:
            with path.open("ab", buffering=0) as file:
                file.write(_row(self.root, episode_folder(self.root, number)))
        except OSError as error:
            raise unwritable(path, error) from error

    def finish(self) -> None:
        """Write the metadata of every finished episode in order, and remove the work folder.

        Other writers may finish episodes meanwhile; the last one to end has them all.
        """
        self._clear_work()
        listed: dict[int, Path] = {}
        while (found := finished_episodes(self.root)) != listed:
            rows = b"".join(_row(self.root, folder) for folder in found.values())
            replace_file(self.root / METADATA_NAME, rows)
            listed = found

    def _publish(self, folder: Path, number: int) -> None:
        final = episode_folder(self.root, number)
        try:
            folder.rename(final)
        except OSError as error:
            if not self.has(number):
                raise unwritable(final, error) from error

    def _clear_work(self) -> None:
        shutil.rmtree(self.work, ignore_errors=True)
        try:
            self.work.parent.rmdir()
        except OSError:
            return  # never made, or another writer is at work there


def _claim_root(root: Path, *, shared: bool) -> None:
    """Shards begin at the same moment: one may find the plan that another is just writing."""
    try:
        claim_folder(root)
    except OutputError:
        if not (shared and any(root.glob(f"{PLAN_NAME}*"))):
            raise


def _require_plan(path: Path, expected: Mapping[str, Any]) -> None:
    try:
        found = json.loads(path.read_bytes())
        differing = sorted(
            key for key in {*found, *expected} if found.get(key) != expected.get(key)
        )
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise EpisodeError(
            f"the plan of a data set in {path}", str(error), "Choose another folder."
        ) from error
    if differing:
        key = differing[0]
        raise OutputError(
            f"{path.parent} to hold episodes made with {key} {expected.get(key)!r}",
            f"{found.get(key)!r}",
            "Go on with the options it was begun with, or choose another folder.",
        )


def _row(root: Path, folder: Path) -> bytes:
    info = read_info(folder)
    row = {
        "file_name": (folder / VIDEO_NAME).relative_to(root).as_posix(),
        "world": info.world.kind,
        "world_version": info.world.version,
        "seed": info.world.seed,
        "scene": info.world.scene,
        "script": info.script,
        "frames": info.frames,
        "fps": TICK_HZ,
    }
    return (json.dumps(row) + "\n").encode()
