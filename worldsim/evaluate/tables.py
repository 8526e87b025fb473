"""The results for people: the lines of the tables, and the tables on the console."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

Results = dict[str, Any]

TOLD_HORIZONS = ("1", "8", "32", "128")  # the others are for the plot
SCORES = {
    "n": "n",
    "psnr": "PSNR",
    "psnr_seen": "seen",
    "psnr_unseen": "unseen",
    "ssim": "SSIM",
    "copy_last": "copy",
    "warp_last": "warp 1",
    "warp_only": "warp",
    "warp_only_seen": "warp seen",
    "sharpness": "sharp",
    "sharpness_unseen": "sharp unseen",
    "flying": "flying",
}
CONSOLE_SCORES = [name for name in SCORES if name not in ("ssim", "warp_only_seen")]
_RATIOS = ("ssim", "sharpness", "sharpness_unseen", "flying")


def score_rows(results: Results) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every line of the score table: its name and its scores."""
    if "next" in results:
        yield "next", results["next"]
    for horizon, scores in results.get("rollout", {}).items():
        if horizon in TOLD_HORIZONS:
            yield f"rollout {horizon}", scores
    for part in ("revisit", "look_away", "self_revisit"):
        for length, modes in results.get(part, {}).items():
            for mode, scores in modes.items():
                yield f"{part} {length} {mode}", scores


def fact_rows(results: Results) -> Iterator[tuple[str, str]]:
    """Every line of the table of single figures."""
    for length, modes in results.get("edits", {}).items():
        for mode, edits in modes.items():
            yield f"edits {length} {mode}", _edits_text(edits)
    if "control" in results:
        control = results["control"]
        yield (
            "control",
            f"{control['accuracy']:.0%} right {_interval_text(control)}, "
            f"chance {control['chance']:.0%}, {control['frames']} frames",
        )
    if "pose" in results:
        pose = results["pose"]
        yield (
            f"pose after {pose['ticks']}",
            f"{with_error(pose, 'error_m', '.2f')} m off on a path of "
            f"{with_error(pose, 'path_m', '.1f')} m, n = {pose['n']}",
        )
    for name, score in (results.get("events") or {}).items():
        yield f"event {name}", _event_text(score)
    for length, drift in results.get("drift", {}).items():
        yield f"drift {length}", f"{_drift_text(drift)}, n = {drift['n']}"
        yield f"true change {length}", _drift_text(drift["truth"])
    yield from _speed_rows(results["speed"])


def console_tables(results: Results) -> Iterator[Table]:
    """The scores, then the single figures, for a rich console."""
    title = f"{results['checkpoint']['name']}, {results['suite']} suite (PSNR in dB)"
    scores = Table(title=title, box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    scores.add_column("", no_wrap=True)
    for column in CONSOLE_SCORES:
        scores.add_column(SCORES[column], justify="right")
    for name, row in score_rows(results):
        scores.add_row(name, *(_number(column, row[column]) for column in CONSOLE_SCORES))
    yield scores
    facts = Table(show_header=False, box=SIMPLE_HEAD, pad_edge=False)
    for name, text in fact_rows(results):
        facts.add_row(name, text)
    yield facts


def score_cell(scores: Mapping[str, Any], name: str) -> str:
    """A score with its standard error, as far as there is one."""
    return str(scores["n"]) if name == "n" else with_error(scores, name, _digits(name))


def with_error(figures: Mapping[str, Any], name: str, digits: str) -> str:
    """A mean, and after ± its standard error over seeds."""
    value, error = figures[name], figures["se"][name]
    if value is None:
        return "–"
    return f"{value:{digits}}" if error is None else f"{value:{digits}} ± {error:{digits}}"


def _number(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    return str(value) if name == "n" else f"{value:{_digits(name)}}"


def _digits(name: str) -> str:
    return ".2f" if name in _RATIOS else ".1f"


def _event_text(score: Mapping[str, Any]) -> str:
    figures = {
        name: "–" if score[name] is None else f"{score[name]:.2f}"
        for name in ("average_precision", "precision", "recall")
    }
    told = ", ".join(f"{name.replace('_', ' ')} {figure}" for name, figure in figures.items())
    return (
        f"{told}; {score['happened']} in {score['ticks']} ticks (chance {score['base_rate']:.3f})"
    )


def _edits_text(edits: Mapping[str, Any]) -> str:
    if not edits["n"]:
        return f"none of {edits['attempts']} could be seen"
    hands = ", ".join(
        f"{hand} {one['kept']} of {one['n']}" for hand, one in edits["by_hand"].items()
    )
    return (
        f"{edits['share']:.0%} kept {_interval_text(edits)}: {hands}; "
        f"path away {with_error(edits, 'path_m', '.0f')} m"
    )


def _interval_text(share: Mapping[str, Any]) -> str:
    low, high = share["interval"]
    return f"(95% interval {low:.0%} to {high:.0%})"


def _drift_text(drift: Mapping[str, Any]) -> str:
    shares = ", ".join(
        f"{name} {with_error(drift, name, '.0%')}" for name in ("sharpness", "depth", "colour")
    )
    return (
        f"{shares}, flying {with_error(drift, 'flying', '.2%')}, "
        f"path {with_error(drift, 'path_m', '.0f')} m"
    )


def _speed_rows(speed: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if speed["fps"] is not None:
        yield "speed", f"{speed['fps']:.1f} frames/s over {speed['frames']} dreamed frames"
        yield "ms a frame", _percentile_text(speed["step_ms"])
    for stage, times in speed["stages_ms"].items():
        yield f"  {stage}", _percentile_text(times)


def _percentile_text(times: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.1f}" for name, value in times.items())
