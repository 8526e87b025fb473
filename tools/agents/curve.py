"""A learning curve: a row for each update, kept as CSV and drawn as PNG."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from worldsim.errors import CheckpointError
from worldsim.evaluate.plots import BLUE, GREEN, save_figure
from worldsim.record.output import replace_file


@dataclass(frozen=True, slots=True)
class Point:
    """What the episodes were like that ended between two updates."""

    steps: int  # choices made since the run began
    seconds: float  # of learning
    episodes: int
    mean_return: float
    success: float  # share of the episodes that their task ended
    length: float  # mean, in choices


def save_curve(points: Sequence[Point], path: Path) -> None:
    """As CSV, in one step."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, [field.name for field in fields(Point)])
    writer.writeheader()
    writer.writerows(asdict(point) for point in points)
    replace_file(path, buffer.getvalue().encode())


def load_curve(
    path: Path,
    steps: int,
) -> list[Point]:
    """The points up to a step: later ones belong to learning that a kill has undone.

    Raises:
        CheckpointError: the file is damaged.
    """
    if not path.exists():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            points = [_point(row) for row in csv.DictReader(file)]
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            "a learning curve as train_agent writes it", f"{path}: {error}", "Delete it."
        ) from error
    return [point for point in points if point.steps <= steps]


def draw_curve(points: Sequence[Point], path: Path) -> None:
    """As PNG. Raises BackendError without matplotlib."""
    save_figure(path, lambda figure: _draw(figure, points))


def _draw(figure: Any, points: Sequence[Point]) -> None:
    figure.set_size_inches(6.0, 5.0)
    upper, lower = figure.subplots(2, 1, sharex=True)
    steps = [point.steps for point in points]
    upper.plot(steps, [point.mean_return for point in points], color=BLUE)
    upper.set(ylabel="mean return")
    lower.plot(steps, [point.success for point in points], color=GREEN)
    lower.set(ylabel="share of successes", xlabel="choices made", ylim=(0.0, 1.0))


def _point(row: dict[str, str]) -> Point:
    return Point(
        int(row["steps"]),
        float(row["seconds"]),
        int(row["episodes"]),
        float(row["mean_return"]),
        float(row["success"]),
        float(row["length"]),
    )
