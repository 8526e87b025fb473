"""Workers in other processes: work is handed out one episode at a time, and the dead are replaced.

A worker that dies costs the episode it was at, which another begins anew. A driver that dies is
noticed by its workers, which end after the episode they are at.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import Counter, deque
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Protocol

from worldsim.errors import BackendError, WorldsimError

MAX_DEATHS = 3  # of workers at one episode, before the episode itself is to blame
_FAREWELL_S = 10.0


class Work(Protocol):
    """What can be sent to a worker: opened there once, it does the work of a number."""

    def opened(self) -> AbstractContextManager[Callable[[int], None]]: ...


@dataclass(frozen=True, slots=True)
class Report:
    """How a worker's last piece of work ended: well, with an error, or with the worker's death."""

    worker: int
    error: WorldsimError | None = None
    death: str | None = None


class Crew(Protocol):
    """Workers, told apart by the numbers that `hire` gives them."""

    def hire(self) -> int: ...

    def begin(self, worker: int, number: int) -> None:
        """Give an idle worker the work of a number; returns at once."""

    def wait(self) -> list[Report]:
        """Wait until at least one worker that has work is done with it, or dead."""

    def close(self) -> None:
        """End every worker, also in the middle of its work."""


def record_by_crew(crew: Crew, numbers: Sequence[int], workers: int) -> Generator[int, None, None]:
    """Have every number worked on; yields each when it is done. Closes the crew.

    Raises the WorldsimError that a worker met, or BackendError if workers die again and again
    at one number.
    """
    waiting, at_work = deque(numbers), dict[int, int]()
    deaths = Counter[int]()
    try:
        idle = [crew.hire() for _ in range(workers)]
        while waiting or at_work:
            while idle and waiting:
                worker, number = idle.pop(), waiting.popleft()
                at_work[worker] = number
                crew.begin(worker, number)
            for report in crew.wait():
                number = at_work.pop(report.worker)
                if report.error is not None:
                    raise report.error
                if report.death is not None:
                    deaths[number] += 1
                    _require_luck(number, deaths[number], report.death)
                    waiting.appendleft(number)
                    idle.append(crew.hire())
                else:
                    idle.append(report.worker)
                    yield number
    finally:
        crew.close()


def _require_luck(number: int, deaths: int, last: str) -> None:
    if deaths >= MAX_DEATHS:
        raise BackendError(
            f"a worker to live through episode {number}",
            f"{deaths} that died at it, the last of {last}",
            "If memory ran out, use fewer workers. Then go on with --resume.",
        )


@dataclass(frozen=True, slots=True)
class _Hired:
    process: SpawnProcess
    pipe: Connection


class ProcessCrew:
    """Processes of this machine, spawned, with a pipe to each."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._hired: dict[int, _Hired] = {}
        self._busy: set[int] = set()
        self._count = 0

    def hire(self) -> int:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(self._work, theirs), daemon=True)
        process.start()
        theirs.close()  # so that our end closes when the process ends
        self._count += 1
        self._hired[self._count] = _Hired(process, ours)
        return self._count

    def begin(self, worker: int, number: int) -> None:
        self._busy.add(worker)
        with suppress(BrokenPipeError):  # it is dead: `wait` will tell
            self._hired[worker].pipe.send(number)

    def wait(self) -> list[Report]:
        pipes = {self._hired[worker].pipe: worker for worker in self._busy}
        done = [pipes[pipe] for pipe in wait(list(pipes)) if isinstance(pipe, Connection)]
        self._busy -= set(done)
        return [self._report(worker) for worker in done]

    def close(self) -> None:
        for worker, hired in self._hired.items():
            hired.pipe.close()
            if worker in self._busy:
                hired.process.terminate()
        for hired in self._hired.values():
            hired.process.join(_FAREWELL_S)
            if hired.process.is_alive():
                hired.process.kill()
                hired.process.join()
        self._hired.clear()

    def _report(self, worker: int) -> Report:
        try:
            return Report(worker, error=self._hired[worker].pipe.recv())
        except (EOFError, ConnectionResetError):
            hired = self._hired.pop(worker)
            hired.pipe.close()
            hired.process.join()
            return Report(worker, death=f"exit code {hired.process.exitcode}")


def _serve(work: Work, pipe: Connection) -> None:
    """A worker's life: numbers come, None or an error goes back, until the driver hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the driver ends us
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            with work.opened() as do:
                while True:
                    do(pipe.recv())
                    pipe.send(None)
        except WorldsimError as error:
            pipe.send(error)
