"""Many episodes into one data set, each exactly once, by one process or by many."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from worldsim.errors import CheckpointError, OutputError
from worldsim.record.crew import ProcessCrew, record_by_crew
from worldsim.record.dataset import DataSet
from worldsim.record.format import WorldInfo
from worldsim.record.rollout import RecordConfig, planned_actions, record_episode
from worldsim.record.script import bundled_scripts
from worldsim.record.shard import Shard
from worldsim.record.worlds import MadeWorld, MakeWorld


@dataclass(frozen=True, slots=True)
class Job:
    """All that a worker, in whatever process, needs to record episodes of a data set."""

    config: RecordConfig
    dataset: DataSet
    world: WorldInfo
    make: MakeWorld

    @contextmanager
    def opened(self) -> Iterator[Callable[[int], None]]:
        """Make the world once, and record the episode of each number that is asked for.

        Raises CheckpointError if this worker's world is another than the data set's.
        """
        made = self.make(self.config.world_config())
        threads = torch.get_num_threads()
        torch.set_num_threads(self.config.threads)
        try:
            self._require_world(made)
            yield lambda number: self._record(made, number)
        finally:
            torch.set_num_threads(threads)
            made.world.close()

    def _record(self, made: MadeWorld, number: int) -> None:
        if not self.dataset.has(number):
            with self.dataset.new_episode(number) as folder:
                record_episode(self.config, made, folder, number)

    def _require_world(self, made: MadeWorld) -> None:
        if made.info != self.world:
            raise CheckpointError(
                f"the world {self.world}",
                f"{made.info}",
                "Use one checkpoint and one renderer on every machine.",
            )


def record_dataset(config: RecordConfig, *, make: MakeWorld) -> int:
    """Record the episodes of the config's shard that are not there yet; exit code 0.

    However it ends, the episodes that are whole stay, and the metadata lists them.

    Raises OutputError if the folder holds other data, or these episodes without `resume`.
    """
    planned_actions(config)
    made = make(config.world_config())
    made.world.close()
    shard = Shard.parse(config.shard)
    dataset = DataSet.claim(
        config.out,
        _plan(config, made.info),
        shared=config.resume or shard.count > 1,
        writer=shard.name,
    )
    numbers = shard.numbers(config.episodes or 1)
    missing = [number for number in numbers if not dataset.has(number)]
    if len(missing) < len(numbers) and not config.resume:
        raise OutputError(
            f"none of these {len(numbers)} episodes to be in {config.out}",
            f"{len(numbers) - len(missing)} that are",
            "Add --resume to record the others, or choose another folder.",
        )
    try:
        _record_missing(Job(config, dataset, made.info, make), missing, total=len(numbers))
    finally:
        dataset.finish()
    Console().print(
        f"{len(missing)} episodes recorded; all {len(numbers)} asked for are in {config.out}",
        soft_wrap=True,
    )
    return 0


def record_here(job: Job, numbers: Sequence[int]) -> Generator[int, None, None]:
    """Record in this process; yields each number when its episode is whole."""
    if not numbers:
        return
    with job.opened() as record:
        for number in numbers:
            record(number)
            yield number


def _record_missing(job: Job, missing: Sequence[int], *, total: int) -> None:
    with _progress() as progress:
        bar = progress.add_task("recording", total=total, completed=total - len(missing))
        with closing(_recorded(job, missing)) as recorded:
            for number in recorded:
                job.dataset.append_metadata(number)
                progress.advance(bar)


def _recorded(job: Job, numbers: Sequence[int]) -> Generator[int, None, None]:
    """The numbers of episodes as they become whole, by the engine that the config names."""
    workers = min(job.config.workers, len(numbers))
    if numbers and job.config.engine == "ray":
        from worldsim.record.ray_crew import RayCrew  # an extra

        return record_by_crew(RayCrew(job, workers), numbers, workers)
    if workers > 1:
        return record_by_crew(ProcessCrew(job), numbers, workers)
    return record_here(job, numbers)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


def _plan(config: RecordConfig, world: WorldInfo) -> dict[str, object]:
    """What decides every frame of an episode. More episodes may be added; these may not change."""
    return {
        "script": config.script,
        "script_hash": _script_hash(config.script),
        "seed": config.seed,
        "scene": config.scene,
        "ticks": config.ticks,
        "depth": config.depth,
        "pixel_format": config.pixel_format,
        "threads": config.threads,
        "world": asdict(world),
    }


def _script_hash(script: str) -> str | None:
    """Of a script's file; None for one that ships with worldsim."""
    if script in bundled_scripts():
        return None
    return hashlib.sha256(Path(script).read_bytes()).hexdigest()[:12]
