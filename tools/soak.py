"""Play for hours in minutes and watch for leaks: `python -m worldsim.tools.soak --ticks 72000`.

An agent drives through the real loop, without a window and as fast as the machine can. Told for
each part of the run, as it ends: tick times, memory, threads and open files. What a game may
gather, such as keyframes and the way back in time, has its limits: after those, nothing may grow.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import tyro
from rich.console import Console

from worldsim.camera import Intrinsics
from worldsim.engine.clock import Clock, RealClock
from worldsim.errors import ConfigError
from worldsim.evaluate.machine import describe_machine
from worldsim.play.app import PlayConfig, Session
from worldsim.play.console_window import ConsoleWindow
from worldsim.play.pilots import pilot_named
from worldsim.play.stats import open_files, resident_mb
from worldsim.record.format import WorldInfo
from worldsim.record.output import replace_file
from worldsim.record.worlds import MakeWorld, WorldKind, make_world
from worldsim.tools.command import run
from worldsim.types import TICK_HZ, Action, Observation, StepResult


@dataclass(frozen=True, kw_only=True)
class SoakConfig:
    """What to play, and for how long."""

    ticks: int = 20 * 60 * TICK_HZ
    """How many, in the parts together; 20 a second are the game's own pace."""
    parts: int = 10
    """Of the run, each told apart."""
    world: WorldKind = "dream"
    """The dream, or the real block world."""
    seed: int = 7
    """Which world."""
    policy: str = "scripted"
    """Who drives, as for `worldsim play --policy`."""
    checkpoint: str = "default"
    """The dream's checkpoint: a name or a folder."""
    json: Path | None = None
    """Write the numbers to this file, too, after each part."""

    def __post_init__(self) -> None:
        if not 2 <= self.parts <= self.ticks:
            raise ConfigError(
                "two parts or more, of a tick or more",
                f"{self.parts} parts of {self.ticks} ticks",
                "Let it play longer.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """What the process holds; None: this system does not tell."""

    memory_mb: float | None
    threads: int
    open_files: int | None

    @staticmethod
    def now() -> Vitals:
        return Vitals(
            memory_mb=resident_mb(), threads=threading.active_count(), open_files=open_files()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of the run, and what the process held at its end."""

    ticks: int
    p50_ms: float
    p95_ms: float
    vitals: Vitals


class SoakWatcher:
    """Times the ticks from outside, from one to the next, and takes the vitals of each part."""

    def __init__(
        self,
        config: SoakConfig,
        clock: Clock,
        measure: Callable[[], Vitals] = Vitals.now,
        told: Callable[[list[Part]], None] = lambda _parts: None,
    ) -> None:
        self.parts: list[Part] = []
        self._told = told  # at the end of each part, of all of them
        self._ends = np.linspace(0, config.ticks, config.parts + 1).round().astype(int)[1:].tolist()
        self._clock, self._measure = clock, measure
        self._took_ms: list[float] = []
        self._ticks = 0
        self._last_s: float | None = None

    def began(self, _first: Observation, _info: WorldInfo, _camera: Intrinsics, /) -> None:
        self._last_s = self._clock.now()

    def ticked(self, _action: Action, _result: StepResult, /) -> None:
        assert self._last_s is not None  # `began` comes first
        now_s = self._clock.now()
        self._took_ms.append((now_s - self._last_s) * 1e3)
        self._ticks += 1
        if self._ticks == self._ends[len(self.parts)]:
            self._end_part()
            now_s = self._clock.now()  # measuring is no tick
        self._last_s = now_s

    def ended(self) -> None:
        return

    def _end_part(self) -> None:
        p50_ms, p95_ms = np.percentile(self._took_ms, (50, 95)).tolist()
        part = Part(ticks=len(self._took_ms), p50_ms=p50_ms, p95_ms=p95_ms, vitals=self._measure())
        self.parts.append(part)
        self._took_ms = []
        self._told(self.parts)


def growth_of(parts: Sequence[Part]) -> dict[str, float | None]:
    """How much more there is at the end of the last part than at the end of the first.

    The first part is where the game fills what it may fill; `p95_ms` compares the parts' ticks.
    """
    first, last = parts[0], parts[-1]
    pairs: dict[str, tuple[float | None, float | None]] = {
        "memory_mb": (first.vitals.memory_mb, last.vitals.memory_mb),
        "threads": (first.vitals.threads, last.vitals.threads),
        "open_files": (first.vitals.open_files, last.vitals.open_files),
        "p95_ms": (first.p95_ms, last.p95_ms),
    }
    return {
        name: None if before is None or after is None else after - before
        for name, (before, after) in pairs.items()
    }


def soak(
    config: SoakConfig,
    *,
    make: MakeWorld = make_world,
    clock: Clock | None = None,
    told: Callable[[list[Part]], None] = lambda _parts: None,
) -> list[Part]:
    """Play it through; `told` hears of the parts so far. Raises what `worldsim play` raises."""
    clock = clock or RealClock()
    play = PlayConfig(
        world=config.world,
        seed=config.seed,
        checkpoint=config.checkpoint,
        policy=config.policy,
        frames=config.ticks,
        headless=True,
    )
    session = Session(
        config=play,
        make=make,
        clock=clock,
        started_at_s=clock.now(),
        pilot=pilot_named(config.policy),
    )
    watcher, window = SoakWatcher(config, clock, told=told), ConsoleWindow()
    try:
        session.play(window, scripted=True, watchers=[watcher])
    finally:
        window.close()
    return watcher.parts


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0 when played through, 2 for a user's mistake, 130 when stopped."""
    parse = partial(tyro.cli, SoakConfig, args=argv, description=__doc__)
    return run(parse, play_and_tell, "Stopped. What it told so far holds.")


def play_and_tell(config: SoakConfig, console: Console, *, make: MakeWorld = make_world) -> None:
    """Play, with a line for each part, and one of what grew."""

    def tell(parts: list[Part]) -> None:
        if config.json is not None:
            write_report(config.json, config, parts)
        console.print(f"{len(parts)} of {config.parts}: {as_text(parts[-1])}", soft_wrap=True)

    parts = soak(config, make=make, told=tell)
    grown = [
        f"{name} {'-' if more is None else f'{more:+.1f}'}"
        for name, more in growth_of(parts).items()
    ]
    console.print(f"from the first part to the last: {', '.join(grown)}", soft_wrap=True)


def as_text(part: Part) -> str:
    """A part's numbers in one line."""
    held = part.vitals
    memory = "" if held.memory_mb is None else f", {held.memory_mb:.0f} MiB"
    files = "" if held.open_files is None else f", {held.open_files} open files"
    times = f"{part.ticks} ticks, p50 {part.p50_ms:.1f} ms, p95 {part.p95_ms:.1f} ms"
    return f"{times}{memory}, {held.threads} threads{files}"


def write_report(path: Path, config: SoakConfig, parts: Sequence[Part]) -> None:
    """The parts so far, as JSON; whole or not at all."""
    report = {
        "machine": describe_machine(),
        "config": {**asdict(config), "json": str(config.json)},
        "parts": [asdict(part) for part in parts],
        "growth": growth_of(parts),
    }
    replace_file(path, (json.dumps(report, indent=2) + "\n").encode())


if __name__ == "__main__":
    sys.exit(main())
