"""How long the stages of a step take, measured from outside the stages."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

WINDOW = 2_000  # steps remembered per stage


class Metrics:
    """Owns the recent durations of each stage."""

    def __init__(self) -> None:
        self._seconds: dict[str, deque[float]] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time one stage of a step."""
        begun = time.perf_counter()
        yield
        self._seconds.setdefault(name, deque(maxlen=WINDOW)).append(time.perf_counter() - begun)

    def stages_ms(self) -> dict[str, dict[str, float]]:
        """p50, p95 and p99 of each stage in milliseconds, in the order of first use."""
        return {
            name: {
                f"p{p}": round(float(np.percentile(np.array(times), p)) * 1e3, 3)
                for p in (50, 95, 99)
            }
            for name, times in self._seconds.items()
        }

    def clear(self) -> None:
        self._seconds.clear()
