"""WebDataset: tar files of samples, one sample an episode.

    episode_00000.mp4            the frames
    episode_00000.actions.npy    [T+1, 11] float32, and so poses, rewards and terminated
    episode_00000.depth.npy      [T+1, H, W] float16 metres, if it was recorded
    episode_00000.json           where it comes from, its camera, and the names of the columns

Row t belongs to frame t (see `EpisodeArrays`). A shard ends with the episode that fills it.
Source: https://github.com/webdataset/webdataset, "The WebDataset Format".
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worldsim.actions import SCHEMA
from worldsim.record.episode import Episode
from worldsim.record.exporters.arrays import POSE_NAMES, episode_arrays
from worldsim.record.exporters.joined_video import write_video
from worldsim.types import TICK_HZ

SHARD_BYTES = 256 * 2**20


class WebDatasetExporter:
    """See the module."""

    def __init__(self, folder: Path, *, shard_bytes: int = SHARD_BYTES) -> None:
        self._folder, self._shard_bytes = folder, shard_bytes
        self._episodes = self._shards = 0
        self._tar: tarfile.TarFile | None = None

    def add(self, episode: Episode) -> None:
        tar = self._open_shard()
        for name, data in self._sample(episode):
            member = tarfile.TarInfo(f"episode_{self._episodes:05d}.{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        self._episodes += 1
        if tar.offset >= self._shard_bytes:
            self.close()

    def close(self) -> None:
        if self._tar is not None:
            self._tar.close()
            self._tar = None

    def _open_shard(self) -> tarfile.TarFile:
        if self._tar is None:
            path = self._folder / f"shard-{self._shards:06d}.tar"
            self._tar = tarfile.TarFile(path, "x")
            self._shards += 1
        return self._tar

    def _sample(self, episode: Episode) -> Iterator[tuple[str, bytes]]:
        arrays = episode_arrays(episode)
        yield "mp4", self._video(episode)
        yield "actions.npy", _npy(arrays.actions)
        yield "poses.npy", _npy(arrays.poses)
        yield "rewards.npy", _npy(arrays.rewards)
        yield "terminated.npy", _npy(arrays.terminated)
        if episode.info.depth:
            yield "depth.npy", _npy(episode.depth().astype(np.float16))
        yield "json", json.dumps(_about(episode)).encode()

    def _video(self, episode: Episode) -> bytes:
        path = self._folder / "video.partial"
        write_video(episode, path)
        data = path.read_bytes()
        path.unlink()
        return data


def _npy(array: NDArray[np.generic]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _about(episode: Episode) -> dict[str, object]:
    return {
        "frames": len(episode),
        "fps": TICK_HZ,
        "script": episode.info.script,
        "world": asdict(episode.info.world),
        "intrinsics": asdict(episode.info.intrinsics),
        "action_names": list(SCHEMA),
        "pose_names": list(POSE_NAMES),
    }
