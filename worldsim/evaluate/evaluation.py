"""One evaluation: all parts with a progress bar, then tables, JSON and report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from time import perf_counter

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from worldsim.engine.engine import WorldEngine
from worldsim.envs.blocks.world import BlockWorld
from worldsim.evaluate.arena import Arena
from worldsim.evaluate.budget import BUDGETS, PARTS
from worldsim.evaluate.driver import Driver
from worldsim.evaluate.machine import describe_machine
from worldsim.evaluate.page import write_report
from worldsim.evaluate.report import EvalConfig
from worldsim.evaluate.suites import frames_of, run_parts
from worldsim.evaluate.tables import Results, console_tables
from worldsim.record.output import replace_file


def evaluate_checkpoint(config: EvalConfig, console: Console) -> None:
    """Load the checkpoint and the true world, measure, tell."""
    engine = WorldEngine.from_pretrained(
        config.checkpoint, device=config.device, steps=config.steps, backend=config.backend
    )
    truth = BlockWorld(engine.intrinsics, renderer=config.renderer)
    arena = Arena(Driver(engine), truth, list(config.seed_range))
    checkpoint = {"name": config.checkpoint, "hash": engine.model_hash, "backend": engine.backend}
    try:
        results = evaluate(arena, config, checkpoint, console)
    finally:
        truth.close()
    tell(results, arena, config, console)


def evaluate(
    arena: Arena, config: EvalConfig, checkpoint: Mapping[str, str], console: Console
) -> Results:
    """All results as one JSON-able mapping, with a progress bar on the console."""
    budget, parts = BUDGETS[config.suite], config.only or PARTS
    begun_s = perf_counter()
    total = sum(frames_of(part, budget, len(arena.seeds)) for part in parts)
    with _progress(console) as progress:
        task = progress.add_task("", total=total)
        arena.driver.on_frame = lambda count: progress.advance(task, count)
        measured = run_parts(
            arena, budget, parts, on_part=lambda part: progress.update(task, description=part)
        )
    return {
        "suite": config.suite,
        "seeds": config.seeds,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "took_s": perf_counter() - begun_s,
        "machine": describe_machine(),
        "checkpoint": dict(checkpoint),
        **measured,
    }


def tell(results: Results, arena: Arena, config: EvalConfig, console: Console) -> None:
    """Print the tables; write the JSON file and the report that were asked for."""
    for table in console_tables(results):
        console.print(table)
    if config.json is not None:
        text = json.dumps(results, indent=2, allow_nan=False) + "\n"
        replace_file(config.json, text.encode())
        console.print(f"results: {config.json}")
    if config.report is not None:
        console.print(f"report: {write_report(results, arena.strips, config.report)}")


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("frames,"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
    )
