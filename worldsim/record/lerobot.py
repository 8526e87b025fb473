"""Where LeRobot's data sets of version 3 keep what, and how they describe a recording's columns.

Source: github.com/huggingface/lerobot, src/lerobot/datasets (dataset_metadata, io_utils).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from worldsim.actions import SCHEMA
from worldsim.record.exporters.arrays import POSE_NAMES
from worldsim.record.exporters.joined_video import Coding
from worldsim.types import TICK_HZ

CODEBASE_VERSION = "v3.0"
VIDEO_KEY = "observation.images.rgb"
STATE_KEY, ACTION_KEY = "observation.state", "action"
CHUNK_FILES = 1000
DATA_FILE_MB, VIDEO_FILE_MB = 100, 200
INFO_PATH, STATS_PATH, TASKS_PATH = "meta/info.json", "meta/stats.json", "meta/tasks.parquet"
ABOUT_PATH = "meta/worldsim.json"  # ours: cameras, seeds, worlds
EPISODES_PATH = "meta/episodes/chunk-000/file-000.parquet"
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"


def file_place(file: int) -> dict[str, int]:
    """The chunk, and the number in it, of the n-th file of a kind."""
    chunk, index = divmod(file, CHUNK_FILES)
    return {"chunk_index": chunk, "file_index": index}


def dataset_info(coding: Coding, *, episodes: int, frames: int, tasks: int) -> dict[str, Any]:
    """What `meta/info.json` says."""
    return {
        "codebase_version": CODEBASE_VERSION,
        "robot_type": None,
        "total_episodes": episodes,
        "total_frames": frames,
        "total_tasks": tasks,
        "chunks_size": CHUNK_FILES,
        "data_files_size_in_mb": DATA_FILE_MB,
        "video_files_size_in_mb": VIDEO_FILE_MB,
        "fps": TICK_HZ,
        "splits": {"train": f"0:{episodes}"},
        "data_path": DATA_PATH,
        "video_path": VIDEO_PATH,
        "features": _features(coding),
    }


def tasks_table(
    pa: Any,  # the module pyarrow
    tasks: Mapping[str, int],
) -> Any:
    """A table as pandas writes a frame indexed by task: that is how LeRobot reads it."""
    table = pa.table({"task_index": list(tasks.values()), "task": list(tasks)})
    kinds = (("task_index", "int64", "int64"), ("task", "unicode", "object"))
    pandas = {
        "index_columns": ["task"],
        "column_indexes": [],
        "columns": [
            {
                "name": name,
                "field_name": name,
                "pandas_type": kind,
                "numpy_type": dtype,
                "metadata": None,
            }
            for name, kind, dtype in kinds
        ],
        "pandas_version": "2.0.0",
    }
    return table.replace_schema_metadata({"pandas": json.dumps(pandas)})


def _features(coding: Coding) -> dict[str, Any]:
    video = {
        "dtype": "video",
        "shape": [coding.height, coding.width, 3],
        "names": ["height", "width", "channels"],
        "info": {
            "video.height": coding.height,
            "video.width": coding.width,
            "video.codec": coding.codec,
            "video.pix_fmt": coding.pixel_format,
            "video.is_depth_map": False,
            "video.fps": TICK_HZ,
            "video.channels": 3,
            "has_audio": False,
        },
    }
    integers = ("frame_index", "episode_index", "index", "task_index")
    return {
        VIDEO_KEY: video,
        STATE_KEY: _feature("float32", POSE_NAMES),
        ACTION_KEY: _feature("float32", SCHEMA),
        "next.reward": _feature("float32"),
        "next.done": _feature("bool"),
        "timestamp": _feature("float32"),
        **{name: _feature("int64") for name in integers},
    }


def _feature(dtype: str, names: tuple[str, ...] | None = None) -> dict[str, Any]:
    return {
        "dtype": dtype,
        "shape": [1 if names is None else len(names)],
        "names": None if names is None else list(names),
    }
