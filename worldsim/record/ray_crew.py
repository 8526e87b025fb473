"""Workers as Ray actors, on a cluster or on a Ray that is begun on this machine.

`worldsim record --engine ray --workers 2 ...` needs no other command: without a cluster, Ray
starts here and ends with the recording. With RAY_ADDRESS set, its cluster is used; then `out`
must lie on a disk that every node sees.
"""

from __future__ import annotations

import os
from typing import Any

from worldsim.errors import BackendError, WorldsimError
from worldsim.record.crew import Report, Work

_STORE_BYTES = 80 * 2**20  # frames go to disk, not through Ray's store: nearly its least size


class RayWorker:
    """What runs in an actor. An error is an answer, so that it comes back as it was."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._do: Any = None

    def do(self, number: int) -> WorldsimError | None:
        try:
            if self._do is None:
                self._open = self._work.opened()  # kept: its end would close the world
                self._do = self._open.__enter__()
            self._do(number)
        except WorldsimError as error:
            return error
        return None


class RayCrew:
    """One actor a worker. Raises BackendError if Ray is not installed."""

    def __init__(self, work: Work, workers: int) -> None:
        self._ray = ray = _import_ray()
        self._begun = not ray.is_initialized()
        if self._begun:
            ray.init(**_options(workers))
        self._actors = ray.remote(num_cpus=1, max_restarts=0)(RayWorker)
        self._work = ray.put(work)
        self._hired: dict[int, Any] = {}
        self._answers: dict[Any, int] = {}
        self._count = 0

    def hire(self) -> int:
        self._count += 1
        self._hired[self._count] = self._actors.remote(self._work)
        return self._count

    def begin(self, worker: int, number: int) -> None:
        self._answers[self._hired[worker].do.remote(number)] = worker

    def wait(self) -> list[Report]:
        done, _ = self._ray.wait(list(self._answers), num_returns=1)
        return [self._report(answer, self._answers.pop(answer)) for answer in done]

    def close(self) -> None:
        for actor in self._hired.values():
            self._ray.kill(actor)
        self._hired.clear()
        if self._begun:
            self._ray.shutdown()

    def _report(self, answer: Any, worker: int) -> Report:
        try:
            return Report(worker, error=self._ray.get(answer))
        except self._ray.exceptions.RayError as error:
            self._ray.kill(self._hired.pop(worker))
            return Report(worker, death=str(error))


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise BackendError(
            "Ray for --engine ray", "no such package", 'Run `pip install "worldsim-engine[ray]"`.'
        ) from error
    return ray


def _options(workers: int) -> dict[str, Any]:
    """How Ray begins: what a cluster decides for itself is left out if one is named."""
    quiet = {"logging_level": "warning", "log_to_driver": False}
    if "RAY_ADDRESS" in os.environ:
        return quiet
    return {
        **quiet,
        "num_cpus": workers,
        "include_dashboard": False,
        "object_store_memory": _STORE_BYTES,
    }
