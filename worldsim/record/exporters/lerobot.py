"""LeRobot data sets, version 3, written with pyarrow and PyAV alone.

    meta/info.json, meta/stats.json, meta/tasks.parquet
    meta/episodes/chunk-000/file-000.parquet      one row an episode: where its rows and frames lie
    data/chunk-000/file-000.parquet               one row a frame, one row group an episode
    videos/observation.images.rgb/chunk-000/file-000.mp4    many episodes one after another
    meta/worldsim.json                            what LeRobot has no place for: cameras, seeds

Row t holds frame t, the pose it was seen from (`observation.state`) and the action taken at it;
`next.reward` and `next.done` are what that led to. The last row's action does nothing, as
nothing followed. Videos keep the recording's packets: its frames are not coded again.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from worldsim.errors import EpisodeError
from worldsim.record.episode import Episode
from worldsim.record.exporters.arrays import episode_arrays
from worldsim.record.exporters.exporter import require_library
from worldsim.record.exporters.joined_video import Coding, JoinedVideo, video_coding
from worldsim.record.exporters.lerobot_stats import Stats, column_stats, merged_stats, video_stats
from worldsim.record.lerobot import (
    ABOUT_PATH,
    ACTION_KEY,
    DATA_FILE_MB,
    DATA_PATH,
    EPISODES_PATH,
    INFO_PATH,
    STATE_KEY,
    STATS_PATH,
    TASKS_PATH,
    VIDEO_FILE_MB,
    VIDEO_KEY,
    VIDEO_PATH,
    dataset_info,
    file_place,
    tasks_table,
)
from worldsim.types import TICK_HZ

_NO_TASK = "free play"


class LeRobotExporter:
    """See the module."""

    def __init__(self, folder: Path, *, video_mb: float = VIDEO_FILE_MB) -> None:
        self._pa = require_library("pyarrow", "data")
        self._pq = require_library("pyarrow.parquet", "data")
        self._folder = folder
        self._video_bytes = video_mb * 2**20
        self._rows = 0
        self._tasks: dict[str, int] = {}
        self._episodes: list[dict[str, Any]] = []
        self._stats: list[Stats] = []
        self._about: list[dict[str, Any]] = []
        self._coding: Coding | None = None
        self._data: Any = None
        self._data_bytes = 0
        self._data_files = self._video_files = 0
        self._video: JoinedVideo | None = None

    def add(self, episode: Episode) -> None:
        coding = video_coding(episode)
        self._require_size(episode, coding)
        columns = self._columns(episode)
        stats = {name: column_stats(values) for name, values in columns.items()}
        stats[VIDEO_KEY] = video_stats(episode)
        self._episodes.append(
            {
                "episode_index": len(self._episodes),
                "tasks": [episode.info.script or _NO_TASK],
                "length": len(episode),
                "dataset_from_index": self._rows,
                "dataset_to_index": self._rows + len(episode),
                **self._add_rows(columns),
                **self._add_video(episode, coding),
                "meta/episodes/chunk_index": 0,
                "meta/episodes/file_index": 0,
                **{f"stats/{key}/{name}": v for key, s in stats.items() for name, v in s.items()},
            }
        )
        self._stats.append(stats)
        self._about.append(_about(episode))
        self._rows += len(episode)

    def close(self) -> None:
        self._close_data()
        self._close_video()
        assert self._coding is not None, "an export has at least one episode"
        counts = {"episodes": len(self._episodes), "frames": self._rows, "tasks": len(self._tasks)}
        (self._folder / EPISODES_PATH).parent.mkdir(parents=True)
        episodes = self._pa.Table.from_pylist(self._episodes)
        self._pq.write_table(episodes, self._folder / EPISODES_PATH)
        self._pq.write_table(tasks_table(self._pa, self._tasks), self._folder / TASKS_PATH)
        _write_json(self._folder / INFO_PATH, dataset_info(self._coding, **counts))
        _write_json(self._folder / STATS_PATH, merged_stats(self._stats))
        _write_json(self._folder / ABOUT_PATH, {"episodes": self._about})

    def _columns(self, episode: Episode) -> dict[str, np.ndarray]:
        """The rows of an episode by column, in the order of the features."""
        arrays, frames = episode_arrays(episode), np.arange(len(episode))
        task = self._tasks.setdefault(episode.info.script or _NO_TASK, len(self._tasks))
        return {
            STATE_KEY: arrays.poses.astype(np.float32),
            ACTION_KEY: arrays.actions,
            "next.reward": arrays.rewards,
            "next.done": arrays.terminated | (frames == len(episode) - 1),
            "timestamp": (frames / TICK_HZ).astype(np.float32),
            "frame_index": frames,
            "episode_index": np.full_like(frames, len(self._episodes)),
            "index": self._rows + frames,
            "task_index": np.full_like(frames, task),
        }

    def _add_rows(self, columns: dict[str, np.ndarray]) -> dict[str, int]:
        table = self._pa.table({name: self._column(values) for name, values in columns.items()})
        if self._data is None:
            path = self._folder / DATA_PATH.format(**file_place(self._data_files))
            path.parent.mkdir(parents=True, exist_ok=True)
            self._data = self._pq.ParquetWriter(path, table.schema)
            self._data_files += 1
        self._data.write_table(table)
        self._data_bytes += table.nbytes
        place = file_place(self._data_files - 1)
        if self._data_bytes >= DATA_FILE_MB * 2**20:
            self._close_data()
        return {f"data/{name}": value for name, value in place.items()}

    def _column(self, values: np.ndarray) -> Any:
        if values.ndim == 1:
            return self._pa.array(values)
        flat = self._pa.array(values.reshape(-1))
        return self._pa.FixedSizeListArray.from_arrays(flat, values.shape[1])

    def _add_video(self, episode: Episode, coding: Coding) -> dict[str, float]:
        """Into the current file, or a new one if that is full or coded otherwise."""
        if self._video is not None and (
            self._video.bytes >= self._video_bytes or self._video.coding != coding
        ):
            self._close_video()
        if self._video is None:
            place = file_place(self._video_files)
            path = self._folder / VIDEO_PATH.format(video_key=VIDEO_KEY, **place)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._video = JoinedVideo(path)
            self._video_files += 1
        begin = self._video.frames
        self._video.append(episode)
        where: dict[str, float] = {
            **file_place(self._video_files - 1),
            "from_timestamp": begin / TICK_HZ,
            "to_timestamp": self._video.frames / TICK_HZ,
        }
        return {f"videos/{VIDEO_KEY}/{name}": value for name, value in where.items()}

    def _close_data(self) -> None:
        if self._data is not None:
            self._data.close()
            self._data, self._data_bytes = None, 0

    def _close_video(self) -> None:
        if self._video is not None:
            self._video.close()
            self._video = None

    def _require_size(self, episode: Episode, coding: Coding) -> None:
        first = self._coding = self._coding or coding
        if (coding.width, coding.height) != (first.width, first.height):
            raise EpisodeError(
                f"frames {first.width}x{first.height}, as in the episodes before",
                f"{coding.width}x{coding.height} in {episode.folder}",
                "Export episodes of one size together.",
            )


def _about(episode: Episode) -> dict[str, Any]:
    info = episode.info
    return {
        "world": asdict(info.world),
        "intrinsics": asdict(info.intrinsics),
        "script": info.script,
    }


def _write_json(path: Path, record: object) -> None:
    path.write_text(json.dumps(record, indent=4) + "\n", encoding="utf-8")
