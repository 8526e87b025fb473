"""The results for people: tables on the console, and a folder with pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from worldsim.evaluate.arena import Strip
from worldsim.record.contact_sheet import contact_sheet, save_png
from worldsim.record.output import replace_file

Results = dict[str, Any]

SCORES = {
    "n": "n",
    "psnr": "PSNR",
    "psnr_seen": "seen",
    "psnr_unseen": "unseen",
    "ssim": "SSIM",
    "copy_last": "copy",
    "warp_last": "warp 1",
    "warp_only": "warp",
    "warp_only_seen": "(seen)",
    "sharpness": "sharp",
    "flying": "flying",
}

CONSOLE_SCORES = [name for name in SCORES if name not in ("warp_only_seen", "flying")]


def score_rows(results: Results) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every line of the score table: its name and its scores."""
    if "next" in results:
        yield "next", results["next"]
    for horizon, scores in results.get("rollout", {}).items():
        yield f"rollout {horizon}", scores
    for part in ("revisit", "look_away", "self_revisit"):
        for length, modes in results.get(part, {}).items():
            for mode, scores in modes.items():
                yield f"{part} {length} {mode}", scores


def fact_rows(results: Results) -> Iterator[tuple[str, str]]:
    """Every line of the table of single figures."""
    if "control" in results:
        control = results["control"]
        yield "control", f"{control['accuracy']:.0%} right (chance {control['chance']:.0%})"
    if "pose" in results:
        pose = results["pose"]
        yield (
            f"pose after {pose['ticks']}",
            f"{pose['error_m']:.2f} m off on a path of {pose['path_m']:.1f} m",
        )
    for length, drift in results.get("drift", {}).items():
        yield f"drift {length}", _drift_text(drift)
        yield f"true change {length}", _drift_text(drift["truth"])
    if results["speed"]["fps"] is not None:
        yield "speed", f"{results['speed']['fps']:.1f} frames/s"
        yield "ms a frame", _percentile_text(results["speed"]["step_ms"])
    for stage, times in results["speed"]["stages_ms"].items():
        yield f"  {stage}", _percentile_text(times)


def console_tables(results: Results) -> Iterator[Table]:
    """The scores, then the single figures, for a rich console."""
    title = f"{results['checkpoint']['name']}, {results['suite']} suite (PSNR in dB)"
    scores = Table(title=title, box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    scores.add_column("", no_wrap=True)
    for column in CONSOLE_SCORES:
        scores.add_column(SCORES[column], justify="right")
    for name, row in score_rows(results):
        scores.add_row(name, *_cells(row, CONSOLE_SCORES))
    yield scores
    facts = Table(show_header=False, box=SIMPLE_HEAD, pad_edge=False)
    for name, text in fact_rows(results):
        facts.add_row(name, text)
    yield facts


def write_report(results: Results, strips: Sequence[Strip], folder: Path) -> Path:
    """report.md with the tables and one contact sheet a strip, true frames above dreamed ones."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [*_heading(results), *_markdown_scores(results), "", *_markdown_facts(results)]
    for number, strip in enumerate(strips):
        picture = folder / f"strip_{number:02d}.png"
        save_png(contact_sheet([strip.target, strip.dreamed], ["asked for", "dreamed"]), picture)
        lines += ["", f"{strip.title}: asked for above, dreamed below", "", f"![]({picture.name})"]
    path = folder / "report.md"
    replace_file(path, ("\n".join(lines) + "\n").encode())
    return path


def _heading(results: Results) -> list[str]:
    machine, checkpoint = results["machine"], results["checkpoint"]
    return [
        f"# Evaluation of {checkpoint['name']}",
        "",
        f"{results['suite']} suite, seeds {results['seeds']}, {results['date']}, "
        f"weights {checkpoint['hash']}.",
        f"{machine['cpu']}, {machine['cores']} cores, {machine['gpu'] or 'no GPU'}, "
        f"torch {machine['torch']}, worldsim {machine['worldsim']} ({machine['commit']}).",
        "",
        "PSNR in dB: of the whole frame, of surfaces that real frames had shown, and of the rest;",
        "copy: the last known frame; warp: known frames moved by their depth, without a network;",
        "sharp: gradient relative to the target's; flying: lone pixels.",
        "",
    ]


def _markdown_scores(results: Results) -> list[str]:
    head = ["| | " + " | ".join(SCORES.values()) + " |", "|---" + "|---:" * len(SCORES) + "|"]
    rows = [
        f"| {name} | " + " | ".join(_cells(row, SCORES)) + " |" for name, row in score_rows(results)
    ]
    return head + rows


def _markdown_facts(results: Results) -> list[str]:
    rows = [f"| {name.strip()} | {text} |" for name, text in fact_rows(results)]
    return ["| | |", "|---|---|", *rows]


def _cells(scores: Mapping[str, Any], columns: Iterable[str]) -> list[str]:
    return [_cell(name, scores[name]) for name in columns]


def _cell(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    if name == "n":
        return str(value)
    if name == "flying":
        return f"{value:.2%}"
    return f"{value:.2f}" if name in ("ssim", "sharpness") else f"{value:.1f}"


def _drift_text(drift: Mapping[str, float]) -> str:
    return (
        f"sharpness {drift['sharpness']:.0%}, depth {drift['depth']:.0%}, "
        f"colour {drift['colour']:.0%}, path {drift['path_m']:.0f} m"
    )


def _percentile_text(times: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.1f}" for name, value in times.items())
