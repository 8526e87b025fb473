"""LeRobot data sets of version 3, whose actions are ours.

The feature `action` must have our schema's names, and the rate must be ours: other robots'
joints cannot be walked with. Poses are read from `observation.state` if its names are a pose's;
else the views are those of someone who turns and never moves. The last row's action led to no
frame and is left out, so N rows become N frames and N-1 actions.
"""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path
from typing import Any

from worldsim.actions import SCHEMA, from_record, require_schema
from worldsim.errors import EpisodeError
from worldsim.record.exporters.arrays import POSE_NAMES
from worldsim.record.exporters.exporter import require_library
from worldsim.record.format import WorldInfo
from worldsim.record.importers.foreign_video import VideoPart
from worldsim.record.importers.importer import ForeignEpisode, dead_reckoned
from worldsim.record.lerobot import ABOUT_PATH, ACTION_KEY, CODEBASE_VERSION, INFO_PATH, STATE_KEY
from worldsim.types import BUTTONS, TICK_HZ, Action, Pose


class LeRobotImporter:
    """See the module."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pq = require_library("pyarrow.parquet", "data")
        self._arrow_error = require_library("pyarrow", "data").ArrowException
        self._info = _read_json(folder / INFO_PATH)
        self._require_ours()
        self._features = self._info["features"]
        self._video_key = next(k for k, f in self._features.items() if f["dtype"] == "video")
        tables = [
            self._table(path).to_pylist() for path in folder.glob("meta/episodes/*/*.parquet")
        ]
        self._episodes = sorted(chain.from_iterable(tables), key=lambda row: row["episode_index"])
        self._about = _read_about(folder / ABOUT_PATH)

    def __len__(self) -> int:
        return len(self._episodes)

    def read(self, number: int) -> ForeignEpisode:
        try:
            return self._read(number)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise EpisodeError(
                f"the columns of LeRobot {CODEBASE_VERSION} in episode {number} of {self._folder}",
                f"{type(error).__name__}: {error}",
                "The data set is damaged; export or download it again.",
            ) from error

    def _read(self, number: int) -> ForeignEpisode:
        row = self._episodes[number]
        data = self._rows_of(row)
        if data.num_rows != row["length"] or data.num_rows == 0:
            raise EpisodeError(
                f"{row['length']} rows of episode {number} in {self._folder}",
                f"{data.num_rows}",
                "The data set is damaged; export or download it again.",
            )
        actions = tuple(_action(values) for values in data[ACTION_KEY].to_pylist()[:-1])
        about = self._about.get(number, {})
        names = data.column_names
        rewards = data["next.reward"].to_pylist()[:-1] if "next.reward" in names else None
        return ForeignEpisode(
            name=f"episode {number} of {self._folder}",
            world=_world(about, self._folder),
            video=self._video(row),
            actions=actions,
            poses=self._poses(data) or dead_reckoned(actions),
            rewards=tuple(rewards or (0.0,) * len(actions)),
            task=about.get("script", row["tasks"][0]),
            fov_y_deg=about.get("intrinsics", {}).get("fov_y_deg"),
        )

    def _rows_of(self, row: dict[str, Any]) -> Any:
        path = self._folder / self._info["data_path"].format(
            chunk_index=row["data/chunk_index"], file_index=row["data/file_index"]
        )
        number = row["episode_index"]
        return self._table(path, filters=[("episode_index", "=", number)]).sort_by("frame_index")

    def _video(self, row: dict[str, Any]) -> VideoPart:
        key = f"videos/{self._video_key}"
        path = self._info["video_path"].format(
            video_key=self._video_key,
            chunk_index=row[f"{key}/chunk_index"],
            file_index=row[f"{key}/file_index"],
        )
        return VideoPart(self._folder / path, row[f"{key}/from_timestamp"], row["length"])

    def _poses(self, data: Any) -> tuple[Pose, ...] | None:
        if _names(self._features.get(STATE_KEY)) != list(POSE_NAMES):
            return None
        return tuple(Pose(*values) for values in data[STATE_KEY].to_pylist())

    def _table(self, path: Path, **options: Any) -> Any:
        try:
            return self._pq.read_table(path, **options)
        except (OSError, self._arrow_error) as error:
            raise EpisodeError(
                f"a parquet file in {path}", str(error), "Export or download the data set again."
            ) from error

    def _require_ours(self) -> None:
        """ActionError for another schema; EpisodeError for another version, rate or no video."""
        wanted = {"codebase_version": CODEBASE_VERSION, "fps": TICK_HZ}
        found = {name: self._info.get(name) for name in wanted}
        features = self._info.get("features")
        if found != wanted or not isinstance(features, dict):
            raise EpisodeError(
                f"{wanted} in {self._folder / INFO_PATH}",
                f"{found}",
                "Convert it with LeRobot's own tools first.",
            )
        require_schema(_names(features.get(ACTION_KEY)), str(self._folder / INFO_PATH))
        if not any(feature.get("dtype") == "video" for feature in features.values()):
            raise EpisodeError(
                f"a video feature in {self._folder / INFO_PATH}",
                f"{sorted(features)}",
                "Only data sets with video become episodes.",
            )


def _names(feature: Any) -> list[str]:
    """A feature's names; LeRobot has them as a list, or as the one value of a mapping."""
    names = feature.get("names") if isinstance(feature, dict) else None
    if isinstance(names, dict):
        names = next(iter(names.values()), None)
    return list(names) if isinstance(names, (list, tuple)) else []


def _action(values: list[float]) -> Action:
    record = zip(SCHEMA, values, strict=True)
    return from_record({name: v > 0.5 if name in BUTTONS else v for name, v in record})


def _world(about: dict[str, Any], folder: Path) -> WorldInfo:
    return (
        WorldInfo(**about["world"])
        if "world" in about
        else WorldInfo(kind="lerobot", version=folder.name)
    )


def _read_about(path: Path) -> dict[int, dict[str, Any]]:
    """What our own exporter noted, by episode; nothing of a data set that others wrote."""
    return dict(enumerate(_read_json(path)["episodes"])) if path.exists() else {}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise EpisodeError(
            f"a LeRobot data set's {path}", str(error), "Give the folder that holds `meta`."
        ) from error
    if not isinstance(record, dict):
        raise EpisodeError(f"a JSON object in {path}", repr(record), "The file is damaged.")
    return record
