"""Does a dream rank policies as the truth does? `python -m worldsim.tools.rank_policies`.

    python -m worldsim.tools.rank_policies --task reach --episodes 20 --agents runs/a runs/b

Nine players of different strength, and trained agents, play the same starts in truth and dream.
Then the same sequences of actions are played from the same start in both. Prints the returns and
leaves `ranking.json` and `ranking.png`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from rich.console import Console
from rich.table import Table

from worldsim.errors import ConfigError
from worldsim.evaluate.machine import describe_machine
from worldsim.evaluate.plots import BLUE, GREY, save_figure
from worldsim.record.output import claim_folder
from worldsim.tools.agents.agreement import (
    Returns,
    drawn_sequences,
    policy_agreement,
    sequence_agreement,
    sequence_returns,
)
from worldsim.tools.agents.course import MEASURED_SEEDS, CourseConfig, make_worlds
from worldsim.tools.agents.episodes import Outcome, as_text, play, summary
from worldsim.tools.agents.figures import write_figures
from worldsim.tools.agents.players import Constant, Player, Seeker, Wanderer
from worldsim.tools.agents.progress import progress
from worldsim.tools.agents.run_folder import read_settings
from worldsim.tools.agents.trained import trained
from worldsim.tools.agents.worlds import Worlds
from worldsim.tools.command import run

NOISES = (0.0, 0.25, 0.5, 0.75, 0.9)
CONSTANTS = ("on", "turn right", "bear left")
UNSEEN_SIZE = (16, 10)  # pixels of pictures that nobody looks at

Played = dict[str, dict[str, list[Outcome]]]  # by player, by world


@dataclass(frozen=True, kw_only=True)
class RankConfig(CourseConfig):
    """Compare policies and sequences of actions in truth and dream."""

    out: Path
    """A new or empty folder."""
    agents: tuple[Path, ...] = ()
    """Folders of train_agent's runs. Their pictures' size is used, and must be one."""
    episodes: int = 20
    """Starts of every policy."""
    sequences: int = 8
    """Sequences of actions that are played from the same start; 0 leaves them out."""
    sequence_starts: int = 20
    """Starts of the sequences."""
    sequence_ticks: int = 80
    """Length of the sequences."""
    worlds: int = 8
    """Worlds that move together."""
    threads: int | None = None
    """Of torch."""

    def __post_init__(self) -> None:
        super().__post_init__()
        least = (self.episodes, self.sequence_starts, self.sequence_ticks, self.worlds)
        if min(least) < 1 or self.sequences < 0:
            raise ConfigError(
                "episodes, starts, ticks and worlds from 1, sequences from 0",
                f"{least}, {self.sequences}",
                "Correct the settings.",
            )


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0, or 2 for a user's mistake."""
    return run(partial(tyro.cli, RankConfig, args=argv, description=__doc__), rank)


def rank(config: RankConfig, console: Console) -> dict[str, Any]:
    """Play, compare, and leave what was found in the folder; the same as in `ranking.json`."""
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    claim_folder(config.out)
    course = _seen_by(config)
    seen = replace(course, fast=course.fast or not config.agents)
    stages = {
        "real": Worlds(make_worlds(seen, "real", config.worlds)),
        "dream": Worlds(make_worlds(course, "dream", config.worlds)),
    }
    played = _play_all(config, stages, console)
    figures: dict[str, Any] = {
        "machine": describe_machine(),
        "settings": asdict(config),
        "policies": {
            name: {world: summary(outcomes) for world, outcomes in by_world.items()}
            for name, by_world in played.items()
        },
        "agreement": policy_agreement(*(_returns(played, world) for world in stages)),
    }
    console.print(_policy_table(figures))
    if config.sequences:
        figures["sequences"] = sequence_agreement(*_play_sequences(config, stages, console))
        console.print(_sequence_table(figures["sequences"]))
    for worlds in stages.values():
        worlds.close()
    write_figures(config.out / "ranking.json", figures)
    save_figure(config.out / "ranking.png", lambda figure: _draw(figure, figures))
    return figures


