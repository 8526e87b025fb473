"""The numbers of one run, for people and for benchmarks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from worldsim.play.loop import ModelLoop
from worldsim.play.stats import Quantiles, memory_mb
from worldsim.record.output import replace_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How a run went. Times exclude pauses and loading; None: this world or system cannot tell."""

    world: str
    seed: int | None
    scene: str | None
    frames: int
    fps: float
    tick_ms: Quantiles
    stages_ms: Mapping[str, Mapping[str, float]]
    first_view_s: float | None  # from the start of the command until the menu answers
    first_frame_s: float | None  # from the start of the command to the first frame after a tick
    memory_mb: float | None  # the most the process has held
    keyframes: int | None

    def write(self, path: Path) -> None:
        """Write JSON in one step: the file is either whole or as it was."""
        replace_file(path, (json.dumps(asdict(self), indent=2) + "\n").encode())


def report_on(loop: ModelLoop, *, started_at_s: float, first_view_s: float | None = None) -> Report:
    """The report of a loop whose `run` has returned; the times are on the loop's clock."""
    pulse, meter = loop.final_pulse(), loop.meter

    def since_start(time_s: float | None) -> float | None:
        return None if time_s is None else time_s - started_at_s

    return Report(
        world=loop.world,
        seed=loop.origin.seed,
        scene=loop.origin.scene,
        frames=meter.frames,
        fps=meter.fps(),
        tick_ms=pulse.tick_ms,
        stages_ms={name: dict(quantiles) for name, quantiles in pulse.stages_ms.items()},
        first_view_s=since_start(first_view_s),
        first_frame_s=since_start(meter.first_tick_s),
        memory_mb=memory_mb(),
        keyframes=pulse.keyframes,
    )
