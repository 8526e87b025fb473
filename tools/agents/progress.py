"""The progress bar of the commands about agents."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


@contextmanager
def progress(
    console: Console, title: str, total: int, done: int = 0
) -> Iterator[tuple[Progress, TaskID]]:
    """A bar of so many steps, and its row."""
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        yield bar, bar.add_task(title, total=total, completed=done)
