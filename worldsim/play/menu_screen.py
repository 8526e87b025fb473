"""What a page of the menu shows, and where. Pure data and arithmetic; `menu_painter` draws it.

Rows stand one below another; rows with a picture are cards, three beside one another. What does not
fit is scrolled to, by as little as brings the selected row into sight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

from worldsim.play.save_file import Preview

CARDS_A_LINE = 3
VALUE_AT = 0.5  # of a row's width; a click beside the value's middle lowers or raises it
# In units of a window of 800 pixels' height
WIDTH = 760.0
TOP, BOTTOM = 150.0, 690.0  # of the rows; the title is above, the note and the footer below
ROW, ROW_GAP = 38.0, 5.0
CARD, CARD_GAP = 150.0, 14.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line to choose, or a card."""

    label: str
    value: str = ""  # at the right
    picture: str | Preview | None = None  # of a scene, a saved game, or "": a card without one
    adjustable: bool = False  # left and right change the value
    inert: bool = False  # only to be read


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """A page as it is now. Equal screens look equal, so they are drawn once."""

    title: str
    rows: tuple[Row, ...]
    selected: int = 0
    first: int = 0  # line in sight
    note: str = ""  # about the selected row, or what has just happened
    footer: str = ""


@dataclass(frozen=True, slots=True)
class Box:
    """A row's place in pixels."""

    row: int
    left: float
    top: float
    width: float
    height: float

    def holds(self, x: float, y: float) -> bool:
        return self.left <= x < self.left + self.width and self.top <= y < self.top + self.height


class Step(Enum):
    """A move in the menu."""

    up = auto()
    down = auto()
    left = auto()
    right = auto()
    accept = auto()
    back = auto()
    leave = auto()  # the whole menu


def lines_of(rows: Sequence[Row]) -> list[list[int]]:
    """The rows' numbers, those of cards side by side."""
    lines: list[list[int]] = []
    for number, row in enumerate(rows):
        beside = row.picture is not None and lines and rows[lines[-1][-1]].picture is not None
        if beside and len(lines[-1]) < CARDS_A_LINE:
            lines[-1].append(number)
        else:
            lines.append([number])
    return lines


def moved(rows: Sequence[Row], selected: int, step: Step) -> int:
    """The row that a move up, down, left or right gets to; up from the first is the last."""
    lines = lines_of(rows)
    line = next(n for n, numbers in enumerate(lines) if selected in numbers)
    column = lines[line].index(selected)
    if step in (Step.left, Step.right):
        column += 1 if step is Step.right else -1
        return lines[line][min(max(column, 0), len(lines[line]) - 1)]
    target = lines[(line + (1 if step is Step.down else -1)) % len(lines)]
    return target[min(column, len(target) - 1)]


def unit_of(window_px: tuple[int, int]) -> float:
    """Pixels a unit: the menu fits narrow windows too."""
    width, height = window_px
    return min(height / 800, width / (WIDTH + 40))


def boxes_of(screen: Screen, window_px: tuple[int, int]) -> list[Box]:
    """Where the rows in sight are, in the order of the rows."""
    unit = unit_of(window_px)
    left = window_px[0] / 2 - WIDTH / 2 * unit
    top = window_px[1] / 2 + (TOP - 400) * unit
    boxes: list[Box] = []
    for line in _in_sight(screen):
        card = screen.rows[line[0]].picture is not None
        height, gap, columns = (CARD, CARD_GAP, CARDS_A_LINE) if card else (ROW, ROW_GAP, 1)
        width = (WIDTH - (columns - 1) * gap) / columns
        for column, row in enumerate(line):
            x = left + column * (width + gap) * unit
            boxes.append(Box(row, x, top + gap / 2 * unit, width * unit, height * unit))
        top += (height + gap) * unit
    return boxes


def hidden(screen: Screen) -> tuple[bool, bool]:
    """Whether there are rows above and below those in sight."""
    seen = _in_sight(screen)
    return screen.first > 0, seen[-1][-1] < len(screen.rows) - 1


def scrolled(screen: Screen) -> int:
    """The first line in sight that is nearest to the present one and shows the selected row."""
    lines = lines_of(screen.rows)
    selected = next(n for n, numbers in enumerate(lines) if screen.selected in numbers)
    first = min(screen.first, selected)
    while lines[selected] not in _in_sight(replace(screen, first=first)):
        first += 1
    return first


def _in_sight(screen: Screen) -> list[list[int]]:
    """As many whole lines as fit, from the first one on."""
    rest, seen = BOTTOM - TOP, []
    for line in lines_of(screen.rows)[screen.first :]:
        rest -= _height(screen, line)
        if rest < 0:
            break
        seen.append(line)
    return seen


def _height(screen: Screen, line: Sequence[int]) -> float:
    card = screen.rows[line[0]].picture is not None
    return CARD + CARD_GAP if card else ROW + ROW_GAP
