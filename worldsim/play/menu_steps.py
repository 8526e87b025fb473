"""From events to moves in the menu, on keyboard and gamepad alike, with repeats while held.

These keys are fixed: a keymap gone wrong must never lock the player out of the menu.
"""

from __future__ import annotations

from worldsim.play.menu_screen import Step
from worldsim.play.sticks import Deflection
from worldsim.play.window import Event, Key, StickMoved

KEY_STEPS = {
    "up": Step.up,
    "down": Step.down,
    "left": Step.left,
    "right": Step.right,
    "w": Step.up,
    "s": Step.down,
    "a": Step.left,
    "d": Step.right,
    "mouse wheel up": Step.up,
    "mouse wheel down": Step.down,
    "return": Step.accept,
    "enter": Step.accept,
    "space": Step.accept,
    "escape": Step.back,
    "mouse right": Step.back,
    "pad up": Step.up,
    "pad down": Step.down,
    "pad left": Step.left,
    "pad right": Step.right,
    "pad a": Step.accept,
    "pad b": Step.back,
    "pad start": Step.leave,
}
MOVES = (Step.up, Step.down, Step.left, Step.right)
STICK = "left"
STICK_OUT, STICK_BACK = 0.6, 0.4
FIRST_REPEAT_S, REPEAT_S = 0.4, 0.08


class Steps:
    """Owns which direction is held, and for how long."""

    def __init__(self) -> None:
        self._held: dict[str, Step] = {}  # by key, the latest last
        self._wait_s = 0.0

    def begin(self, stick: Deflection) -> None:
        """The menu opens: what is held down already moves nothing."""
        self._held.clear()
        step = _stick_step(stick)
        if step is not None:
            self._held[STICK] = step
        self._wait_s = float("inf")

    def of(self, event: Event) -> Step | None:
        """The move that an event makes at once."""
        if isinstance(event, Key):
            if not event.down:
                self._held.pop(event.name, None)
                return None
            step = KEY_STEPS.get(event.name)
            return self._hold(event.name, step) if step in MOVES else step
        if isinstance(event, StickMoved) and event.stick == STICK:
            return self._pushed(Deflection(event.x, event.y))
        return None

    def repeated(self, dt_s: float) -> Step | None:
        """The move that a direction held for so much longer makes; one at most."""
        if not self._held:
            return None
        self._wait_s -= dt_s
        if self._wait_s > 0:
            return None
        self._wait_s = REPEAT_S
        return list(self._held.values())[-1]

    def _hold(self, name: str, step: Step | None) -> Step | None:
        if step is not None:
            self._held[name] = step
            self._wait_s = FIRST_REPEAT_S
        return step

    def _pushed(self, to: Deflection) -> Step | None:
        step, was = _stick_step(to), self._held.get(STICK)
        if step is not None and step is not was:
            return self._hold(STICK, step)
        if to.length < STICK_BACK:
            self._held.pop(STICK, None)
        return None


def _stick_step(stick: Deflection) -> Step | None:
    if stick.length < STICK_OUT:
        return None
    if abs(stick.x) > abs(stick.y):
        return Step.right if stick.x > 0 else Step.left
    return Step.down if stick.y > 0 else Step.up
