"""How many threads torch uses for one operation.

Small operations are slower on two threads than on one: meeting a second thread after each of them
costs more than it brings, a hundredfold on a busy machine, where that thread is not running. And a
second thread that waits, by turning round and round, keeps a core from other work.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class _Own(threading.local):
    """What torch, too, keeps for each thread of Python."""

    all: int | None = None  # before the outermost `one_thread`; None outside of any


_own = _Own()


@contextmanager
def one_thread() -> Iterator[None]:
    """For hundreds of operations of 10 us each."""
    threads, outermost = torch.get_num_threads(), _own.all
    if outermost is None:
        _own.all = threads
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        _own.all = outermost


@contextmanager
def all_threads() -> Iterator[None]:
    """For a network's large operations in the midst of small ones: as outside of `one_thread`."""
    threads = torch.get_num_threads()
    torch.set_num_threads(_own.all or threads)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
