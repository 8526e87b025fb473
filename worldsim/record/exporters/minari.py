"""Minari: HDF5 with Gymnasium spaces, frames stored without loss beyond the recording's own.

    MINARI_DATASETS_PATH=out python -c 'import minari; minari.load_dataset("worldsim/recorded-v0")'

Observations are the frames, T+1 an episode; actions are a dict of nine buttons (0 or 1) and the
camera (yaw and pitch in degrees). An episode that did not terminate is truncated at its end.
Source: https://minari.farama.org/content/dataset_standards/
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from worldsim.errors import EpisodeError
from worldsim.record.episode import Episode
from worldsim.record.exporters.arrays import episode_arrays
from worldsim.record.exporters.exporter import require_library
from worldsim.types import BUTTONS, MAX_TURN_DEG

DATASET_ID = "worldsim/recorded-v0"


class MinariExporter:
    """See the module."""

    def __init__(self, folder: Path) -> None:
        self._minari = require_library("minari", "minari")
        require_library("h5py", "minari")
        self._place = folder / DATASET_ID / "data"
        self._storage: Any = None
        self._frames: spaces.Box | None = None

    def add(self, episode: Episode) -> None:
        space = _frame_space(episode)
        if self._frames is None:
            self._create(space)
        elif space != self._frames:
            raise EpisodeError(
                f"frames of shape {self._frames.shape}, as in the episodes before",
                f"{space.shape} in {episode.folder}",
                "Export episodes of one size together.",
            )
        self._storage.update_episodes([self._buffer(episode)])

    def close(self) -> None:
        self._storage.update_metadata(
            {
                "dataset_id": DATASET_ID,
                "minari_version": self._minari.__version__,
                "description": "Episodes recorded with worldsim.",
            }
        )

    def _create(self, frames: spaces.Box) -> None:
        from minari.dataset.minari_storage import MinariStorage

        self._place.mkdir(parents=True)
        self._frames = frames
        self._storage = MinariStorage.new(
            self._place, frames, _action_space(), data_format="hdf5", jpeg_encoding=False
        )

    def _buffer(self, episode: Episode) -> Any:
        from minari.data_collector import EpisodeBuffer

        arrays = episode_arrays(episode)
        taken = arrays.actions[:-1]
        ends = np.zeros(len(taken), dtype=bool)
        ends[-1:] = True
        return EpisodeBuffer(
            seed=episode.info.world.seed,
            observations=np.stack(list(episode.frames())),
            actions={
                "buttons": taken[:, : len(BUTTONS)].astype(np.int64),
                "camera": taken[:, len(BUTTONS) :],
            },
            rewards=arrays.rewards[:-1],
            terminations=arrays.terminated[:-1],
            truncations=ends & ~arrays.terminated[:-1],
        )


def _frame_space(episode: Episode) -> spaces.Box:
    size = episode.info.intrinsics
    return spaces.Box(0, 255, (size.height, size.width, 3), np.uint8)


def _action_space() -> spaces.Dict:
    return spaces.Dict(
        buttons=spaces.MultiDiscrete([2] * len(BUTTONS)),
        camera=spaces.Box(-MAX_TURN_DEG, MAX_TURN_DEG, (2,), np.float32),
    )
