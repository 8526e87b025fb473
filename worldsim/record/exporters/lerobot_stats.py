"""The statistics that LeRobot's policies normalise by: of each episode, and of all together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from worldsim.record.contact_sheet import evenly_spaced
from worldsim.record.episode import Episode

SAMPLED_FRAMES = 20  # an episode's colours are measured on these

FeatureStats = dict[str, list]  # min, max, mean, std (each of the feature's shape), count [1]
Stats = dict[str, FeatureStats]


def column_stats(
    values: NDArray[np.generic],  # [T] or [T, D]
) -> FeatureStats:
    rows = values.reshape(len(values), -1).astype(np.float64)
    return _stats(rows, shape=(rows.shape[1],), count=len(rows))


def video_stats(episode: Episode) -> FeatureStats:
    """Per channel, in 0 to 1, with LeRobot's shape [3, 1, 1]."""
    chosen = set(evenly_spaced(len(episode), min(SAMPLED_FRAMES, len(episode))))
    frames = [frame for n, frame in enumerate(episode.frames()) if n in chosen]
    pixels = np.stack(frames).reshape(-1, 3) / 255.0
    return _stats(pixels, shape=(3, 1, 1), count=len(frames))


def merged_stats(parts: Sequence[Stats]) -> Stats:
    """The statistics of everything, from those of the parts."""
    return {key: _merged([part[key] for part in parts]) for key in parts[0]}


def _stats(
    rows: NDArray[np.float64],  # [N, D]
    *,
    shape: tuple[int, ...],
    count: int,
) -> FeatureStats:
    found = {"min": rows.min(0), "max": rows.max(0), "mean": rows.mean(0), "std": rows.std(0)}
    return {**{k: v.reshape(shape).tolist() for k, v in found.items()}, "count": [count]}


def _merged(parts: Sequence[FeatureStats]) -> FeatureStats:
    counts = np.array([part["count"][0] for part in parts], dtype=np.float64)
    low, high, mean, std = (
        np.array([part[name] for part in parts]) for name in ("min", "max", "mean", "std")
    )
    share = (counts / counts.sum()).reshape(-1, *[1] * (mean.ndim - 1))
    total = (share * mean).sum(0)
    variance = (share * (std**2 + mean**2)).sum(0) - total**2
    return {
        "min": low.min(0).tolist(),
        "max": high.max(0).tolist(),
        "mean": total.tolist(),
        "std": np.sqrt(variance.clip(0)).tolist(),
        "count": [int(counts.sum())],
    }
