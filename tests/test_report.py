"""What `worldsim eval` leaves behind: JSON, tables, a report with contact sheets and plots."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from fakes_evaluate import EditableWorld, PlaneDream
from PIL import Image
from rich.console import Console

from worldsim.evaluate.arena import Arena
from worldsim.evaluate.budget import BUDGETS, PARTS, Budget
from worldsim.evaluate.driver import Driver
from worldsim.evaluate.evaluation import evaluate, tell
from worldsim.evaluate.page import write_report
from worldsim.evaluate.report import EvalConfig
from worldsim.evaluate.tables import Results, with_error

TINY = Budget(
    rollout={8: 2},
    revisit={4: {"full": 2, "off": 1}, 6: {"full": 1}},
    look_away={4: {"full": 1}},
    self_revisit={4: {"full": 1, "off": 1}},
    edits={5: {"full": 2}},
    control=1,
    drift={20: 2},
    pose=2,
    events=1,
)
SCORES = ("n", "psnr", "psnr_seen", "psnr_unseen", "ssim", "copy_last", "warp_last", "warp_only")


@pytest.fixture(scope="module")
def evaluated() -> tuple[Results, Arena, str]:
    """A small evaluation: its results, its arena, and what the console showed."""
    arena = Arena(Driver(PlaneDream()), EditableWorld(), (5_000_000, 5_000_003))
    console = Console(file=io.StringIO(), width=200)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BUDGETS, "quick", TINY)
        config = EvalConfig()
        results = evaluate(arena, config, {"name": "plane", "hash": "0" * 12}, console)
    tell(results, arena, config, console)
    return results, arena, console.file.getvalue()


@pytest.fixture
def report(evaluated: tuple[Results, Arena, str], tmp_path: Path) -> Path:
    results, arena, _ = evaluated
    return write_report(results, arena.strips, tmp_path / "report")


def test_the_results_are_strict_json(evaluated, tmp_path: Path):
    results, arena, _ = evaluated
    config = EvalConfig(json=tmp_path / "result.json")
    tell(results, arena, config, Console(file=io.StringIO()))
    stored = json.loads(config.json.read_text(), parse_constant=pytest.fail)
    assert {"machine", "checkpoint", "next", "speed", "date", "seeds", *PARTS} <= set(stored)
    assert stored["edits"]["5"]["full"]["interval"] == list(
        results["edits"]["5"]["full"]["interval"]
    )


def test_every_score_has_a_standard_error(evaluated):
    results, _, _ = evaluated
    for entry in (
        results["next"],
        results["rollout"]["8"],
        results["revisit"]["4"]["off"],
        results["self_revisit"]["4"]["full"],
    ):
        assert set(SCORES) | {"flying", "sharpness_unseen"} <= set(entry)
        assert set(entry["se"]) == set(entry) - {"n", "frames", "se"}
    assert results["rollout"]["8"]["se"]["copy_last"] > 0


def test_the_console_shows_every_part(evaluated):
    _, _, shown = evaluated
    for name in ("next", "self_revisit 4 full", "edits 5 full", "control", "pose", "drift 20"):
        assert name in shown


def test_the_report_tells_where_it_was_measured(report: Path, evaluated):
    results, _, _ = evaluated
    text = report.read_text()
    machine = results["machine"]
    commit = machine["commit"] or "not a checkout"
    for fact in (machine["cpu"], machine["torch"], commit, results["date"], "plane"):
        assert str(fact) in text
    assert results["seeds"] in text


def test_the_report_tells_means_with_their_errors(report: Path, evaluated):
    results, _, _ = evaluated
    text = report.read_text()
    scores = results["rollout"]["8"]
    assert f"{scores['psnr']:.1f} ± {scores['se']['psnr']:.1f}" in text
    assert "| rollout 8 |" in text and "| rollout 4 |" not in text
    assert "95% interval" in text


def test_a_mean_of_one_seed_stands_without_an_error():
    assert with_error({"a": 2.0, "se": {"a": None}}, "a", ".1f") == "2.0"
    assert with_error({"a": 2.0, "se": {"a": 0.5}}, "a", ".1f") == "2.0 ± 0.5"
    assert with_error({"a": None, "se": {"a": None}}, "a", ".1f") == "–"


def test_every_picture_of_the_report_lies_beside_it(report: Path):
    pytest.importorskip("matplotlib")
    pictures = {line[4:-1] for line in report.read_text().splitlines() if line.startswith("![](")}
    assert {"rollout.png", "revisit.png", "drift_20.png", "strip_00.png"} <= pictures
    assert pictures == {path.name for path in report.parent.glob("*.png")}


def test_the_plots_are_not_empty(report: Path):
    pytest.importorskip("matplotlib")
    for name in ("rollout.png", "revisit.png", "drift_20.png"):
        picture = np.asarray(Image.open(report.parent / name).convert("L"))
        assert min(picture.shape) > 300 and 0.005 < (picture < 200).mean() < 0.5


def test_without_matplotlib_the_report_has_no_plots_and_says_how_to_get_them(
    evaluated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    results, arena, _ = evaluated
    path = write_report(results, arena.strips, tmp_path)
    assert "worldsim-engine[report]" in path.read_text()
    assert "rollout 8" in path.read_text()
    assert {picture.stem[:5] for picture in tmp_path.glob("*.png")} == {"strip"}
