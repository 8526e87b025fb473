"""What memory is worth to a player in a dream: `python -m worldsim.tools.find_and_return`.

    python -m worldsim.tools.find_and_return --memory full off --episodes 40 --json return.json

The task `return`: see a gem, go to the beacon, come back. One player is told the way and, back at
the start, has to see the gem to find it. A second is told everything: where it fails, the dream did
not let it pass or took it elsewhere. Both play the same starts in the truth and in dreams with
each kind of memory.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import tyro
from rich.console import Console
from rich.table import Table

from worldsim.errors import ConfigError
from worldsim.evaluate.machine import describe_machine
from worldsim.tools.agents.course import MEASURED_SEEDS, CourseConfig, make_worlds
from worldsim.tools.agents.episodes import as_text, play, summary
from worldsim.tools.agents.figures import report_figures
from worldsim.tools.agents.players import Player, Seeker
from worldsim.tools.agents.progress import progress
from worldsim.tools.agents.returner import SightedReturner
from worldsim.tools.agents.worlds import Worlds
from worldsim.tools.command import run

MemoryName = Literal["full", "recent", "random", "off"]


@dataclass(frozen=True, kw_only=True)
class FindAndReturnConfig:
    """Success of two scripted players, by memory."""

    memory: tuple[MemoryName, ...] = ("full", "off")
    """Kinds of memory to dream with."""
    real: bool = True
    """Play in the truth, too."""
    episodes: int = 40
    """Starts."""
    horizon: int = 500
    """Ticks of 1/20 s until an episode is cut off."""
    checkpoint: str = "default"
    """The model that dreams, by name or path."""
    device: str = "auto"
    """Where it dreams: auto, cpu or cuda."""
    worlds: int = 8
    """Worlds that move together."""
    threads: int | None = None
    """Of torch."""
    json: Path | None = None
    """A file for the figures."""

    def __post_init__(self) -> None:
        if min(self.episodes, self.horizon, self.worlds) < 1:
            raise ConfigError(
                "episodes, horizon and worlds from 1",
                f"{self.episodes}, {self.horizon}, {self.worlds}",
                "Correct the settings.",
            )


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0, or 2 for a user's mistake."""
    return run(
        partial(tyro.cli, FindAndReturnConfig, args=argv, description=__doc__),
        partial(report_figures, measure=measure, table=_table),
    )


def measure(config: FindAndReturnConfig, console: Console) -> dict[str, Any]:
    """Play everywhere; JSON-able figures by world and player."""
    course = CourseConfig(
        task="return",
        horizon=config.horizon,
        size=(128, 80),
        checkpoint=config.checkpoint,
        device=config.device,
    )
    found: dict[str, dict[str, Any]] = {}
    if config.real:
        worlds = Worlds(make_worlds(course, "real", config.worlds))
        found["truth"] = _played(config, worlds, "truth", console)
    for mode in config.memory:
        worlds = Worlds(make_worlds(course, "dream", config.worlds, memory=mode))
        found[f"memory {mode}"] = _played(config, worlds, f"memory {mode}", console)
    return {"machine": describe_machine(), "settings": asdict(config), "worlds": found}


def _played(
    config: FindAndReturnConfig, worlds: Worlds, title: str, console: Console
) -> dict[str, Any]:
    """The worlds are closed."""
    seeds = range(MEASURED_SEEDS, MEASURED_SEEDS + config.episodes)
    players: list[Player] = [SightedReturner(), Seeker("return")]
    figures = {}
    with progress(console, title, len(players) * len(seeds)) as (bar, row):
        for player in players:
            outcomes = play(
                worlds, player, seeds, config.horizon, tell=lambda count: bar.advance(row, count)
            )
            figures[player.name] = summary(outcomes)
    worlds.close()
    return figures


def _table(config: FindAndReturnConfig, figures: dict[str, Any]) -> Table:
    title = f"find and return, {config.episodes} episodes"
    table = Table("world", "player", "return, 95 %", "success, 95 %", title=title)
    for world, by_player in figures["worlds"].items():
        for name, row in by_player.items():
            table.add_row(world, name, *as_text(row))
    return table


if __name__ == "__main__":
    sys.exit(main())
