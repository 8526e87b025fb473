"""The report: a folder with report.md, its contact sheets and its plots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from worldsim.errors import BackendError
from worldsim.evaluate.arena import Strip
from worldsim.evaluate.plots import save_plots
from worldsim.evaluate.tables import SCORES, Results, fact_rows, score_cell, score_rows
from worldsim.record.contact_sheet import contact_sheet, save_png
from worldsim.record.output import replace_file

_LEGEND = """\
PSNR in dB: of the whole frame, of surfaces that real frames had shown, and of the rest; copy: the
last known frame; warp 1: that frame moved by its depth; warp: all known frames, as memory recalls
them, moved by their depth, without a network; sharp: the mean gradient relative to the target's,
of all and of unseen surfaces; flying: lone pixels relative to the target's. n counts seeds, and
± is a standard error over them."""


def write_report(results: Results, strips: Sequence[Strip], folder: Path) -> Path:
    """report.md: where it was measured, the tables, the plots and the contact sheets.

    Without matplotlib it has no plots, and says so.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sections = [_heading(results), _scores(results), _facts(results)]
    sections += [_plots(results, folder), *_sheets(strips, folder)]
    path = folder / "report.md"
    replace_file(path, ("\n\n".join(sections) + "\n").encode())
    return path


def _heading(results: Results) -> str:
    rows = _table([("", ""), *_circumstances(results)], align="---")
    return f"# Evaluation of {results['checkpoint']['name']}\n\n{rows}\n\n{_LEGEND}"


def _circumstances(results: Results) -> Iterator[tuple[str, str]]:
    machine, checkpoint = results["machine"], results["checkpoint"]
    load = "unknown" if machine["load"] is None else f"{machine['load']:.1f}"
    yield "checkpoint", f"{checkpoint['name']}, weights {checkpoint['hash']}"
    yield "suite", f"{results['suite']}, {results['took_s'] / 60:.0f} minutes"
    yield "seeds", f"{results['seeds']} (first:count)"
    yield "date", results["date"]
    yield "machine", f"{machine['cpu']}, {machine['cores']} cores, {machine['gpu'] or 'no GPU'}"
    yield "platform", f"{machine['platform']}, {machine['threads']} threads, load {load} at the end"
    yield (
        "versions",
        f"worldsim {machine['worldsim']}, torch {machine['torch']}, Python "
        + (f"{machine['python']}"),
    )
    yield "commit", f"{machine['commit'] or 'not a checkout'}"


def _scores(results: Results) -> str:
    rows = [
        (name, *(score_cell(row, column) for column in SCORES)) for name, row in score_rows(results)
    ]
    return "## Pictures\n\n" + _table([("", *SCORES.values()), *rows], align="---:")


def _facts(results: Results) -> str:
    rows = [(name.strip(), text) for name, text in fact_rows(results)]
    return "## Single figures\n\n" + _table([("", ""), *rows], align="---")


def _plots(results: Results, folder: Path) -> str:
    try:
        plots = save_plots(results, folder)
    except BackendError as error:
        return f"## Plots\n\nNone: {error}"
    intro = "## Plots\n\nBands and error bars: one standard error over seeds."
    return "\n\n".join([intro, *(f"{plot.caption}\n\n![]({plot.name})" for plot in plots)])


def _sheets(strips: Sequence[Strip], folder: Path) -> Iterator[str]:
    yield "## Contact sheets"
    for number, strip in enumerate(strips):
        picture = folder / f"strip_{number:02d}.png"
        save_png(contact_sheet(list(strip.rows.values()), list(strip.rows)), picture)
        yield f"{strip.title}: {', '.join(strip.rows)}\n\n![]({picture.name})"


def _table(rows: Sequence[Sequence[str]], *, align: str) -> str:
    """A Markdown table; the first row is its head."""
    head, *body = ["| " + " | ".join(row) + " |" for row in rows]
    ruler = "|---" + f"|{align}" * (len(rows[0]) - 1) + "|"
    return "\n".join([head, ruler, *body])
