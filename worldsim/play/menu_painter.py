"""Draws a `Screen` of the menu onto a pygame surface of any size, legibly."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

import numpy as np
import pygame
from numpy.typing import NDArray

from worldsim.camera import Intrinsics
from worldsim.engine.start import load_scene
from worldsim.errors import SceneError
from worldsim.play.colours import ACCENT, BLANK, CAPTION, CHOSEN, CURTAIN, FAINT, INK, ROW
from worldsim.play.menu_screen import (
    BOTTOM,
    TOP,
    VALUE_AT,
    WIDTH,
    Box,
    Row,
    Screen,
    boxes_of,
    hidden,
    unit_of,
)
from worldsim.play.save_file import Preview

NOTE_WIDTH = 84  # characters a line
TITLE_AT, NOTE_AT, FOOTER_AT = 92.0, 718.0, 776.0  # of the window's 800 units

Colour = tuple[int, int, int]


class Text(Protocol):
    """Draws a line of text, from a cache where it can."""

    def __call__(self, text: str, size: int, colour: Colour, /) -> pygame.Surface: ...


Panel = Callable[[tuple[int, int], tuple[int, int, int, int], int], pygame.Surface]


class MenuPainter:
    """Owns the pictures on cards; text and panels come from who owns the fonts."""

    def __init__(self, text: Text, panel: Panel) -> None:
        self._text = text
        self._panel = panel
        self._picture = lru_cache(maxsize=16)(_picture)

    def paint(self, surface: pygame.Surface, screen: Screen) -> None:
        """Draw over what is on the surface, which stays faintly in sight."""
        unit = unit_of(surface.get_size())
        surface.blit(self._panel(surface.get_size(), CURTAIN, 0), (0, 0))
        self._line(surface, screen.title, 46, TITLE_AT, ACCENT)
        for box in boxes_of(screen, surface.get_size()):
            row, chosen = screen.rows[box.row], box.row == screen.selected
            if row.picture is None:
                self._row(surface, row, box, chosen)
            else:
                self._card(surface, row, box, chosen)
        for more, y in zip(hidden(screen), (TOP - 12, BOTTOM - 6), strict=True):
            if more:
                _arrow(surface, y, unit, up=y < TOP)
        for n, line in enumerate(textwrap.wrap(screen.note, NOTE_WIDTH)[:2]):
            self._line(surface, line, 21, NOTE_AT + 24 * n, INK)
        self._line(surface, screen.footer, 19, FOOTER_AT, FAINT)

    def _line(
        self, surface: pygame.Surface, text: str, size: float, y: float, colour: Colour
    ) -> None:
        drawn = self._fitted(text, size, colour, WIDTH, unit_of(surface.get_size()))
        surface.blit(drawn, drawn.get_rect(center=_middle(surface, y)))

    def _row(self, surface: pygame.Surface, row: Row, box: Box, chosen: bool) -> None:
        area, unit = _rect(box), unit_of(surface.get_size())
        colour = CHOSEN if chosen else ROW
        surface.blit(self._panel(area.size, colour, round(6 * unit)), area)
        ink = ACCENT if chosen and not row.inert else INK
        label = self._fitted(row.label, 23, ink, WIDTH * VALUE_AT - 24, unit)
        surface.blit(label, label.get_rect(midleft=(area.left + 16 * unit, area.centery)))
        value = self._fitted(row.value, 21, INK, WIDTH * (1 - VALUE_AT) - 60, unit)
        if not row.adjustable:
            surface.blit(value, value.get_rect(midright=(area.right - 16 * unit, area.centery)))
            return
        middle = area.left + area.width * (VALUE_AT + 1) / 2
        surface.blit(value, value.get_rect(center=(middle, area.centery)))
        if chosen:
            reach = area.width * (1 - VALUE_AT) / 2 - 16 * unit
            _side_arrow(surface, middle - reach, area.centery, -unit)
            _side_arrow(surface, middle + reach, area.centery, unit)

    def _card(self, surface: pygame.Surface, row: Row, box: Box, chosen: bool) -> None:
        area, unit = _rect(box), unit_of(surface.get_size())
        surface.blit(self._picture(row.picture or "", area.size), area)
        if not row.picture:
            mark = self._text("?", round(72 * unit), FAINT)
            surface.blit(mark, mark.get_rect(center=(area.centerx, area.centery - 14 * unit)))
        strip = pygame.Rect(0, 0, area.width, round(32 * unit))
        strip.bottomleft = area.bottomleft
        surface.blit(self._panel(strip.size, CAPTION, 0), strip)
        ink = ACCENT if chosen else INK
        label = self._fitted(row.label, 21, ink, area.width / unit - 16, unit)
        surface.blit(label, label.get_rect(center=strip.center))
        if chosen:
            pygame.draw.rect(surface, ACCENT, area.inflate(4 * unit, 4 * unit), round(3 * unit))

    def _fitted(
        self, text: str, size: float, colour: Colour, width: float, unit: float
    ) -> pygame.Surface:
        """The text at this size, or as small as its width demands."""
        drawn = self._text(text, round(size * unit), colour)
        if drawn.get_width() <= width * unit:
            return drawn
        return self._text(text, int(size * unit * width * unit / drawn.get_width()), colour)


def _picture(of: str | Preview, size: tuple[int, int]) -> pygame.Surface:
    """What is seen at the start of a scene or of a saved game; a plain card for neither."""
    rgb = of.thumbnail if isinstance(of, Preview) else _scene_rgb(of)
    if rgb is None:
        card = pygame.Surface(size)
        card.fill(BLANK)
        return card
    frame = pygame.image.frombuffer(rgb.tobytes(), rgb.shape[1::-1], "RGB")
    return pygame.transform.smoothscale(frame, size)


def _scene_rgb(scene: str) -> NDArray[np.uint8] | None:  # [H, W, 3]
    """The first frame of a shipped scene."""
    if not scene:
        return None
    try:
        return load_scene(scene, Intrinsics()).observations[0].rgb
    except SceneError:
        return None


def _rect(box: Box) -> pygame.Rect:
    return pygame.Rect(round(box.left), round(box.top), round(box.width), round(box.height))


def _middle(surface: pygame.Surface, y: float) -> tuple[float, float]:
    width, height = surface.get_size()
    return width / 2, height / 2 + (y - 400) * unit_of((width, height))


def _arrow(surface: pygame.Surface, y: float, unit: float, *, up: bool) -> None:
    x, top = _middle(surface, y)
    tip = top - 8 * unit if up else top + 8 * unit
    corners = [(x - 12 * unit, top), (x + 12 * unit, top), (x, tip)]
    pygame.draw.polygon(surface, ACCENT, corners)


def _side_arrow(surface: pygame.Surface, x: float, y: float, unit: float) -> None:
    """Points right; left for a negative unit."""
    corners = [(x, y - 7 * unit), (x, y + 7 * unit), (x + 8 * unit, y)]
    pygame.draw.polygon(surface, ACCENT, corners)
