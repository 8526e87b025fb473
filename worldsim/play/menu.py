"""The in-game menu: which page is open, which row is chosen, and what an input does there.

Keyboard, mouse and gamepad work it alike. It draws nothing and starts nothing: `screen` tells what
to draw, and each input is answered with a `Reply`, which `Controls` carries out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from worldsim.play.keymap import Command, Keymap, is_pad_key
from worldsim.play.menu_pages import Choices, Item, Page, Reply, items_of, rebound
from worldsim.play.menu_screen import VALUE_AT, Box, Screen, Step, boxes_of, moved, scrolled
from worldsim.play.menu_steps import KEY_STEPS, Steps
from worldsim.play.orders import Start
from worldsim.play.sticks import Deflection
from worldsim.play.window import Event, Key, PointerAt

CLICK = "mouse left"
FOOTER = "Arrows or stick: move    Enter or A: choose    Esc or B: back"
CHANGING = "Left and right: change    Esc or B: back"


@dataclass(frozen=True, slots=True)
class _Place:
    """An open page and the row chosen in it."""

    page: Page
    selected: int = 0
    first: int = 0  # line in sight


class Menu:
    """Closed when made. Pages lie on one another; the last one shows."""

    def __init__(self, choices: Choices | None = None) -> None:
        self._choices = choices or Choices()
        self._places: list[_Place] = []
        self._steps = Steps()
        self._capturing: str | None = None
        self._note = ""
        self._pointer: PointerAt | None = None

    @property
    def is_open(self) -> bool:
        return bool(self._places)

    @property
    def is_capturing(self) -> bool:
        """Whether the next key pressed is one to bind, whatever it does otherwise."""
        return self._capturing is not None

    def open(self, stick: Deflection | None = None) -> None:
        """Show the first page; `stick` is how the left one is held at this moment."""
        self._places = [_Place(Page.main)]
        self._capturing, self._note = None, ""
        self._steps.begin(stick or Deflection())

    def close(self) -> None:
        self._places.clear()

    def screen(self, keymap: Keymap) -> Screen | None:
        """What to draw; None while the menu is closed."""
        if not self.is_open:
            return None
        place, items = self._places[-1], self._items(keymap)
        item = items[place.selected]
        return Screen(
            title=place.page.value,
            rows=tuple(item.row for item in items),
            selected=place.selected,
            first=place.first,
            note=self._note or item.note,
            footer=self._footer(item),
        )

    def _footer(self, item: Item) -> str:
        if self.is_capturing:
            return ""
        return CHANGING if item.row.adjustable else FOOTER

    def handle(self, event: Event, keymap: Keymap) -> Reply:
        """Take in one event; the menu is open."""
        if self._capturing is not None:
            if isinstance(event, Key) and event.down:
                return self._done(self._captured(event.name, keymap))
            return Reply()
        if isinstance(event, PointerAt):
            self._point(event, keymap)
            return Reply()
        if isinstance(event, Key) and event.down and event.name not in KEY_STEPS:
            return self._done(self._pressed(event.name, keymap))
        step = self._steps.of(event)
        return Reply() if step is None else self._step(step, keymap)

    def advance(self, dt_s: float, keymap: Keymap) -> Reply:
        """Let `dt_s` seconds pass: held directions repeat."""
        step = self._steps.repeated(dt_s) if self._capturing is None else None
        return Reply() if step is None else self._step(step, keymap)

    def dropped(self, path: Path) -> Reply:
        """A picture was dragged onto the window: begin in it, whether the menu is open or not."""
        if self._choices.recorded:
            return Reply()
        return self._done(Reply(order=Start(seed=self._choices.seed, image=path), leave=True))

    def _step(self, step: Step, keymap: Keymap) -> Reply:
        item = self._item(keymap)
        if step is Step.leave:
            return self._done(Reply(leave=True))
        if step is Step.back:
            return self._done(Reply(back=True))
        if step is Step.accept:
            return self._done(item.accept()) if item.accept else Reply()
        if item.adjust and step in (Step.left, Step.right):
            return self._done(item.adjust(1 if step is Step.right else -1))
        rows = [item.row for item in self._items(keymap)]
        self._select(moved(rows, self._places[-1].selected, step), keymap)
        return Reply()

    def _pressed(self, key: str, keymap: Keymap) -> Reply:
        """A key that is no step: a click, the menu's own key, or something typed."""
        if key == CLICK:
            return self._clicked(keymap)
        if keymap.target_of.get(key) == Command.menu.name:
            return Reply(leave=True)
        typed = self._item(keymap).typed
        return typed(key) if typed else Reply()

    def _clicked(self, keymap: Keymap) -> Reply:
        at, box = self._pointer, self._pointed(keymap)
        if at is None or box is None:
            return Reply()
        self._select(box.row, keymap)
        item, across = self._item(keymap), (at.x_px - box.left) / box.width
        if item.adjust and across > VALUE_AT:
            return item.adjust(1 if across > (VALUE_AT + 1) / 2 else -1)
        return item.accept() if item.accept else Reply()

    def _captured(self, key: str, keymap: Keymap) -> Reply:
        """The key that a target has been waiting for; Esc or a key of another device cancels."""
        target, self._capturing = self._capturing, None
        assert target is not None
        on_pad = self._places[-1].page is Page.pad
        if key == "escape" or is_pad_key(key) != on_pad:
            return Reply(note="Left as it was.")
        return rebound(keymap, target, key)

    def _done(self, reply: Reply) -> Reply:
        """Do the menu's own part of a reply."""
        self._note = reply.note
        if reply.capture is not None:
            self._capturing = reply.capture
        if reply.seed is not None:
            self._choices = replace(self._choices, seed=reply.seed)
        if isinstance(reply.order, Start):
            self._choices = replace(self._choices, scene=reply.order.scene)
        if reply.open is not None:
            self._open(reply.open)
        if reply.back:
            self._places.pop()
        left = reply.leave or not self.is_open
        if left:
            self.close()
        return replace(reply, leave=left)

    def _open(self, page: Page) -> None:
        self._places.append(_Place(page))
        if page is Page.saves:
            self._choices = replace(self._choices, saves=self._choices.list_saves())

    def _point(self, at: PointerAt, keymap: Keymap) -> None:
        self._pointer = at
        box = self._pointed(keymap)
        if box is not None and box.row != self._places[-1].selected:
            self._select(box.row, keymap)

    def _pointed(self, keymap: Keymap) -> Box | None:
        at, screen = self._pointer, self.screen(keymap)
        if at is None or screen is None:
            return None
        boxes = boxes_of(screen, at.window_px)
        return next((box for box in boxes if box.holds(at.x_px, at.y_px)), None)

    def _select(self, row: int, keymap: Keymap) -> None:
        self._note = ""
        self._places[-1] = replace(self._places[-1], selected=row)
        screen = self.screen(keymap)
        assert screen is not None  # the menu is open
        self._places[-1] = replace(self._places[-1], first=scrolled(screen))

    def _item(self, keymap: Keymap) -> Item:
        return self._items(keymap)[self._places[-1].selected]

    def _items(self, keymap: Keymap) -> list[Item]:
        return items_of(self._places[-1].page, self._choices, keymap)
