"""An episode's lines as arrays, one row a frame."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields

import numpy as np
from numpy.typing import NDArray

from worldsim.actions import SCHEMA, to_record
from worldsim.record.episode import Episode
from worldsim.types import Action, Pose

POSE_NAMES = tuple(field.name for field in fields(Pose))


@dataclass(frozen=True, slots=True)
class EpisodeArrays:
    """Row t is frame t, the action taken at it, and what that action led to.

    Nothing was done at the last frame: its action is the one that does nothing.
    """

    actions: NDArray[np.float32]  # [T+1, 11] in the schema's order; buttons 0 or 1, turns in deg
    poses: NDArray[np.float64]  # [T+1, 5] metres and degrees, in the order of POSE_NAMES
    rewards: NDArray[np.float32]  # [T+1] of the next frame
    terminated: NDArray[np.bool_]  # [T+1] whether the task ended at the next frame


def episode_arrays(episode: Episode) -> EpisodeArrays:
    """The rows of a whole episode."""
    taken = [tick.action or Action() for tick in episode.ticks]
    following = episode.ticks[1:]
    return EpisodeArrays(
        actions=np.array([_row(action) for action in taken], dtype=np.float32),
        poses=np.array([astuple(pose) for pose in episode.poses]),
        rewards=np.array([*(tick.reward for tick in following), 0.0], dtype=np.float32),
        terminated=np.array([*(tick.terminated for tick in following), False]),
    )


def _row(action: Action) -> list[float]:
    record = to_record(action)
    return [float(record[name]) for name in SCHEMA]
