"""Proof that mass recording survives kills: record, kill workers and driver, resume, compare.

    python -m worldsim.tools.check_rollouts --out /tmp/check --episodes 200 --engine ray

One undisturbed process records the episodes first. Then workers do, of which some are killed at
an episode, and their driver is killed when a third is done; it is resumed, and every episode must
be there once, with the hashes of the undisturbed run.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from dataclasses import dataclass, replace
from pathlib import Path

import tyro
from rich.console import Console

from worldsim.record import rollout
from worldsim.record.dataset import finished_episodes
from worldsim.record.episode import Episode
from worldsim.record.rollout import EngineName, RecordConfig
from worldsim.record.worlds import MadeWorld, SceneWorld, WorldConfig, WorldKind, make_world
from worldsim.types import Action, Observation, StepResult

_POLL_S = 0.05


@dataclass(frozen=True, kw_only=True)
class CheckConfig:
    """Record many episodes twice, once with kills, and compare."""

    out: Path
    """A new folder for both recordings."""
    episodes: int = 200
    """How many episodes."""
    ticks: int = 20
    """Actions an episode."""
    engine: EngineName = "ray"
    """What the workers run on."""
    workers: int = 2
    """How many record at the same time."""
    worker_kills: int = 2
    """How many workers are killed, each at another episode."""
    world: WorldKind = "real"
    """Which world is recorded."""


class MortalWorld:
    """A world whose process is killed at a reset to a seed that a file of `deaths` names."""

    def __init__(self, world: SceneWorld, deaths: Path) -> None:
        self._world, self._deaths = world, deaths
        self.intrinsics = world.intrinsics

    def reset(self, *, seed: int | None = None, scene: str | None = None) -> Observation:
        death = self._deaths / str(seed)
        if death.exists():
            death.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return self._world.reset(seed=seed, scene=scene)

    def step(self, action: Action) -> StepResult:
        return self._world.step(action)

    def close(self) -> None:
        self._world.close()


@dataclass(frozen=True)
class MakeMortal:
    """Makes worlds as `make_world` does, that may die."""

    deaths: Path

    def __call__(self, config: WorldConfig) -> MadeWorld:
        made = make_world(config)
        return replace(made, world=MortalWorld(made.world, self.deaths))


def main(config: CheckConfig) -> int:
    """Exit code 0 if every episode is there once and equal."""
    deaths = config.out / "deaths"
    deaths.mkdir(parents=True)
    serial = RecordConfig(
        out=config.out / "serial",
        script="wander",
        world=config.world,
        episodes=config.episodes,
        ticks=config.ticks,
    )
    rollout.run(serial)
    for n in range(config.worker_kills):
        (deaths / str((n + 1) * config.episodes // (config.worker_kills + 1))).touch()
    disturbed = replace(
        serial,
        out=config.out / "disturbed",
        resume=True,
        workers=config.workers,
        engine=config.engine,
    )
    kept = _begin_and_kill(disturbed, MakeMortal(deaths), after=config.episodes // 3)
    rollout.run(disturbed, make=MakeMortal(deaths))
    return _compare(serial.out, disturbed.out, kept=kept, unkilled=len(list(deaths.iterdir())))


def _begin_and_kill(config: RecordConfig, make: MakeMortal, *, after: int) -> int:
    """Record in a process that is killed after so many episodes; how many it leaves."""
    context = multiprocessing.get_context("spawn")
    driver = context.Process(target=rollout.run, args=(config,), kwargs={"make": make})
    driver.start()
    while driver.is_alive() and len(list(config.out.glob("episode_*"))) < after:
        time.sleep(_POLL_S)
    driver.kill()
    driver.join()
    return len(finished_episodes(config.out))


def _compare(serial: Path, disturbed: Path, *, kept: int, unkilled: int) -> int:
    expected, found = _hashes(serial), _hashes(disturbed)
    equal = sum(found.get(number) == hashes for number, hashes in expected.items())
    Console().print(
        f"{len(found)} of {len(expected)} episodes, {equal} equal to the serial run; "
        f"{kept} were whole when the driver was killed, {unkilled} workers were spared",
        soft_wrap=True,
    )
    return 0 if found == expected and not unkilled else 1


def _hashes(root: Path) -> dict[int, list[str]]:
    episodes = {n: Episode.open(folder) for n, folder in finished_episodes(root).items()}
    return {n: [tick.frame_hash for tick in e.ticks] for n, e in episodes.items()}


if __name__ == "__main__":
    from worldsim.tools.check_rollouts import main as importable  # Ray's workers know no __main__

    raise SystemExit(importable(tyro.cli(CheckConfig)))
