"""`speed`: how long the dreamed frames of all suites took, and each stage of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from worldsim.evaluate.driver import Driver


def speed(driver: Driver) -> dict[str, object]:
    """Sustained frames a second over everything dreamed so far, and percentiles in ms."""
    steps = driver.step_s
    stages = {name: dict(times) for name, times in driver.engine.metrics.stages_ms().items()}
    return {
        "frames": len(steps),
        "fps": len(steps) / sum(steps) if steps else None,
        "step_ms": percentiles_ms(steps),
        "stages_ms": stages,
    }


def percentiles_ms(
    durations_s: Sequence[float],
) -> dict[str, float]:
    """Median, 95th and 99th percentile, milliseconds; empty for no durations."""
    if not durations_s:
        return {}
    values = np.percentile(np.array(durations_s) * 1e3, (50, 95, 99))
    return dict(zip(("p50", "p95", "p99"), (float(v) for v in values), strict=True))
