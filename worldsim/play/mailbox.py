"""Where the player's input waits for the model thread; nothing put in is ever lost.

Three rules: mouse motion is summed, a held button counts with its latest state, and each tap is
kept until a tick has seen it. A button that was let go and pressed again is seen up before it is
seen down again, so two taps during one slow tick are two blows.
"""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from worldsim.errors import ActionError
from worldsim.types import BUTTONS, MAX_TURN_DEG, Action


@dataclass(frozen=True, slots=True)
class Motion:
    """A camera motion in degrees: yaw right-positive, pitch down-positive."""

    yaw_deg: float = 0.0
    pitch_deg: float = 0.0

    def __add__(self, other: Motion) -> Motion:
        return Motion(self.yaw_deg + other.yaw_deg, self.pitch_deg + other.pitch_deg)

    def __sub__(self, other: Motion) -> Motion:
        return Motion(self.yaw_deg - other.yaw_deg, self.pitch_deg - other.pitch_deg)


@dataclass(frozen=True, slots=True)
class Taken:
    """One tick's action, and all the motion that actions have used up so far, this one included."""

    action: Action
    used: Motion


class InputSource(Protocol):
    """Where actions come from: a player's mailbox, a script, later a gamepad or an agent."""

    def take(self) -> Taken:
        """The next tick's action."""

    def unused(self, used: Motion) -> Motion:
        """The motion that came in beyond `used`: how far the view is ahead of a frame."""

    def held(self) -> frozenset[str]:
        """The buttons that the next tick will find pressed, as far as is known by now."""

    def forget(self) -> Motion:
        """Drop what waits, as the world has changed; returns all the motion there has been."""


class Mailbox:
    """The latest input, written by the display thread and taken by the model thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: set[str] = set()
        self._taps: Counter[str] = Counter()  # that no tick has seen yet
        self._down: set[str] = set()  # in the last tick
        self._arrived = Motion()
        self._used = Motion()

    def turn(self, yaw_deg: float, pitch_deg: float) -> None:
        with self._lock:
            self._arrived += Motion(yaw_deg, pitch_deg)

    def press(self, button: str) -> None:
        if button not in BUTTONS:
            raise ActionError(f"a button among {list(BUTTONS)}", repr(button), "Correct its name.")
        with self._lock:
            if button not in self._held:
                self._held.add(button)
                self._taps[button] += 1

    def release(self, button: str) -> None:
        with self._lock:
            self._held.discard(button)

    def release_all(self) -> None:
        """Let go of every button, taps included: the window lost the keyboard, or play paused."""
        with self._lock:
            self._held.clear()
            self._taps.clear()

    def take(self) -> Taken:
        """This tick's action. Motion beyond what one tick may turn waits for the next."""
        with self._lock:
            again = self._down & self._taps.keys()  # these have to come up first
            self._down = (self._held | self._taps.keys()) - again
            self._taps -= Counter(self._down)
            buttons = dict.fromkeys(self._down, True)
            waiting = self._arrived - self._used
            step = Motion(_clipped(waiting.yaw_deg), _clipped(waiting.pitch_deg))
            self._used += step
            return Taken(
                Action(**buttons, yaw_deg=step.yaw_deg, pitch_deg=step.pitch_deg), self._used
            )

    def unused(self, used: Motion) -> Motion:
        with self._lock:
            return self._arrived - used

    def held(self) -> frozenset[str]:
        with self._lock:
            return frozenset(self._held | self._taps.keys())

    def forget(self) -> Motion:
        with self._lock:
            self._taps.clear()
            self._down.clear()
            self._used = self._arrived
            return self._used


class ScriptedInput:
    """A list of actions as a player, over and over."""

    def __init__(self, actions: Sequence[Action]) -> None:
        if not actions:
            raise ActionError("a script of one action or more", "none", "Use another script.")
        self._actions = itertools.cycle(actions)
        self._used = Motion()

    def take(self) -> Taken:
        action = next(self._actions)
        self._used += Motion(action.yaw_deg, action.pitch_deg)
        return Taken(action, self._used)

    def unused(self, used: Motion) -> Motion:
        return self._used - used

    def held(self) -> frozenset[str]:
        return frozenset()

    def forget(self) -> Motion:
        return self._used


class RecordedInput:
    """The actions of an episode as a player: once, and from any tick."""

    def __init__(self, actions: Sequence[Action]) -> None:
        self._actions = actions
        self._next = 0
        self._used = Motion()

    @property
    def ended(self) -> bool:
        return self._next >= len(self._actions)

    def seek(self, tick: int) -> None:
        """Go on with the action of this tick."""
        self._next = tick

    def take(self) -> Taken:
        """The next action; must not be asked for after the end."""
        action = self._actions[self._next]
        self._next += 1
        self._used += Motion(action.yaw_deg, action.pitch_deg)
        return Taken(action, self._used)

    def unused(self, used: Motion) -> Motion:
        return self._used - used

    def held(self) -> frozenset[str]:
        return frozenset() if self.ended else pressed(self._actions[self._next])

    def forget(self) -> Motion:
        return self._used


def pressed(action: Action) -> frozenset[str]:
    """The buttons of an action."""
    return frozenset(name for name in BUTTONS if getattr(action, name))


def _clipped(degrees: float) -> float:
    return min(max(degrees, -MAX_TURN_DEG), MAX_TURN_DEG)
