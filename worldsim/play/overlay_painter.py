"""Draws the overlays onto a pygame surface: map, recalled pictures, keys, and a twin's words."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pygame

from worldsim.play.colours import (
    ACCENT,
    CAPTION,
    CONE,
    FAINT,
    HELD,
    INK,
    ON_HELD,
    PANEL,
    PATH,
    RULE,
)
from worldsim.play.menu_painter import Panel, Text
from worldsim.play.overlays import CORNERS, KeyCap, TwinPanel
from worldsim.play.overview import Mark, MiniMap, Thumbnail
from worldsim.play.warp import letterbox

# In units of a window of 800 pixels' height
EDGE, LIFT = 14.0, 66.0  # from the sides, and from the bottom, where the hint is
MAP, THUMBNAIL, CAP = 210.0, 132.0, 46.0
TOP_DB, FLOOR_DB = 40.0, 5.0  # of the graph


class OverlayPainter:
    """Text and panels come from who owns the fonts."""

    def __init__(self, text: Text, panel: Panel) -> None:
        self._text = text
        self._panel = panel

    def paint_map(self, screen: pygame.Surface, chart: MiniMap, unit: float) -> None:
        """At the lower right, north up."""
        side = round(MAP * unit)
        layer = pygame.Surface((side, side), pygame.SRCALPHA)
        layer.blit(self._panel((side, side), CAPTION, round(8 * unit)), (0, 0))
        middle = side // 2
        pygame.draw.circle(layer, (*FAINT, 60), (middle, middle), side // 4, 1)
        if len(chart.path) > 1:
            pygame.draw.lines(layer, PATH, False, [_at(x, y, side) for x, y in chart.path])
        _draw_cone(layer, chart, side)
        for mark in sorted(chart.marks, key=lambda mark: mark.recalled):
            _draw_mark(layer, mark, side, unit)
        pygame.draw.circle(layer, INK, (middle, middle), max(round(4 * unit), 2))
        north = self._text("N", round(18 * unit), FAINT)
        layer.blit(north, north.get_rect(midtop=(middle, round(4 * unit))))
        reach = self._text(f"{chart.reach_m / 2:.0f} m", round(16 * unit), FAINT)
        layer.blit(reach, reach.get_rect(midtop=(middle, middle + side // 4 + round(2 * unit))))
        width, height = screen.get_size()
        screen.blit(layer, (width - side - EDGE * unit, height - side - LIFT * unit))

    def paint_recalled(
        self, screen: pygame.Surface, pictures: Sequence[Thumbnail], top: float, unit: float
    ) -> None:
        """In a column at the left, below `top`, the best first."""
        width, gap = round(THUMBNAIL * unit), round(6 * unit)
        left, y = round(EDGE * unit), round(top)
        for one in pictures:
            rows, columns = one.rgb.shape[:2]
            picture = pygame.image.frombuffer(one.rgb.tobytes(), (columns, rows), "RGB")
            picture = pygame.transform.smoothscale(picture, (width, round(width * rows / columns)))
            caption = self._text(one.caption, round(17 * unit), INK)
            strip = (width, caption.get_height() + round(4 * unit))
            screen.blit(picture, (left, y))
            y += picture.get_height()
            screen.blit(self._panel(strip, CAPTION, 0), (left, y - strip[1]))
            screen.blit(caption, (left + 4 * unit, y - strip[1] + 2 * unit))
            y += gap

    def paint_keys(self, screen: pygame.Surface, caps: Sequence[KeyCap], unit: float) -> None:
        """At the lower left."""
        pitch = CAP * unit
        left = EDGE * unit
        top = screen.get_height() - LIFT * unit - 3 * pitch
        for cap in caps:
            size = (round(cap.width * pitch - 4 * unit), round(pitch - 4 * unit))
            corner = (round(left + cap.column * pitch), round(top + cap.row * pitch))
            screen.blit(self._panel(size, HELD if cap.down else PANEL, round(6 * unit)), corner)
            colour = ON_HELD if cap.down else INK
            text = self._fitted(cap.label, 20 * unit, size[0] - 6 * unit, colour)
            screen.blit(text, text.get_rect(center=pygame.Rect(corner, size).center))

    def paint_twin(self, screen: pygame.Surface, panel: TwinPanel, unit: float) -> None:
        """A title to each of the three pictures, and the words in the fourth quarter."""
        left, top, width, height = letterbox(screen.get_size(), panel.aspect)
        half = (width // 2, height // 2)
        for n, title in enumerate(CORNERS):
            text = self._text(title, round(22 * unit), INK)
            box = text.get_rect(topleft=(left + n % 2 * half[0], top + n // 2 * half[1]))
            box.move_ip(round(20 * unit), round(18 * unit))
            around = box.inflate(round(20 * unit), round(12 * unit))
            screen.blit(self._panel(around.size, PANEL, round(8 * unit)), around)
            screen.blit(text, box)
        quarter = pygame.Rect((left + half[0], top + half[1]), half)
        self._paint_words(screen, panel, quarter.inflate(-48 * unit, -32 * unit), unit)

    def _paint_words(
        self, screen: pygame.Surface, panel: TwinPanel, box: pygame.Rect, unit: float
    ) -> None:
        heading = self._fitted(panel.heading, 34 * unit, box.width, ACCENT)
        screen.blit(heading, box.topleft)
        y = box.top + 44 * unit
        for line in panel.lines:
            text = self._fitted(line, 21 * unit, box.width, INK)
            screen.blit(text, (box.left, y))
            y += 26 * unit
        bottom = box.bottom - round(44 * unit)  # the hint is below
        graph = pygame.Rect(box.left, round(y + 14 * unit), box.width, 0)
        graph.height = min(bottom - graph.top, round(110 * unit))
        if graph.height > 20 * unit:
            self._paint_graph(screen, graph, panel.recent_db, unit)

    def _paint_graph(
        self, screen: pygame.Surface, box: pygame.Rect, recent_db: Sequence[float], unit: float
    ) -> None:
        screen.blit(self._panel(box.size, PANEL, round(6 * unit)), box)
        for level in (10, 20, 30):
            y = _height(level, box)
            pygame.draw.line(screen, RULE, (box.left, y), (box.right, y))
            label = self._text(f"{level} dB", round(18 * unit), FAINT)
            screen.blit(label, label.get_rect(bottomleft=(box.left + 4 * unit, y)))
        points = [
            (box.right - age * box.width / 100, _height(value, box))
            for age, value in enumerate(reversed(recent_db[-100:]))
            if not math.isnan(value)
        ]
        if len(points) > 1:
            pygame.draw.lines(screen, ACCENT, False, points, max(round(2 * unit), 1))

    def _fitted(
        self, line: str, size: float, width: float, colour: tuple[int, int, int]
    ) -> pygame.Surface:
        """The text, smaller where it would be too wide."""
        text = self._text(line, round(size), colour)
        if text.get_width() <= width:
            return text
        return self._text(line, max(round(size * width / text.get_width()), 8), colour)


def _draw_cone(layer: pygame.Surface, chart: MiniMap, side: int) -> None:
    """What is in sight of the camera, up to a third of the way to the edge."""
    yaw = math.atan2(chart.camera.dx, -chart.camera.dy)
    half = math.radians(chart.fov_x_deg) / 2
    corners = [(0.0, 0.0)]
    for share in (-1.0, -0.5, 0.0, 0.5, 1.0):
        angle = yaw + share * half
        corners.append((0.42 * math.sin(angle), -0.42 * math.cos(angle)))
    cone = pygame.Surface(layer.get_size(), pygame.SRCALPHA)
    pygame.draw.polygon(cone, CONE, [_at(x, y, side) for x, y in corners])
    layer.blit(cone, (0, 0))


def _draw_mark(layer: pygame.Surface, mark: Mark, side: int, unit: float) -> None:
    """A dot where a keyframe was seen from, and a line to where it looked."""
    x, y = _at(mark.x, mark.y, side)
    colour = ACCENT if mark.recalled else FAINT
    length = (14 if mark.recalled else 10) * unit
    tip = (x + length * mark.dx, y + length * mark.dy)
    pygame.draw.line(layer, colour, (x, y), tip, max(round(unit * (2 if mark.recalled else 1)), 1))
    pygame.draw.circle(layer, colour, (x, y), max(round(2.5 * unit), 1))


def _at(x: float, y: float, side: int) -> tuple[float, float]:
    return (x + 1) * side / 2, (y + 1) * side / 2


def _height(value_db: float, box: pygame.Rect) -> float:
    share = (min(max(value_db, FLOOR_DB), TOP_DB) - FLOOR_DB) / (TOP_DB - FLOOR_DB)
    return box.bottom - share * box.height
