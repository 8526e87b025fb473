"""Time, injected: a clock that can be faked, and pacing by deadlines that never bursts."""

from __future__ import annotations

import time
from typing import Protocol

from worldsim.errors import ConfigError

SPIN_S = 0.0015  # an operating system's sleep wakes up late by about this much


class Clock(Protocol):
    """A steady clock in seconds. Only differences between its times mean anything."""

    def now(self) -> float: ...

    def sleep_until(self, deadline_s: float) -> None: ...


class RealClock:
    """`perf_counter`; sleeps for most of a wait and spins for its end, which a sleep would miss."""

    def now(self) -> float:
        return time.perf_counter()

    def sleep_until(self, deadline_s: float) -> None:
        rest = deadline_s - self.now() - SPIN_S
        if rest > 0:
            time.sleep(rest)
        while self.now() < deadline_s:
            time.sleep(0)  # lets the other thread have the interpreter while we spin


class Pacing(Protocol):
    """Something that holds a loop back until its next turn is due."""

    def wait(self) -> None: ...


class Pacer:
    """Lets a loop turn once per period.

    A turn that is late by less than half a period keeps the rhythm: the next one comes a little
    sooner. Later than that, the missed time is forgotten: the rhythm starts anew from now, so that
    a slow turn is never followed by a burst of quick ones.
    """

    def __init__(self, clock: Clock, period_s: float) -> None:
        if not period_s > 0:
            raise ConfigError("a period above 0 s", f"{period_s}", "Pass 1 / rate.")
        self._clock = clock
        self._period_s = period_s
        self._due_s = clock.now()

    def wait(self) -> None:
        self._clock.sleep_until(self._due_s)
        now = self._clock.now()
        on_time = now - self._due_s < self._period_s / 2
        self._due_s = (self._due_s if on_time else now) + self._period_s


class Unpaced:
    """Turns as fast as the work allows: rendering without a window, tests."""

    def wait(self) -> None:
        return
