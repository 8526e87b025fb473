"""Draws a `Hud` onto a pygame surface of any size, legibly."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from functools import lru_cache

import pygame

from worldsim.play.colours import ACCENT, DIM, FAINT, INK, LATE, PANEL, RULE
from worldsim.play.hud import Hud
from worldsim.play.menu_painter import MenuPainter
from worldsim.play.overlay_painter import OverlayPainter
from worldsim.play.scrubber import Scrubber
from worldsim.types import TICK_S

MESSAGE_WIDTH = 80  # characters a line
MESSAGE_ABOVE, MESSAGE_ABOVE_MENU = 62, 750  # the bottom of the window, of 800; not over the menu
LINES_TOP, LINE = 14, 24  # of the lines at the top left, in units of a window 800 pixels high
GRAPH_SIZE = (200, 48)
GRAPH_TOP_MS = 2000 * TICK_S


class HudPainter:
    """Owns the fonts; text and panels are drawn once and reused."""

    def __init__(self) -> None:
        pygame.font.init()
        self._font = lru_cache(maxsize=16)(_font)
        self._text = lru_cache(maxsize=256)(self._draw_text)
        self._panel = lru_cache(maxsize=32)(_draw_panel)
        self._menu = MenuPainter(self._text, self._panel)
        self._overlays = OverlayPainter(self._text, self._panel)

    def paint(self, screen: pygame.Surface, hud: Hud) -> None:
        """Draw on top of what is on the screen."""
        unit = max(screen.get_height() / 800, 0.5)  # 1 at the default size of the window
        if hud.menu is not None:
            self._menu.paint(screen, hud.menu)
        if hud.twin is not None:
            self._overlays.paint_twin(screen, hud.twin, unit)
        if hud.title:
            screen.blit(self._panel(screen.get_size(), DIM, 0), (0, 0))
            self._paint_title(screen, hud, unit)
        if hud.crosshair:
            _paint_crosshair(screen, unit)
        if hud.lines:
            self._paint_lines(screen, hud.lines, unit)
        if hud.stages or hud.recent_ms:
            self._paint_debug(screen, hud, unit)
        self._paint_overlays(screen, hud, unit)
        if hud.hint:
            self._paint_bottom(screen, hud.hint, 19 * unit, 14 * unit, FAINT)
        if hud.scrubber:
            self._paint_scrubber(screen, hud.scrubber, unit)
        for n, line in enumerate(reversed(textwrap.wrap(hud.message, MESSAGE_WIDTH))):
            above = MESSAGE_ABOVE if hud.menu is None else MESSAGE_ABOVE_MENU
            self._paint_bottom(screen, line, 22 * unit, (above + 34 * n) * unit, ACCENT)

    def _paint_overlays(self, screen: pygame.Surface, hud: Hud, unit: float) -> None:
        if hud.minimap is not None:
            self._overlays.paint_map(screen, hud.minimap, unit)
        below = LINES_TOP + (LINE * len(hud.lines) + 32 if hud.lines else 0)
        self._overlays.paint_recalled(screen, hud.recalled, below * unit, unit)
        self._overlays.paint_keys(screen, hud.keys, unit)

    def _paint_title(self, screen: pygame.Surface, hud: Hud, unit: float) -> None:
        middle = screen.get_rect().center
        title = self._text(hud.title, round(58 * unit), INK)
        screen.blit(title, title.get_rect(center=middle))
        if hud.subtitle:
            below = self._text(hud.subtitle, round(24 * unit), FAINT)
            screen.blit(below, below.get_rect(center=(middle[0], middle[1] + 52 * unit)))
        if hud.progress is not None:
            line = pygame.Rect(0, 0, round(420 * unit), max(round(8 * unit), 3))
            line.center = (middle[0], round(middle[1] + 92 * unit))
            _paint_bar(screen, line, hud.progress)

    def _paint_lines(self, screen: pygame.Surface, lines: Sequence[str], unit: float) -> None:
        texts = [self._text(lines[0], round(26 * unit), ACCENT)]
        texts += [self._text(line, round(21 * unit), INK) for line in lines[1:]]
        # Wide enough for lines that change length each tick: the panel must not tremble.
        width = max(290 * unit, *(text.get_width() for text in texts)) + 24 * unit
        pitch = LINE * unit
        size = (round(width), round(pitch * len(texts) + 18 * unit))
        left = top = round(LINES_TOP * unit)
        screen.blit(self._panel(size, PANEL, round(8 * unit)), (left, top))
        for n, text in enumerate(texts):
            screen.blit(text, (left + 12 * unit, top + 10 * unit + n * pitch))

    def _paint_debug(self, screen: pygame.Surface, hud: Hud, unit: float) -> None:
        pitch, columns = 22 * unit, (12 * unit, 150 * unit, 230 * unit)
        graph = (round(GRAPH_SIZE[0] * 1.4 * unit), round(GRAPH_SIZE[1] * unit))
        size = (
            round(310 * unit),
            round(pitch * len(hud.stages) + graph[1] + 34 * unit),
        )
        left, top = screen.get_width() - size[0] - round(14 * unit), round(14 * unit)
        screen.blit(self._panel(size, PANEL, round(8 * unit)), (left, top))
        for n, row in enumerate(hud.stages):
            for x, cell in zip(columns, row, strict=True):
                text = self._text(cell, round(19 * unit), INK if n else ACCENT)
                screen.blit(text, (left + x, top + 10 * unit + n * pitch))
        corner = (left + round(12 * unit), top + size[1] - graph[1] - round(12 * unit))
        _paint_graph(screen, pygame.Rect(corner, graph), hud.recent_ms)

    def _paint_scrubber(self, screen: pygame.Surface, scrubber: Scrubber, unit: float) -> None:
        width, height = screen.get_size()
        line = pygame.Rect(0, 0, round(0.7 * width), max(round(6 * unit), 2))
        line.center = (width // 2, round(height - 120 * unit))
        around = line.inflate(round(40 * unit), round(64 * unit)).move(0, round(-12 * unit))
        screen.blit(self._panel(around.size, PANEL, round(8 * unit)), around)
        place = _paint_bar(screen, line, scrubber.place)
        pygame.draw.circle(screen, ACCENT, (place, line.centery), round(10 * unit))
        label = self._text(scrubber.label, round(22 * unit), INK)
        screen.blit(label, label.get_rect(midbottom=(line.centerx, line.top - 10 * unit)))

    def _paint_bottom(
        self,
        screen: pygame.Surface,
        line: str,
        size: float,
        above: float,
        colour: tuple[int, int, int],
    ) -> None:
        text = self._text(line, round(size), colour)
        if text.get_width() > screen.get_width() - 2 * size:
            shrunk = size * (screen.get_width() - 2 * size) / text.get_width()
            text = self._text(line, max(round(shrunk), 10), colour)
        box = text.get_rect(midbottom=(screen.get_width() // 2, screen.get_height() - above))
        around = box.inflate(round(size * 1.2), round(size * 0.7))
        screen.blit(self._panel(around.size, PANEL, round(size * 0.4)), around)
        screen.blit(text, box)

    def _draw_text(self, text: str, size: int, colour: tuple[int, int, int]) -> pygame.Surface:
        """Twice as large and halved: at small sizes the font's hinting spoils its spacing."""
        large = self._font(2 * size).render(text, True, colour)
        return pygame.transform.smoothscale_by(large, 0.5)


