"""`drift`: does a long dream fade, colour or flatten? The true world's own change stands beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldsim.evaluate.arena import Arena
from worldsim.evaluate.budget import BURN_IN
from worldsim.evaluate.metrics import flying_rate, sharpness
from worldsim.evaluate.statistics import mean_or_none, means, standard_errors
from worldsim.evaluate.truth import FreePlay, observe, path_length_m, take_route
from worldsim.types import SKY_DEPTH_M, Observation, Pose

WINDOWS = 10
FRAMES_A_WINDOW = 30  # at most so many are looked at
FIGURES = ("sharpness", "depth", "colour", "flying", "path_m")
COLUMNS = ("sharpness", "depth_m", "flying", "red", "green", "blue")  # of a table of windows


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """The worst of 10 windows against the best; 0 is no change. A frozen world does not drift
    either, so the path is told as well.
    """

    sharpness: float  # 1 - least / greatest mean sharpness
    depth: float  # 1 - least / greatest mean depth of what is not sky
    colour: float  # greatest distance between mean colours, as a share of the full range
    flying: float  # greatest share of lone pixels
    path_m: float
    windows: NDArray[np.float64]  # [windows, 6] the mean of each of COLUMNS; NaN for no depth


def drift(arena: Arena, budget: Mapping[int, int]) -> dict[str, dict[str, object]]:
    """Free play of so many frames in the dream, which moves its own camera; by length.

    `windows` holds the course over time: the window's middle frame, and for each quantity the
    mean over seeds and its standard error.
    """
    results: dict[str, dict[str, object]] = {}
    for length, count in budget.items():
        seeds = arena.seeds[:count]
        dreams = [_dreamed(arena, seed, length) for seed in seeds]
        truths = [_true(arena, seed, length) for seed in seeds]
        results[str(length)] = {
            "n": len(seeds),
            **_summarise(dreams, length),
            "truth": _summarise(truths, length),
        }
    return results


def _dreamed(arena: Arena, seed: int, length: int) -> Drift:
    walk = arena.walks.take(seed, BURN_IN)
    arena.driver.burn_in(walk.clip(BURN_IN), seed=seed)
    play = FreePlay(seed + 1)
    looked_at = set(_looked_at(length))
    poses, kept = [walk.poses[-1]], list[Observation]()
    for tick, (_, observation) in enumerate(arena.driver.wander(play, poses[0], length)):
        poses.append(observation.pose)
        if tick in looked_at:
            kept.append(observation)
    return measure_drift(kept, poses)


def _true(arena: Arena, seed: int, length: int) -> Drift:
    poses, _ = take_route(arena.truth, seed, BURN_IN, then=FreePlay(seed + 1), then_frames=length)
    future = poses[BURN_IN - 1 :]
    kept = observe(arena.truth, [future[tick + 1] for tick in _looked_at(length)])
    return measure_drift(kept, future)


def measure_drift(observations: Sequence[Observation], poses: Sequence[Pose]) -> Drift:
    """Statistics of 10 windows of equal length over the observations, and the path's length."""
    windows = [
        _window([observations[i] for i in part])
        for part in np.array_split(np.arange(len(observations)), min(WINDOWS, len(observations)))
    ]
    columns = np.stack(windows)
    colours = columns[:, 3:]
    distances = np.linalg.norm(colours[:, None] - colours[None], axis=-1) / np.sqrt(3)
    return Drift(
        sharpness=_relative_change(columns[:, 0]),
        depth=_relative_change(columns[:, 1]),
        colour=float(distances.max()) / 255.0,
        flying=float(columns[:, 2].max()),
        path_m=path_length_m(poses),
        windows=columns,
    )


def _window(
    observations: Sequence[Observation],
) -> NDArray[np.float64]:  # [6] as COLUMNS
    rows = []
    for observation in observations:
        near = observation.depth[observation.depth < SKY_DEPTH_M]
        depth = float(near.mean()) if near.size else np.nan
        colour = observation.rgb.mean(axis=(0, 1))
        rows.append((sharpness(observation.rgb), depth, flying_rate(observation.rgb), *colour))
    table = np.array(rows)
    means = table.mean(axis=0)
    depths = table[:, 1][np.isfinite(table[:, 1])]
    means[1] = depths.mean() if depths.size else np.nan
    return means


def _relative_change(
    values: NDArray[np.float64],  # [windows]
) -> float:
    values = values[np.isfinite(values)]
    if values.size == 0 or values.max() <= 0:
        return 0.0
    return float(1.0 - values.min() / values.max())


def _looked_at(length: int) -> list[int]:
    count = min(length, WINDOWS * FRAMES_A_WINDOW)
    return [i * length // count for i in range(count)]


def _summarise(drifts: Sequence[Drift], length: int) -> dict[str, object]:
    windows = np.stack([one.windows for one in drifts])
    count = windows.shape[1]
    frames = [(i + 0.5) * length / count for i in range(count)]
    courses = {name: _course(windows[..., i]) for i, name in enumerate(COLUMNS)}
    return {
        **_means(drifts),
        "se": standard_errors(drifts, _means),
        "windows": {"frame": frames, **courses},
    }


def _means(drifts: Sequence[Drift]) -> dict[str, float | None]:
    return means([{name: getattr(one, name) for name in FIGURES} for one in drifts], FIGURES)


def _course(
    values: NDArray[np.float64],  # [seeds, windows]
) -> dict[str, list[float | None]]:
    """The mean over seeds in each window, and its standard error."""
    windows = values.T.tolist()
    return {
        "mean": [mean_or_none(window) for window in windows],
        "se": [standard_errors(window, _mean)["mean"] for window in windows],
    }


def _mean(values: Sequence[float]) -> dict[str, float | None]:
    return {"mean": mean_or_none(values)}
