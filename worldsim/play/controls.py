"""From window events to the mailbox, the menu and commands.

Owns the keymap, and whether the mouse is grabbed and the game paused. Escape frees the mouse and
opens the menu, where all input goes until it is left. A click takes the mouse (and resumes) without
being a blow in the world.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from worldsim.play.keymap import OVERLAY_KEYS, Command, Keymap, Turn
from worldsim.play.mailbox import Mailbox
from worldsim.play.menu import Menu
from worldsim.play.menu_pages import Reply
from worldsim.play.menu_steps import KEY_STEPS
from worldsim.play.orders import Load, Order, Request, SaveAs
from worldsim.play.saves import QUICK
from worldsim.play.sticks import Deflection, shaped, walked
from worldsim.play.window import (
    Event,
    FileDropped,
    FocusLost,
    Key,
    MouseMoved,
    PadPlugged,
    Quit,
    StickMoved,
    StickName,
)
from worldsim.types import BUTTONS

MAX_REFRESH_S = 0.1  # a turn key held over a stall turns no further than this
GRABBING_KEY = "mouse left"


class Wish(Enum):
    """What the player wants of the display itself."""

    toggle_hud = auto()
    toggle_debug = auto()
    toggle_fullscreen = auto()
    cycle_warp = auto()
    take_screenshot = auto()
    save_keymap = auto()
    quit = auto()


@dataclass(frozen=True, slots=True)
class Say:
    """Show the player a message."""

    text: str


Demand: TypeAlias = Request | Wish | Say

_SIMPLE: Mapping[Command, Demand] = {
    Command.wheel: Order.hand_over,
    Command.reset: Order.reset,
    Command.switch_world: Order.switch_world,
    Command.rewind: Order.rewind,
    Command.branch: Order.branch,
    Command.next_branch: Order.next_branch,
    Command.previous_branch: Order.previous_branch,
    Command.save: SaveAs(),
    Command.quick_save: SaveAs(QUICK),
    Command.quick_load: Load(QUICK),
    Command.hud: Wish.toggle_hud,
    Command.debug: Wish.toggle_debug,
    Command.twin: Order.twin,
    Command.photo: Order.photo,
    Command.fullscreen: Wish.toggle_fullscreen,
    Command.warp: Wish.cycle_warp,
    Command.screenshot: Wish.take_screenshot,
}
_MOVING = (Command.twin, Command.photo)  # nothing to see while the game is paused
_IN_MENU_TOO = (Command.screenshot, Command.fullscreen)


class Controls:
    """Feeds a mailbox with events. Later input devices add their events here."""

    def __init__(self, keymap: Keymap, mailbox: Mailbox, menu: Menu | None = None) -> None:
        self.keymap = keymap
        self.menu = menu or Menu()
        self.grabbed = False
        self.paused = False
        self._mailbox = mailbox
        self._down: set[str] = set()
        self._turning: set[Turn] = set()
        self._sticks: dict[StickName, Deflection] = {"left": Deflection(), "right": Deflection()}
        self._walking: frozenset[str] = frozenset()
        self._grab_on_resume = False
        self._rewinding = False

    def handle(self, events: Sequence[Event], dt_s: float) -> list[Demand]:
        """Take in what happened during the last refresh of `dt_s` seconds."""
        dt_s = min(dt_s, MAX_REFRESH_S)
        self._turning = {turn for turn in Turn if self._is_down(turn.name)}
        demands: list[Demand] = []
        for event in events:
            demands += self._handle(event)
        if self.menu.is_open:
            demands += self._carried_out(self.menu.advance(dt_s, self.keymap))
        demands += self._let_time_go_on(demands)
        self._turn_by_keys(dt_s)
        self._turn_by_stick(dt_s)
        self._walk_by_stick()
        return demands

    def toggle_hud(self) -> None:
        self.keymap = self.keymap.with_setting("sight", "hud", not self.keymap.sight.hud)

    def _handle(self, event: Event) -> list[Demand]:
        match event:
            case Quit():
                return [Wish.quit]
            case FocusLost():
                self._let_go()
                self._sticks = dict.fromkeys(self._sticks, Deflection())
                self.grabbed = False
                return []
            case PadPlugged(name, connected):
                return [Say(f"{name} is {'connected' if connected else 'gone'}")]
            case FileDropped(path):
                return self._carried_out(self.menu.dropped(path))
            case StickMoved(stick, x, y):
                self._sticks[stick] = Deflection(x, y)
        return self._in_menu(event) if self.menu.is_open else self._in_game(event)

    def _in_menu(self, event: Event) -> list[Demand]:
        if isinstance(event, Key) and event.down and not self.menu.is_capturing:
            target = self.keymap.target_of.get(event.name)
            for command in _IN_MENU_TOO:
                if target == command.name and event.name not in KEY_STEPS:
                    return [_SIMPLE[command]]
        return self._carried_out(self.menu.handle(event, self.keymap))

    def _carried_out(self, reply: Reply) -> list[Demand]:
        """Do what the menu answered."""
        demands: list[Demand] = []
        if reply.keymap is not None:
            self.keymap = reply.keymap
            demands.append(Wish.save_keymap)
        if reply.order is not None:
            demands.append(reply.order)
        if reply.leave and self.paused:
            self.grabbed = self._grab_on_resume
            demands += self._resume()
        return [*demands, Wish.quit] if reply.quit else demands

    def _in_game(self, event: Event) -> list[Demand]:
        match event:
            case MouseMoved() if self.grabbed and not self.paused:
                self._look(event)
            case Key(name, down=True):
                return self._pressed(name)
            case Key(name, down=False):
                self._released(name)
        return []

    def _pressed(self, key: str) -> list[Demand]:
        if key == GRABBING_KEY and not self.grabbed:
            self.grabbed = True
            return self._resume()
        self._down.add(key)
        target = self.keymap.target_of.get(key, "")
        if target in Turn.__members__:
            self._turning.add(Turn[target])
        if target in BUTTONS and not self.paused:
            self._mailbox.press(target)
        return self._command(Command[target]) if target in Command.__members__ else []

    def _released(self, key: str) -> None:
        self._down.discard(key)
        target = self.keymap.target_of.get(key, "")
        if target in BUTTONS and not (self._is_down(target) or target in self._walking):
            self._mailbox.release(target)

    def _command(self, command: Command) -> list[Demand]:
        if command is Command.menu:
            return self._open_menu()
        if command is Command.pause:
            return self._toggle_pause()
        if command is Command.step:
            return self._step()
        if command is Command.mute:
            return self._toggle_sound()
        if command in OVERLAY_KEYS:
            shown = getattr(self.keymap.overlays, command.name)
            self.keymap = self.keymap.with_setting("overlays", command.name, not shown)
            return []
        if command in _MOVING and self.paused:
            return [*self._toggle_pause(), _SIMPLE[command]]
        return [_SIMPLE[command]]

    def _open_menu(self) -> list[Demand]:
        self.menu.open(self._sticks["left"])
        if not self.paused:
            return self._pause()
        self._let_go()
        return []

    def _toggle_pause(self) -> list[Demand]:
        if self.paused:
            self.grabbed = self._grab_on_resume
            return self._resume()
        return self._pause()

    def _pause(self) -> list[Demand]:
        self._grab_on_resume = self.grabbed
        self.paused, self.grabbed = True, False
        self._let_go()
        return [Order.pause]

    def _step(self) -> list[Demand]:
        """One tick of the paused game, with the buttons that are held."""
        held = [button for button in BUTTONS if self._is_down(button)]
        demands = [] if self.paused else self._pause()
        for button in held:
            self._mailbox.press(button)
        return [*demands, Order.step]

    def _toggle_sound(self) -> list[Demand]:
        sound = not self.keymap.hearing.sound
        self.keymap = self.keymap.with_setting("hearing", "sound", sound)
        return [Say("Sound is on" if sound else "Sound is off")]

    def _resume(self) -> list[Demand]:
        was_paused, self.paused = self.paused, False
        return [Order.resume] if was_paused else []

    def _let_time_go_on(self, demands: Sequence[Demand]) -> list[Demand]:
        """Going back ends with its key, however that is let go."""
        rewound = self._rewinding or Order.rewind in demands
        self._rewinding = rewound and self._is_down(Command.rewind.name)
        return [Order.go_on] if rewound and not self._rewinding else []

    def _let_go(self) -> None:
        self._down.clear()
        self._turning.clear()
        self._walking = frozenset()
        self._mailbox.release_all()

    def _look(self, moved: MouseMoved) -> None:
        look = self.keymap.look
        right = -moved.dx_px if look.invert_x else moved.dx_px
        down = -moved.dy_px if look.invert_y else moved.dy_px
        self._mailbox.turn(right * look.mouse_deg_per_px, down * look.mouse_deg_per_px)

    def _turn_by_keys(self, dt_s: float) -> None:
        step_deg = self.keymap.look.keys_deg_per_s * dt_s
        for turn in sorted(self._turning, key=lambda turn: turn.name) if not self.paused else ():
            yaw, pitch = turn.value
            self._mailbox.turn(yaw * step_deg, pitch * step_deg)

    def _turn_by_stick(self, dt_s: float) -> None:
        pad = self.keymap.pad
        push = shaped(self._sticks["right"], dead_zone=pad.dead_zone, curve=pad.curve)
        if self.paused or push == Deflection():
            return
        step_deg = pad.deg_per_s * dt_s
        right = -push.x if pad.invert_x else push.x
        down = -push.y if pad.invert_y else push.y
        self._mailbox.turn(right * step_deg, down * step_deg)

    def _walk_by_stick(self) -> None:
        if self.paused:
            return
        before, dead_zone = self._walking, self.keymap.pad.dead_zone
        self._walking = walked(self._sticks["left"], before, dead_zone=dead_zone)
        for button in sorted(self._walking - before):
            self._mailbox.press(button)
        for button in sorted(before - self._walking):
            if not self._is_down(button):
                self._mailbox.release(button)

    def _is_down(self, target: str) -> bool:
        return any(key in self._down for key in self.keymap.keys_of(target))