def players(config: RankConfig) -> list[Player]:
    """From hopeless to knowing the way, and those who learned it."""
    constant: list[Player] = [Constant(choice) for choice in CONSTANTS]
    seekers = [Seeker(config.task, noise) for noise in NOISES]
    agents = [trained(folder, ticks_of_a_step=1) for folder in config.agents]
    everybody = [*constant, Wanderer(), *seekers, *agents]
    names = [player.name for player in everybody]
    if len(set(names)) < len(names):
        raise ConfigError("agents of different names", f"{names}", "Rename the runs' folders.")
    return everybody


def _seen_by(config: RankConfig) -> CourseConfig:
    """The course, with the pictures that the agents know."""
    sizes = {read_settings(folder).size for folder in config.agents} or {UNSEEN_SIZE}
    if len(sizes) > 1:
        raise ConfigError(
            "agents that see pictures of one size", f"{sorted(sizes)}", "Compare them in two runs."
        )
    return replace(config, size=sizes.pop())


def _play_all(config: RankConfig, stages: dict[str, Worlds], console: Console) -> Played:
    seeds = range(MEASURED_SEEDS, MEASURED_SEEDS + config.episodes)
    everybody = players(config)
    played: Played = {player.name: {} for player in everybody}
    for world, worlds in stages.items():
        with progress(console, f"policies, {world}", len(everybody) * len(seeds)) as (bar, row):
            for player in everybody:
                played[player.name][world] = play(
                    worlds,
                    player,
                    seeds,
                    config.horizon,
                    tell=lambda count: bar.advance(row, count),
                )
    return played


def _play_sequences(
    config: RankConfig, stages: dict[str, Worlds], console: Console
) -> list[Returns]:  # of truth and dream, [sequences, starts]
    seeds = range(MEASURED_SEEDS, MEASURED_SEEDS + config.sequence_starts)
    found = []
    for world, worlds in stages.items():
        columns = []
        with progress(console, f"sequences, {world}", len(seeds)) as (bar, row):
            for seed in seeds:
                sequences = drawn_sequences(seed, config.sequences, config.sequence_ticks)
                columns.append(sequence_returns(worlds, seed, sequences))
                bar.advance(row)
        found.append(np.stack(columns, axis=1))
    return found


def _returns(played: Played, world: str) -> Returns:  # [policies, starts]
    return np.array([[o.reward for o in by_world[world]] for by_world in played.values()])


def _policy_table(figures: dict[str, Any]) -> Table:
    agreement = figures["agreement"]
    title = f"rank correlation {_told(agreement, 'rank_correlation')}; of returns "
    title += _told(agreement, "correlation")
    table = Table("player", "truth: return", "success", "dream: return", "success", title=title)
    best_first = sorted(figures["policies"].items(), key=lambda row: -row[1]["real"]["return"])
    for name, by_world in best_first:
        table.add_row(name, *as_text(by_world["real"]), *as_text(by_world["dream"]))
    return table


def _sequence_table(figures: dict[str, Any]) -> Table:
    title = f"sequences: rank correlation {_told(figures, 'rank_correlation')}"
    table = Table("true return of", "mean", title=title)
    table.add_row("any sequence", f"{figures['any']:.2f}")
    table.add_row("the dream's favourite", f"{figures['chosen']:.2f}")
    table.add_row("the truly best", f"{figures['best']:.2f}")
    return table


def _told(figures: dict[str, Any], name: str) -> str:
    if figures[name] is None:
        return "unknown"
    low, high = figures[f"{name}_95"]
    return f"{figures[name]:.2f} [{low:.2f}, {high:.2f}]"


def _draw(figure: Any, figures: dict[str, Any]) -> None:
    """Mean returns with their intervals, beside the line where truth and dream are equal."""
    figure.set_size_inches(6.0, 6.0)
    axes = figure.subplots()
    for name, by_world in figures["policies"].items():
        x, y = (by_world[world]["return"] for world in ("real", "dream"))
        bars = {
            axis: [[value - low], [high - value]]
            for axis, value, (low, high) in (
                ("xerr", x, by_world["real"]["return_95"]),
                ("yerr", y, by_world["dream"]["return_95"]),
            )
        }
        axes.errorbar(x, y, fmt="o", color=BLUE, capsize=2, **bars)
        axes.annotate(name, (x, y), xytext=(4, 4), textcoords="offset points", fontsize="small")
    axes.axline((0.0, 0.0), slope=1.0, color=GREY, linestyle="--")
    axes.set(xlabel="mean return in the truth", ylabel="mean return in the dream")


if __name__ == "__main__":
    sys.exit(main())
