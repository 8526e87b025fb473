"""How fast the environments step, and what players score: `python -m worldsim.tools.bench_envs`.

Prints the machine, versions and commit, then steps a second of the true world, alone and batched,
at each size; the time of a reset; steps a second of the dream for each batch; and the mean returns
of random and of scripted players in the truth. The load is printed beside them: timings taken
while others work say little. ViZDoom and MiniWorld are measured in the same run where they are
installed (`pip install vizdoom miniworld`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
import torch
import tyro
from rich.console import Console
from rich.table import Table

import worldsim  # noqa: F401  # registers the ids
from worldsim.envs.blocks.scripted import ScriptedPlayer
from worldsim.envs.blocks.world import BlockWorld
from worldsim.envs.registration import TASKS
from worldsim.envs.views import action_view
from worldsim.errors import ConfigError
from worldsim.evaluate.machine import describe_machine
from worldsim.tools.other_envs import OTHERS
from worldsim.types import Action, Pose

WARM_UP = 5  # steps


@dataclass(frozen=True, kw_only=True)
class BenchEnvsConfig:
    """What to measure."""

    sizes: tuple[int, ...] = (32, 64, 128)  # pixels along both sides, drawn at that size
    batches: tuple[int, ...] = (1, 4, 16)  # of the vector environments
    seconds: float = 3.0  # of each measurement
    resets: int = 20
    episodes: int = 20  # of each player and task; 0 leaves the returns out
    dream: bool = True
    checkpoint: str = "default"
    device: str = "auto"
    threads: int | None = None  # of torch

    def __post_init__(self) -> None:
        if self.seconds <= 0 or self.resets < 1 or self.episodes < 0:
            raise ConfigError(
                "positive seconds and resets, and episodes from 0",
                f"{self.seconds}, {self.resets}, {self.episodes}",
                "Correct the settings.",
            )


def main(argv: Sequence[str] | None = None) -> int:
    config = tyro.cli(BenchEnvsConfig, args=argv, description=__doc__)
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    console = Console()
    console.print({**describe_machine(), "gymnasium": gymnasium.__version__})
    console.print(_truth_table(config))
    if any(other.is_installed for other in OTHERS):
        console.print(_others_table(config))
    if config.dream:
        console.print(_dream_table(config))
    if config.episodes:
        console.print(_returns_table(config))
    return 0


def _truth_table(config: BenchEnvsConfig) -> Table:
    table = Table(
        "size", "alone", *(f"batch {n}" for n in config.batches), "reset ms", title="truth: steps/s"
    )
    for size in config.sizes:
        arguments: dict[str, Any] = {"size": (size, size), "fast": True}
        alone = gymnasium.make("worldsim/Blocks-v0", **arguments)
        rates = [_steps_per_s(alone, 1, config.seconds, alone=True)]
        reset_ms = _reset_ms(alone, config.resets)
        for count in config.batches:
            batched = _batched("worldsim/Blocks-v0", count, arguments)
            rates.append(_steps_per_s(batched, count, config.seconds))
        row = (f"{rate:,.0f}" for rate in rates)
        table.add_row(f"{size} x {size}", *row, f"{reset_ms:.1f}")
    return table


def _others_table(config: BenchEnvsConfig) -> Table:
    table = Table("environment", "it draws", "steps/s", "reset ms", title="others, alone")
    for other in OTHERS:
        if other.is_installed:
            env = other.make(other.env_id)
            reset_ms = _reset_ms(env, config.resets)
            rate = _steps_per_s(other.make(other.env_id), 1, config.seconds, alone=True)
            table.add_row(other.name, other.picture, f"{rate:,.0f}", f"{reset_ms:.1f}")
    return table


def _dream_table(config: BenchEnvsConfig) -> Table:
    table = Table("batch", "steps/s", "over batch 1", title="dream")
    arguments = {"checkpoint": config.checkpoint, "device": config.device}
    first = None
    for count in config.batches:
        envs = _batched("worldsim/Dream-v0", count, arguments)
        rate = _steps_per_s(envs, count, config.seconds)
        first = first or rate
        table.add_row(str(count), f"{rate:.1f}", f"{rate / first:.2f}")
    return table


def _batched(env_id: str, count: int, arguments: dict[str, Any]) -> gymnasium.vector.VectorEnv:
    return gymnasium.make_vec(env_id, count, vectorization_mode="vector_entry_point", **arguments)


def _steps_per_s(env: Any, worlds: int, seconds: float, *, alone: bool = False) -> float:
    """Of all worlds together, resets of what ends included; the environment is closed."""
    env.action_space.seed(0)
    env.reset(seed=0)
    for _ in range(WARM_UP):
        env.step(env.action_space.sample())
    steps, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        if alone and (terminated or truncated):
            env.reset()
        steps += worlds
    rate = steps / (time.perf_counter() - begun)
    env.close()
    return rate


def _reset_ms(env: Any, count: int) -> float:
    """The median over worlds not seen before."""
    times = []
    for seed in range(1, count + 1):
        begun = time.perf_counter()
        env.reset(seed=seed)
        times.append((time.perf_counter() - begun) * 1000)
    env.close()
    return float(np.median(times))


def _returns_table(config: BenchEnvsConfig) -> Table:
    title = f"returns in the truth, mean and standard error of {config.episodes} episodes"
    table = Table("task", "random", "scripted", "scripted ends", title=title)
    for steps, arguments in TASKS.values():
        if "task" in arguments:
            view = arguments.get("action_view", "discrete")
            table.add_row(*_returns(arguments["task"], view, steps, config.episodes))
    return table


def _returns(task: str, view: str, steps: int, episodes: int) -> tuple[str, ...]:
    world, player, choices = BlockWorld(task=task), ScriptedPlayer(task), action_view(view)
    choices.space.seed(0)

    def by_chance(_: Pose) -> Action:
        return choices.decode(choices.space.sample())

    chance, skill = [], []
    for seed in range(episodes):
        player.begin(seed)
        chance.append(_played(world, seed, steps, by_chance))
        skill.append(_played(world, seed, steps, player.act))
    ends = sum(ended for _, ended in skill)
    return task, _mean([r for r, _ in chance]), _mean([r for r, _ in skill]), f"{ends}/{episodes}"


def _played(
    world: BlockWorld, seed: int, steps: int, player: Callable[[Pose], Action]
) -> tuple[float, bool]:
    world.prepare(seed=seed)
    total = 0.0
    for _ in range(steps):
        reward, terminated = world.advance(player(world.pose))
        total += reward
        if terminated:
            return total, True
    return total, False


def _mean(values: list[float]) -> str:
    error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    return f"{np.mean(values):.2f} ± {error:.2f}"


if __name__ == "__main__":
    raise SystemExit(main())
