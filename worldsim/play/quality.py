"""Fewer denoising steps while ticks are late, and all of them again when there is time.

Hysteresis: a world gives up a step after a second in which many ticks were late. It gets it back
only after some seconds with room to spare, and each time that this was too soon it waits twice as
long before it tries again.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from worldsim.errors import ConfigError
from worldsim.play.stats import Ring
from worldsim.play.traits import Stepping
from worldsim.types import TICK_HZ, TICK_S

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityConfig:
    """When to change the steps. Ticks are counted since the last change."""

    deadline_ms: float = TICK_S * 1e3
    judged: int = TICK_HZ  # ticks that decide whether to give up a step
    late_share: float = 0.3  # of them past the deadline
    patience: int = 5 * TICK_HZ  # ticks that decide whether to take it back
    most_patience: int = 120 * TICK_HZ
    room: float = 0.6  # of the deadline: below, there is time for more
    late_allowed: float = 0.05  # of the patient ticks may be above

    def __post_init__(self) -> None:
        if not (0 < self.judged <= self.patience <= self.most_patience and 0 < self.room < 1):
            raise ConfigError(
                "0 < judged <= patience <= most_patience and a room below 1",
                f"{self}",
                "Correct it.",
            )


class Quality:
    """Owns the decision; the steps themselves belong to the world."""

    def __init__(self, config: QualityConfig | None = None) -> None:
        self.config = config or QualityConfig()
        self._world: object = None
        self._usual = 1  # steps
        self._begin()

    def ticked(self, world: object, took_ms: float) -> None:
        """Judge a tick of a world; its steps may be others at its next tick."""
        if not isinstance(world, Stepping):
            return
        if world is not self._world:
            self._world, self._usual = world, max(world.steps, 1)
            self._begin()
        self._since.add(took_ms)
        if world.steps > 1 and self._is_late():
            self._change(world, -1)
        elif world.steps < self._usual and self._has_room():
            self._change(world, +1)

    def _begin(self) -> None:
        self._patience = self.config.patience
        self._since = Ring(self.config.patience)
        self._rose = False  # at the last change

    def _is_late(self) -> bool:
        if len(self._since) < self.config.judged:
            return False
        latest = self._since.latest()[-self.config.judged :]
        return bool((latest > self.config.deadline_ms).mean() >= self.config.late_share)

    def _has_room(self) -> bool:
        if len(self._since) < self._patience:
            return False
        near = self._since.latest() > self.config.room * self.config.deadline_ms
        return bool(near.mean() <= self.config.late_allowed)

    def _change(self, world: Stepping, by: int) -> None:
        if by < 0 and self._rose:  # it was too soon
            self._patience = min(2 * self._patience, self.config.most_patience)
        p50 = float(np.median(self._since.latest()))
        log.info("%d denoising steps: ticks took %.1f ms", world.steps + by, p50)
        world.steps += by
        self._rose = by > 0
        self._since = Ring(self._patience)