def _font(size: int) -> pygame.font.Font:
    return pygame.font.Font(None, size)  # the font that ships with pygame


def _draw_panel(
    size: tuple[int, int], colour: tuple[int, int, int, int], radius: int
) -> pygame.Surface:
    panel = pygame.Surface(size, pygame.SRCALPHA)
    pygame.draw.rect(panel, colour, panel.get_rect(), border_radius=radius)
    return panel


def _paint_crosshair(screen: pygame.Surface, unit: float) -> None:
    x, y = screen.get_rect().center
    arm, thick = round(9 * unit), max(round(2 * unit), 1)
    for colour, extra in (((0, 0, 0), 1), ((255, 255, 255), 0)):
        for width, height in ((2 * arm, thick), (thick, 2 * arm)):
            bar = pygame.Rect(0, 0, width + 2 * extra, height + 2 * extra)
            bar.center = (x, y)
            screen.fill(colour, bar)


def _paint_bar(screen: pygame.Surface, line: pygame.Rect, share: float) -> int:
    """A line of which a share is done; returns where that share ends, in pixels from the left."""
    pygame.draw.rect(screen, RULE, line, border_radius=line.height // 2)
    place = line.left + round(share * line.width)
    done = pygame.Rect(line.topleft, (place - line.left, line.height))
    pygame.draw.rect(screen, ACCENT, done, border_radius=line.height // 2)
    return place


def _paint_graph(screen: pygame.Surface, box: pygame.Rect, recent_ms: Sequence[float]) -> None:
    """Tick times as bars from the right; the line is the length of a tick."""
    deadline_y = box.bottom - round(box.height * TICK_S * 1000 / GRAPH_TOP_MS)
    width = box.width / 100
    for age, value in enumerate(reversed(recent_ms[-100:])):
        height = round(box.height * min(value / GRAPH_TOP_MS, 1.0))
        bar = pygame.Rect(box.right - (age + 1) * width, box.bottom - height, width, height)
        screen.fill(LATE if value > TICK_S * 1000 else FAINT, bar)
    pygame.draw.line(screen, ACCENT, (box.left, deadline_y), (box.right, deadline_y))
