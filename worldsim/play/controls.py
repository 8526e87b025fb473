"""From window events to the mailbox and to commands; owns whether the mouse is grabbed and paused.

Escape leaves in two steps: it pauses and frees the mouse, then it quits. A click takes the mouse
(and resumes) without being a blow in the world.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto

from worldsim.play.keymap import Command, Keymap, Turn
from worldsim.play.mailbox import Mailbox
from worldsim.play.window import Event, FocusLost, Key, MouseMoved, Quit
from worldsim.types import BUTTONS

MAX_REFRESH_S = 0.1  # a turn key held over a stall turns no further than this
GRABBING_KEY = "mouse left"


class Wish(Enum):
    """What the display has to do about the player's commands."""

    pause = auto()
    resume = auto()
    reset = auto()
    switch_world = auto()
    rewind = auto()  # until `go_on`
    go_on = auto()
    branch = auto()
    next_branch = auto()
    previous_branch = auto()
    save = auto()
    quick_save = auto()
    quick_load = auto()
    toggle_hud = auto()
    toggle_debug = auto()
    toggle_fullscreen = auto()
    take_screenshot = auto()
    quit = auto()


_SIMPLE = {
    Command.reset: Wish.reset,
    Command.switch_world: Wish.switch_world,
    Command.rewind: Wish.rewind,
    Command.branch: Wish.branch,
    Command.next_branch: Wish.next_branch,
    Command.previous_branch: Wish.previous_branch,
    Command.save: Wish.save,
    Command.quick_save: Wish.quick_save,
    Command.quick_load: Wish.quick_load,
    Command.hud: Wish.toggle_hud,
    Command.debug: Wish.toggle_debug,
    Command.fullscreen: Wish.toggle_fullscreen,
    Command.screenshot: Wish.take_screenshot,
}


class Controls:
    """Feeds a mailbox with events. Later input devices add their events here."""

    def __init__(self, keymap: Keymap, mailbox: Mailbox) -> None:
        self.grabbed = False
        self.paused = False
        self._keymap = keymap
        self._mailbox = mailbox
        self._down: set[str] = set()
        self._turning: set[Turn] = set()
        self._grab_on_resume = False
        self._rewinding = False

    def handle(self, events: Sequence[Event], dt_s: float) -> list[Wish]:
        """Take in what happened during the last refresh of `dt_s` seconds."""
        self._turning = {turn for turn in Turn if self._is_down(turn.name)}
        wishes: list[Wish] = []
        for event in events:
            wishes += self._handle(event)
        wishes += self._let_time_go_on(wishes)
        self._turn_by_keys(min(dt_s, MAX_REFRESH_S))
        return wishes

    def _handle(self, event: Event) -> list[Wish]:
        match event:
            case Quit():
                return [Wish.quit]
            case FocusLost():
                self._let_go()
                self.grabbed = False
            case MouseMoved() if self.grabbed and not self.paused:
                self._look(event)
            case Key(name, down=True):
                return self._pressed(name)
            case Key(name, down=False):
                self._released(name)
        return []

    def _pressed(self, key: str) -> list[Wish]:
        if key == GRABBING_KEY and not self.grabbed:
            self.grabbed = True
            return self._resume()
        self._down.add(key)
        target = self._keymap.target_of.get(key, "")
        if target in Turn.__members__:
            self._turning.add(Turn[target])
        if target in BUTTONS and not self.paused:
            self._mailbox.press(target)
        return self._command(Command[target]) if target in Command.__members__ else []

    def _released(self, key: str) -> None:
        self._down.discard(key)
        target = self._keymap.target_of.get(key, "")
        if target in BUTTONS and not self._is_down(target):
            self._mailbox.release(target)

    def _command(self, command: Command) -> list[Wish]:
        if command is Command.menu:
            return [Wish.quit] if self.paused else self._pause()
        if command is Command.pause:
            return self._toggle_pause()
        return [_SIMPLE[command]]

    def _toggle_pause(self) -> list[Wish]:
        if self.paused:
            self.grabbed = self._grab_on_resume
            return self._resume()
        grabbed = self.grabbed
        wishes = self._pause()
        self._grab_on_resume = grabbed
        return wishes

    def _pause(self) -> list[Wish]:
        self._grab_on_resume = False
        self.paused, self.grabbed = True, False
        self._let_go()
        return [Wish.pause]

    def _resume(self) -> list[Wish]:
        was_paused, self.paused = self.paused, False
        return [Wish.resume] if was_paused else []

    def _let_time_go_on(self, wishes: Sequence[Wish]) -> list[Wish]:
        """Going back ends with its key, however that is let go."""
        rewound = self._rewinding or Wish.rewind in wishes
        self._rewinding = rewound and self._is_down(Command.rewind.name)
        return [Wish.go_on] if rewound and not self._rewinding else []

    def _let_go(self) -> None:
        self._down.clear()
        self._turning.clear()
        self._mailbox.release_all()

    def _look(self, moved: MouseMoved) -> None:
        look = self._keymap.look
        down = -moved.dy_px if look.invert_y else moved.dy_px
        self._mailbox.turn(moved.dx_px * look.mouse_deg_per_px, down * look.mouse_deg_per_px)

    def _turn_by_keys(self, dt_s: float) -> None:
        step_deg = self._keymap.look.keys_deg_per_s * dt_s
        for turn in sorted(self._turning, key=lambda turn: turn.name) if not self.paused else ():
            yaw, pitch = turn.value
            self._mailbox.turn(yaw * step_deg, pitch * step_deg)

    def _is_down(self, target: str) -> bool:
        return any(key in self._down for key in self._keymap.keys_of(target))
