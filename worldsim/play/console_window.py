"""The window that is none, with one thing to see: on the console, how far a world is loaded."""

from __future__ import annotations

from rich.console import Console
from rich.progress import Progress, TaskID

from worldsim.play.window import HeadlessWindow, View


class ConsoleWindow(HeadlessWindow):
    """Shows a bar on stderr while a world loads, and leaves no trace of it."""

    def __init__(self, console: Console | None = None) -> None:
        super().__init__()
        self._console = console or Console(stderr=True)
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def present(self, view: View, /) -> None:
        share = view.hud.progress
        if share is None:
            self.close()
            return
        if self._bar is None:
            self._bar = Progress(console=self._console, transient=True)
            self._task = self._bar.add_task("", total=1.0)
            self._bar.start()
        assert self._task is not None  # it comes with the bar
        told = view.hud.subtitle or view.hud.title
        self._bar.update(self._task, completed=share, description=told)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
        self._bar = self._task = None
