"""Proves and times going back: rewind, branch, play both branches, come back, save, load.

Run as `python -m worldsim.tools.bench_time_travel`. Every frame that comes twice is compared bit
for bit with the first time; no number is printed if one differs.
"""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from worldsim.errors import StateError
from worldsim.play.orders import Start
from worldsim.play.save_file import read_save, write_save
from worldsim.play.stage import Stage
from worldsim.play.timeline import RewindConfig
from worldsim.record.script import compile_script, load_script
from worldsim.record.worlds import WorldConfig, WorldKind, make_world
from worldsim.types import TICK_HZ, Action

Frames = list[NDArray[np.uint8]]
Rows = dict[str, float]


@dataclass(frozen=True, kw_only=True)
class BenchConfig:
    """What is played."""

    world: WorldKind = "dream"
    checkpoint: str = "default"
    script: str = "stroll"
    seed: int = 7
    play_s: float = 35.0
    """Played before going back."""
    back_s: float = 30.0
    """How far to go back."""
    ticks: int = 100
    """Played on each branch."""
    threads: int = 2


def measure(stage: Stage, actions: Sequence[Action], back_ticks: int, ticks: int) -> Rows:
    """Milliseconds, and bytes, by name. StateError if a frame comes out differently."""
    rows: Rows = {}
    past = play(stage, actions)
    rows["ring, MB"] = stage.past_nbytes / 1e6
    rows["ring, s"] = stage.past.kept_ticks / TICK_HZ
    stage.halt()
    shown: list[float] = []
    while stage.past.back_ticks < min(back_ticks, stage.past.kept_ticks):
        shown.append(timed(stage.go_back))
    rows["show an earlier frame, ms"] = float(np.median(shown))
    left = len(past) - stage.past.back_ticks
    stage.branch()
    rows["let go, ms"] = timed(stage.go_on)
    require_equal([seen(stage)], past[left - 1 : left], "the frame gone back to")
    ours = play(stage, islice(cycle(actions[::-1]), ticks))
    rows["go to the other branch, ms"] = timed(lambda: stage.visit(1))
    require_equal([seen(stage)], past[-1:], "the frame of the branch that was left")
    theirs = play(stage, islice(cycle(actions), ticks))
    stage.visit(1)
    require_equal([seen(stage)], ours[-1:], "the last frame of the new branch")
    stage.visit(1)
    require_equal([seen(stage)], theirs[-1:], "the last frame of the old branch")
    return rows | measure_save(stage, actions[:ticks])


def measure_save(stage: Stage, actions: Sequence[Action]) -> Rows:
    """Save, play on, load, and play the same again."""
    rows: Rows = {"keep a state, ms": timed(stage.keep)}
    info, kept = stage.keep()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.wsave"
        rows["save, on its thread, ms"] = timed(
            lambda: write_save(path, info, seen(stage), kept.to_bytes())
        )
        rows["file, MB"] = path.stat().st_size / 1e6
        first = play(stage, actions)
        rows["load, ms"] = timed(lambda: stage.load(read_save(path)))
    require_equal(play(stage, actions), first, "what follows a loaded game")
    return rows


def play(stage: Stage, actions: Sequence[Action] | islice[Action]) -> Frames:
    frames = []
    for action in actions:
        stage.step(action)
        frames.append(seen(stage))
    return frames


def seen(stage: Stage) -> NDArray[np.uint8]:
    assert stage.observation is not None  # it has begun
    return stage.observation.rgb


def require_equal(ours: Frames, theirs: Frames, what: str) -> None:
    if not np.array_equal(ours, theirs):
        raise StateError(f"{what} to be the recorded one", "another", "Run the tests.")


def timed(call: Callable[[], object]) -> float:
    """Milliseconds of one call."""
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e3


def main(config: BenchConfig) -> None:
    torch.set_num_threads(config.threads)
    made = make_world(WorldConfig(kind=config.world, checkpoint=config.checkpoint))
    stage = Stage(made, RewindConfig())
    stage.start(Start(seed=config.seed))
    script = compile_script(load_script(config.script))
    actions = list(islice(cycle(script), round(config.play_s * TICK_HZ)))
    rows = measure(stage, actions, round(config.back_s * TICK_HZ), config.ticks)
    stage.close()
    table = Table("what", "measured")
    for name, value in rows.items():
        table.add_row(name, f"{value:.2f}")
    about = f"{platform.processor() or platform.machine()}, torch {torch.__version__}"
    Console().print(
        f"{about}, {config.threads} threads, load {os.getloadavg()[0]:.1f}: all frames equal", table
    )


if __name__ == "__main__":
    main(tyro.cli(BenchConfig))
