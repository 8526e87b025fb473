"""From pygame's events to the game's: keyboard, mouse, gamepads and the window itself."""

from __future__ import annotations

from pathlib import Path

import pygame

from worldsim.play.pads import KEY_NAMES, Pads
from worldsim.play.window import Event, FileDropped, FocusLost, Key, MouseMoved, PointerAt, Quit

MOUSE_BUTTONS = {
    1: "mouse left",
    2: "mouse middle",
    3: "mouse right",
    4: "mouse wheel up",
    5: "mouse wheel down",
}


class PygameEvents:
    """Reads the queue of pygame, whose display has been started.

    Args:
        config_folder: where the player's gamecontrollerdb.txt may lie.
    """

    def __init__(self, config_folder: Path) -> None:
        self._pads = Pads(config_folder)

    def read(self) -> list[Event]:
        """What happened since the last call, oldest first."""
        return [ours for event in pygame.event.get() for ours in self._translated(event)]

    def close(self) -> None:
        self._pads.close()

    def _translated(self, event: pygame.event.Event) -> list[Event]:
        return translated(event) or self._pads.translated(event)


def knows_key(name: str) -> bool:
    """Whether `PygameEvents` can give an event of this key."""
    if name in KEY_NAMES or name in MOUSE_BUTTONS.values():
        return True
    try:
        pygame.key.key_code(name)
    except ValueError:
        return False
    return True


def translated(event: pygame.event.Event) -> list[Event]:
    """A pygame event as ours; nothing for those that the game has no use for."""
    if event.type == pygame.QUIT:
        return [Quit()]
    if event.type == pygame.MOUSEMOTION:
        size = pygame.display.get_window_size()
        moved = MouseMoved(float(event.rel[0]), float(event.rel[1]))
        return [moved, PointerAt(float(event.pos[0]), float(event.pos[1]), size)]
    if event.type in (pygame.KEYDOWN, pygame.KEYUP):
        name = pygame.key.name(event.key).lower()
        return [Key(name, event.type == pygame.KEYDOWN)] if name else []
    if event.type in (pygame.MOUSEBUTTONDOWN, pygame.MOUSEBUTTONUP):
        name = MOUSE_BUTTONS.get(event.button, "")
        return [Key(name, event.type == pygame.MOUSEBUTTONDOWN)] if name else []
    if event.type == pygame.DROPFILE:
        return [FileDropped(Path(event.file))]
    if event.type == pygame.WINDOWFOCUSLOST:
        return [FocusLost()]
    return []
