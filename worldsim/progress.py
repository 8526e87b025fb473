"""How far something slow has got, told to whoever listens to this thread.

What is slow lies deep: nobody in between has to pass a callback on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeAlias

Tell: TypeAlias = Callable[[str, float], None]  # what is done, and how much of it, from 0 to 1

_TELL: ContextVar[Tell | None] = ContextVar("tell", default=None)


@contextmanager
def listening(tell: Tell) -> Iterator[None]:
    """Within the block `tell` hears what this thread reports."""
    token = _TELL.set(tell)
    try:
        yield
    finally:
        _TELL.reset(token)


def report(what: str, share: float) -> None:
    """Say that this share of it, from 0 to 1, is done; costs nothing where nobody listens."""
    tell = _TELL.get()
    if tell is not None:
        tell(what, share)
