"""What can be asked of the model thread."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import TypeAlias


class Order(Enum):
    pause = auto()
    resume = auto()
    reset = auto()
    switch_world = auto()
    rewind = auto()  # until `go_on`
    go_on = auto()
    branch = auto()
    next_branch = auto()
    previous_branch = auto()
    twin = auto()
    photo = auto()
    step = auto()  # one tick of a paused game
    hand_over = auto()  # the wheel, to the next driver


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where a world begins; as a request, to begin there."""

    seed: int | None  # None: a recording that began in mid-session
    scene: str | None = None  # None: the seed decides
    image: Path | None = None  # a picture for the dream, in place of the seed's world


@dataclass(frozen=True, slots=True)
class SaveAs:
    """Save the present under a name; None finds a new one."""

    name: str | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """Go on where a game was saved."""

    name_or_file: str


Request: TypeAlias = Order | Start | SaveAs | Load
IN_THE_PAST = (Order.rewind, Order.branch, Order.next_branch, Order.previous_branch)
