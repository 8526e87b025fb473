"""Gamepads through SDL's controller API, which names the buttons of nearly every pad alike.

Pads may come and go while playing. Several pads are one player: a button is down while any pad
holds it, and the stick that is furthest out counts.
"""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import pygame

from worldsim.play.sticks import Deflection
from worldsim.play.window import Event, Key, PadPlugged, StickMoved, StickName

log = logging.getLogger(__name__)

MAPPINGS_FILE = "gamecontrollerdb.txt"
MAPPINGS_HINT = "SDL_GAMECONTROLLERCONFIG_FILE"

BUTTON_NAMES = {
    pygame.CONTROLLER_BUTTON_A: "pad a",
    pygame.CONTROLLER_BUTTON_B: "pad b",
    pygame.CONTROLLER_BUTTON_X: "pad x",
    pygame.CONTROLLER_BUTTON_Y: "pad y",
    pygame.CONTROLLER_BUTTON_BACK: "pad back",
    pygame.CONTROLLER_BUTTON_GUIDE: "pad guide",
    pygame.CONTROLLER_BUTTON_START: "pad start",
    pygame.CONTROLLER_BUTTON_LEFTSTICK: "pad left stick",
    pygame.CONTROLLER_BUTTON_RIGHTSTICK: "pad right stick",
    pygame.CONTROLLER_BUTTON_LEFTSHOULDER: "pad left shoulder",
    pygame.CONTROLLER_BUTTON_RIGHTSHOULDER: "pad right shoulder",
    pygame.CONTROLLER_BUTTON_DPAD_UP: "pad up",
    pygame.CONTROLLER_BUTTON_DPAD_DOWN: "pad down",
    pygame.CONTROLLER_BUTTON_DPAD_LEFT: "pad left",
    pygame.CONTROLLER_BUTTON_DPAD_RIGHT: "pad right",
}
TRIGGER_NAMES = {
    pygame.CONTROLLER_AXIS_TRIGGERLEFT: "pad left trigger",
    pygame.CONTROLLER_AXIS_TRIGGERRIGHT: "pad right trigger",
}
STICK_AXES: dict[int, tuple[StickName, Literal["x", "y"]]] = {
    pygame.CONTROLLER_AXIS_LEFTX: ("left", "x"),
    pygame.CONTROLLER_AXIS_LEFTY: ("left", "y"),
    pygame.CONTROLLER_AXIS_RIGHTX: ("right", "x"),
    pygame.CONTROLLER_AXIS_RIGHTY: ("right", "y"),
}
KEY_NAMES = frozenset((*BUTTON_NAMES.values(), *TRIGGER_NAMES.values()))
AXIS_FULL = 32767
PULLED_AT, LET_GO_AT = 0.5, 0.35  # of a trigger's way


@dataclass(slots=True)
class _Pad:
    handle: Any  # SDL's
    name: str
    down: set[str] = field(default_factory=set)
    sticks: defaultdict[StickName, Deflection] = field(
        default_factory=lambda: defaultdict(Deflection)
    )


