"""`videofolder`: mp4 files and one `metadata.jsonl`, for Hugging Face's `datasets`.

    load_dataset("videofolder", data_dir=out)

One row an episode: its video, where it comes from, and per frame the action and the pose.
Source: https://huggingface.co/docs/datasets/video_dataset
"""

from __future__ import annotations

import json
from pathlib import Path

from worldsim.actions import SCHEMA
from worldsim.record.dataset import METADATA_NAME
from worldsim.record.episode import Episode
from worldsim.record.exporters.arrays import POSE_NAMES, episode_arrays
from worldsim.record.exporters.joined_video import write_video
from worldsim.types import TICK_HZ


class VideoFolderExporter:
    """See the module."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rows: list[str] = []

    def add(self, episode: Episode) -> None:
        name = f"episode_{len(self._rows):05d}.mp4"
        write_video(episode, self._folder / name)
        arrays, world = episode_arrays(episode), episode.info.world
        row = {
            "file_name": name,
            "world": world.kind,
            "world_version": world.version,
            "seed": world.seed,
            "scene": world.scene,
            "script": episode.info.script,
            "frames": len(episode),
            "fps": TICK_HZ,
            "fov_y_deg": episode.info.intrinsics.fov_y_deg,
            "action_names": list(SCHEMA),
            "actions": arrays.actions.tolist(),
            "pose_names": list(POSE_NAMES),
            "poses": arrays.poses.tolist(),
            "rewards": arrays.rewards.tolist(),
        }
        self._rows.append(json.dumps(row))

    def close(self) -> None:
        text = "".join(row + "\n" for row in self._rows)
        (self._folder / METADATA_NAME).write_text(text, encoding="utf-8")
