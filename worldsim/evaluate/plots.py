"""The report's plots. The only module that needs matplotlib, and only when it draws."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from worldsim.errors import BackendError
from worldsim.evaluate.budget import MEMORY_MODES
from worldsim.record.output import replace_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Results = Mapping[str, Any]

# Okabe and Ito 2008 (Color Universal Design): told apart by everybody, and in grey.
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#777777"
LINES = {
    "psnr": ("dream", BLUE, "-"),
    "psnr_seen": ("dream, seen", GREEN, "-"),
    "psnr_unseen": ("dream, unseen", RED, "-"),
    "warp_only": ("memory's warp alone", ORANGE, "--"),
    "copy_last": ("last frame", GREY, ":"),
}
BARS = dict(zip(MEMORY_MODES, (BLUE, GREEN, ORANGE, GREY), strict=True))
TRIPS = {
    "revisit": "real way out",
    "look_away": "turned away",
    "self_revisit": "dreamed way out",
}
COURSES = {
    "gradient, grey levels a pixel": {"sharpness": BLUE},
    "mean depth, m": {"depth_m": BLUE},
    "share of lone pixels": {"flying": BLUE},
    "mean red, green and blue": {"red": RED, "green": GREEN, "blue": BLUE},
}
DPI = 150


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture that the report shows."""

    name: str
    caption: str
    draw: Callable[[Figure], None]


def save_plots(results: Results, folder: Path) -> list[Plot]:
    """Draw what the results hold as PNG files. Error bars are standard errors over seeds.

    Raises BackendError without matplotlib.
    """
    plots = list(_plots_of(results))
    for plot in plots:
        save_figure(folder / plot.name, plot.draw)
    return plots


def save_figure(path: Path, draw: Callable[[Figure], None]) -> None:
    """One figure as a PNG file. Raises BackendError without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise BackendError(
            "matplotlib for the plots", "none", "pip install 'worldsim-engine[report]'"
        ) from error
    figure, buffer = Figure(layout="constrained"), io.BytesIO()
    draw(figure)
    figure.savefig(buffer, format="png", dpi=DPI)
    replace_file(path, buffer.getvalue())


def _plots_of(results: Results) -> Iterator[Plot]:
    if "rollout" in results:
        rollout = results["rollout"]
        caption = "PSNR of dreamed frames under the true actions, by frames since the last real one"
        yield Plot("rollout.png", caption, lambda figure: _draw_rollout(figure, rollout))
    trips = {part: results[part] for part in TRIPS if part in results}
    if trips:
        caption = (
            "PSNR on the way back, by its length and by what memory may use: against the truth, "
            "and after a dreamed way out against the dream's own frames"
        )
        yield Plot("revisit.png", caption, lambda figure: _draw_trips(figure, trips))
    for length, drift in results.get("drift", {}).items():
        yield _drift_plot(length, drift)


def _drift_plot(length: str, drift: Mapping[str, Any]) -> Plot:
    caption = f"Free play of {length} frames: the dream, and the true world on a walk of its own"
    return Plot(f"drift_{length}.png", caption, lambda figure: _draw_drift(figure, drift))


def _draw_rollout(figure: Figure, rollout: Mapping[str, Any]) -> None:
    figure.set_size_inches(6.0, 4.0)
    axes = figure.subplots()
    frames = [int(horizon) for horizon in rollout]
    for name, (label, colour, style) in LINES.items():
        scores = list(rollout.values())
        middle = _numbers(score[name] for score in scores)
        error = _numbers(score["se"][name] for score in scores)
        _draw_line(axes, frames, middle, error, colour, style, label)
    axes.set_xscale("log", base=2)
    axes.set_xticks(frames, [str(frame) for frame in frames])
    axes.set(xlabel="frames dreamed", ylabel="PSNR, dB")
    axes.legend(frameon=False, fontsize="small")


def _draw_trips(figure: Figure, trips: Mapping[str, Any]) -> None:
    figure.set_size_inches(10.0, 3.6)
    groups = [len(by_length) for by_length in trips.values()]
    panels = figure.subplots(1, len(trips), sharey=True, squeeze=False, width_ratios=groups)[0]
    for axes, (part, by_length) in zip(panels, trips.items(), strict=True):
        _draw_bars(axes, by_length)
        axes.set(title=TRIPS[part], xlabel="frames of the way back")
    panels[0].set_ylabel("PSNR, dB")
    legend = panels[0].get_legend_handles_labels()
    figure.legend(*legend, title="memory", loc="outside right upper", frameon=False)


def _draw_bars(axes: Axes, by_length: Mapping[str, Any]) -> None:
    """A group of bars for each length; a dash across it is memory's warp without the network."""
    width = 0.8 / len(BARS)
    groups = list(enumerate(by_length.values()))
    for place, (mode, colour) in enumerate(BARS.items()):
        told = [(group, modes[mode]) for group, modes in groups if mode in modes]
        places = _numbers(group + (place + 0.5) * width - 0.4 for group, _ in told)
        heights = _numbers(scores["psnr"] for _, scores in told)
        errors = _numbers(scores["se"]["psnr"] for _, scores in told)
        axes.bar(places, heights, width, yerr=errors, color=colour, label=mode, capsize=2)
    warps = _numbers(next(iter(modes.values()))["warp_only"] for _, modes in groups)
    middles = np.arange(len(groups))
    axes.hlines(
        warps, middles - 0.45, middles + 0.45, colors="black", linestyles="--", label="warp alone"
    )
    axes.set_xticks(middles, list(by_length))


def _draw_drift(figure: Figure, drift: Mapping[str, Any]) -> None:
    figure.set_size_inches(8.0, 5.0)
    panels = figure.subplots(2, 2, sharex=True).flatten()
    for axes, (title, courses) in zip(panels, COURSES.items(), strict=True):
        for name, colour in courses.items():
            _draw_course(axes, drift["windows"], name, colour, "-", "dream")
            _draw_course(axes, drift["truth"]["windows"], name, colour, "--", "truth")
        axes.set(title=title)
        axes.set_ylim(bottom=0.0)
    for axes in panels[2:]:
        axes.set_xlabel("frames dreamed")
    panels[0].legend(frameon=False, fontsize="small")


def _draw_course(
    axes: Axes, windows: Mapping[str, Any], name: str, colour: str, style: str, label: str
) -> None:
    middle, error = (_numbers(windows[name][part]) for part in ("mean", "se"))
    _draw_line(axes, windows["frame"], middle, error, colour, style, label)


def _draw_line(
    axes: Axes,
    frames: Sequence[float],
    middle: NDArray[np.float64],  # [frames]
    error: NDArray[np.float64],  # [frames]
    colour: str,
    style: str,
    label: str,
) -> None:
    """A line in a band of one standard error."""
    axes.plot(frames, middle, style, color=colour, label=label, marker="o", markersize=3)
    axes.fill_between(frames, middle - error, middle + error, color=colour, alpha=0.15)


def _numbers(
    values: Iterable[float | None],
) -> NDArray[np.float64]:  # [values], NaN, which is not drawn, for None
    return np.array([math.nan if value is None else value for value in values], dtype=np.float64)
