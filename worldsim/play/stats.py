"""Tick times and rates over ring buffers, and what the process is and costs."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

REPORTED_TICKS = 16384
QUANTILES = {"p50": 50.0, "p95": 95.0, "p99": 99.0}


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Milliseconds."""

    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0


class Ring:
    """The last `capacity` numbers."""

    def __init__(self, capacity: int) -> None:
        self._values = np.zeros(capacity)
        self._count = 0

    def __len__(self) -> int:
        return min(self._count, len(self._values))

    def add(self, value: float) -> None:
        self._values[self._count % len(self._values)] = value
        self._count += 1

    def latest(self) -> NDArray[np.float64]:  # [<= capacity], oldest first
        return self._values[np.arange(self._count - len(self), self._count) % len(self._values)]

    def quantiles(self) -> Quantiles:
        values = self.latest()
        if not len(values):
            return Quantiles()
        return Quantiles(*(float(q) for q in np.percentile(values, list(QUANTILES.values()))))


class Rate:
    """How often something happened per second, over the last `window_s`."""

    def __init__(self, window_s: float = 1.0, capacity: int = 512) -> None:
        self._window_s = window_s
        self._times = Ring(capacity)

    def mark(self, now_s: float) -> None:
        self._times.add(now_s)

    def hz(self, now_s: float) -> float:
        times = self._times.latest()
        times = times[times >= now_s - self._window_s]
        if len(times) < 2:
            return 0.0
        return float((len(times) - 1) / max(times[-1] - times[0], 1e-9))


class TickMeter:
    """How long ticks took and how long was played, pauses and loading left out."""

    def __init__(self) -> None:
        self.tick_ms = Ring(REPORTED_TICKS)
        self.rate = Rate()
        self.frames = 0
        self.played_s = 0.0
        self.first_tick_s: float | None = None
        self._last_tick_s: float | None = None

    def ticked(self, started_s: float, ended_s: float) -> float:
        """Count one tick; returns its milliseconds."""
        took_ms = (ended_s - started_s) * 1e3
        self.tick_ms.add(took_ms)
        self.rate.mark(ended_s)
        self.played_s += ended_s - (started_s if self._last_tick_s is None else self._last_tick_s)
        self._last_tick_s = ended_s
        self.frames += 1
        if self.first_tick_s is None:
            self.first_tick_s = ended_s
        return took_ms

    def interrupted(self) -> None:
        """The time until the next tick is not time played."""
        self._last_tick_s = None

    def fps(self) -> float:
        return self.frames / self.played_s if self.played_s > 0 else 0.0


def memory_mb() -> float | None:
    """The most memory this process has held, in MiB; None where the system does not tell."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def resident_mb() -> float | None:
    """The memory this process holds now, in MiB; None where the system does not tell."""
    pages = Path("/proc/self/statm")
    if not pages.exists():
        return None
    return int(pages.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def open_files() -> int | None:
    """How many files, sockets and pipes this process has open; None where that is not told."""
    for folder in (Path("/proc/self/fd"), Path("/dev/fd")):
        if folder.is_dir():
            return len(list(folder.iterdir())) - 1  # one of them is this look
    return None


def process_age_s() -> float | None:
    """Seconds since this process started; None where the system does not tell."""
    stat = Path("/proc/self/stat")
    if not stat.exists():
        return None
    after_name = stat.read_text().rpartition(")")[2].split()
    started_s = int(after_name[19]) / os.sysconf("SC_CLK_TCK")  # field 22 of proc(5)
    now_s = time.clock_gettime(time.CLOCK_BOOTTIME)
    return max(0.0, now_s - started_s)


def installed_versions(*distributions: str) -> dict[str, str]:
    """The installed ones among these distributions, with their versions."""
    versions = {}
    for name in distributions:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