class Pads:
    """Opens every gamepad there is and will be; turns pygame's events into the game's.

    Args:
        config_folder: where the player's own gamecontrollerdb.txt may lie.
    """

    def __init__(self, config_folder: Path) -> None:
        self._pads: dict[int, _Pad] = {}  # by SDL's instance id
        self._handlers: dict[int, Callable[[pygame.event.Event], list[Event]]] = {
            pygame.CONTROLLERDEVICEADDED: self._added,
            pygame.CONTROLLERDEVICEREMOVED: self._removed,
            pygame.CONTROLLERBUTTONDOWN: self._button,
            pygame.CONTROLLERBUTTONUP: self._button,
            pygame.CONTROLLERAXISMOTION: self._axis,
        }
        _name_mappings(config_folder / MAPPINGS_FILE)
        self._controllers = _start_controllers()

    def translated(self, event: pygame.event.Event) -> list[Event]:
        """What a pygame event means for the player; nothing for those of other devices."""
        handler = self._handlers.get(event.type)
        return handler(event) if handler else []

    def close(self) -> None:
        """Let go of every pad. May be called twice."""
        for pad in self._pads.values():
            pad.handle.quit()
        self._pads.clear()
        if self._controllers is not None:
            self._controllers.quit()

    def _added(self, event: pygame.event.Event) -> list[Event]:
        assert self._controllers is not None  # else there are no such events
        try:
            handle = self._controllers.Controller(event.device_index)
        except pygame.error as error:  # gone again already
            log.warning("a gamepad cannot be opened: %s", error)
            return []
        number = handle.as_joystick().get_instance_id()
        if number in self._pads:
            return []
        self._pads[number] = _Pad(handle, handle.name)
        log.info("gamepad %s", handle.name)
        return [PadPlugged(handle.name, connected=True)]

    def _removed(self, event: pygame.event.Event) -> list[Event]:
        pad = self._pads.get(event.instance_id)
        if pad is None:
            return []
        events = [let_go for name in sorted(pad.down) for let_go in self._pressed(pad, name, False)]
        for stick in tuple(pad.sticks):
            events += self._moved(pad, stick, Deflection())
        del self._pads[event.instance_id]
        pad.handle.quit()
        log.info("gamepad %s is gone", pad.name)
        return [*events, PadPlugged(pad.name, connected=False)]

    def _button(self, event: pygame.event.Event) -> list[Event]:
        pad, name = self._pads.get(event.instance_id), BUTTON_NAMES.get(event.button)
        if pad is None or name is None:
            return []
        return self._pressed(pad, name, event.type == pygame.CONTROLLERBUTTONDOWN)

    def _axis(self, event: pygame.event.Event) -> list[Event]:
        pad = self._pads.get(event.instance_id)
        if pad is None:
            return []
        value = max(event.value / AXIS_FULL, -1.0)
        if event.axis in TRIGGER_NAMES:
            name = TRIGGER_NAMES[event.axis]
            threshold = LET_GO_AT if name in pad.down else PULLED_AT
            return self._pressed(pad, name, value > threshold)
        if event.axis not in STICK_AXES:
            return []
        stick, axis = STICK_AXES[event.axis]
        old = pad.sticks[stick]
        return self._moved(
            pad, stick, Deflection(value, old.y) if axis == "x" else Deflection(old.x, value)
        )

    def _pressed(self, pad: _Pad, name: str, down: bool) -> list[Event]:
        was_down = self._is_down(name)
        if down:
            pad.down.add(name)
        else:
            pad.down.discard(name)
        return [Key(name, down)] if self._is_down(name) != was_down else []

    def _is_down(self, name: str) -> bool:
        return any(name in pad.down for pad in self._pads.values())

    def _moved(self, pad: _Pad, stick: StickName, to: Deflection) -> list[Event]:
        pad.sticks[stick] = to
        furthest = max((pad.sticks[stick] for pad in self._pads.values()), key=lambda d: d.length)
        return [StickMoved(stick, furthest.x, furthest.y)]


@dataclass(frozen=True, slots=True)
class PluggedPads:
    """The gamepads that are plugged in, by name; SDL cannot tell the strange ones' buttons."""

    known: tuple[str, ...]
    strange: tuple[str, ...]


def plugged_pads(config_folder: Path) -> PluggedPads | None:
    """What is plugged in now; None where gamepads cannot be used at all."""
    _name_mappings(config_folder / MAPPINGS_FILE)
    controllers = _start_controllers()
    if controllers is None:
        return None
    try:
        pygame.joystick.init()
        known, strange = [], []
        for index in range(pygame.joystick.get_count()):
            if controllers.is_controller(index):
                known.append(str(controllers.name_forindex(index)))
            else:
                strange.append(pygame.joystick.Joystick(index).get_name())
        return PluggedPads(tuple(known), tuple(strange))
    finally:
        controllers.quit()
        pygame.joystick.quit()


def _start_controllers() -> ModuleType | None:
    try:
        controllers = import_module("pygame._sdl2.controller")
        controllers.init()
    except (ImportError, pygame.error) as error:  # another pygame, no driver
        log.warning("gamepads cannot be used: %s", error)
        return None
    return controllers


def _name_mappings(path: Path) -> None:
    """Tell SDL of the player's own table of pads, unless the environment names another."""
    if path.is_file():
        os.environ.setdefault(MAPPINGS_HINT, str(path))
