"""Plans on branches of a world and acts in it: `python -m worldsim.tools.plan`.

    python -m worldsim.tools.plan --planner cem --env real --task reach --episodes 100
    python -m worldsim.tools.plan --planner mcts --env dream --episodes 10

Model-predictive control: choices are tried out on branches of the very moment (`get_state`,
`set_state`), the first ones of the best plan are made, and it is planned anew. What was done in
a dream is then done in the truth, from the same start and without looking: what is a plan from the
dream worth there? Beside them plays a random player.

A dream is slow: a plan of CEM tries candidates x rounds x depth x hold ticks (1,536 as set).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import tyro
from rich.console import Console
from rich.table import Table

from worldsim.errors import ConfigError
from worldsim.evaluate.machine import describe_machine
from worldsim.tools.agents.cem import Cem, CemConfig
from worldsim.tools.agents.choices import ACTIONS, HOLD_TICKS
from worldsim.tools.agents.course import MEASURED_SEEDS, CourseConfig, WorldName, make_worlds
from worldsim.tools.agents.episodes import Outcome, as_text, play, summary
from worldsim.tools.agents.figures import report_figures
from worldsim.tools.agents.mcts import Mcts, MctsConfig
from worldsim.tools.agents.planner import Planner, act_out
from worldsim.tools.agents.players import Wanderer
from worldsim.tools.agents.progress import progress
from worldsim.tools.agents.worlds import Worlds
from worldsim.tools.command import run

UNSEEN_SIZE = (16, 10)  # pixels of pictures that nobody looks at


@dataclass(frozen=True, kw_only=True)
class PlanConfig(CourseConfig):
    """Plan and act."""

    planner: Literal["cem", "mcts"] = "cem"
    """How to search."""
    env: WorldName = "real"
    """Where to plan and act."""
    cem: CemConfig = field(default_factory=CemConfig)
    mcts: MctsConfig = field(default_factory=MctsConfig)
    episodes: int = 20
    """Starts."""
    hold: int = HOLD_TICKS
    """Ticks for which each choice is held."""
    commit: int = 4
    """Choices of each plan that are made before the next plan."""
    worlds: int = 16
    """Branches that move together."""
    threads: int | None = None
    """Of torch."""
    json: Path | None = None
    """A file for the figures."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.episodes, self.hold, self.commit, self.worlds) < 1:
            raise ConfigError(
                "episodes, hold, commit and worlds from 1",
                f"{self.episodes}, {self.hold}, {self.commit}, {self.worlds}",
                "Correct the settings.",
            )

    @property
    def steps(self) -> int:
        """Choices of an episode, at most."""
        return -(-self.horizon // self.hold)


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0, or 2 for a user's mistake."""
    return run(
        partial(tyro.cli, PlanConfig, args=argv, description=__doc__),
        partial(report_figures, measure=measure, table=_table),
    )


def measure(config: PlanConfig, console: Console) -> dict[str, Any]:
    """Play every episode; JSON-able figures by player."""
    seeds = range(MEASURED_SEEDS, MEASURED_SEEDS + config.episodes)
    branches = _worlds(config, config.env, config.worlds)
    planner = make_planner(config, branches)
    actor = _worlds(config, config.env, 1)
    planned: list[Outcome] = []
    made: dict[int, list[int]] = {}
    with progress(console, f"planning, {config.env}", len(seeds)) as (bar, row):
        for seed in seeds:
            made[seed], reward = act_out(
                actor, planner, seed, steps=config.steps, commit=config.commit
            )
            planned.append(
                Outcome(seed, reward, bool(actor.ended[0]), len(made[seed]) * config.hold)
            )
            bar.advance(row)
    chance = play(branches, Wanderer(hold=1), seeds, config.horizon)
    rows = {"planner": summary(planned), "random": summary(chance)}
    for worlds in (branches, actor):
        worlds.close()
    if config.env == "dream":
        rows["the same choices in the truth"] = summary(_done_again(config, made))
    return {"machine": describe_machine(), "settings": asdict(config), "players": rows}


def make_planner(config: PlanConfig, branches: Worlds) -> Planner:
    if config.planner == "cem":
        return Cem(branches, config.cem)
    return Mcts(branches, config.mcts)


def _worlds(config: PlanConfig, world: WorldName, count: int) -> Worlds:
    """Nobody looks: the truth draws as little as can be."""
    course = replace(config, size=UNSEEN_SIZE, fast=True)
    return Worlds(make_worlds(course, world, count, action_repeat=config.hold))


def _done_again(config: PlanConfig, made: Mapping[int, Sequence[int]]) -> list[Outcome]:
    """The choices of each seed in the truth, without looking; those after the end are not made."""
    truth, outcomes = _worlds(config, "real", 1), []
    for seed, choices in made.items():
        truth.begin([seed])
        reward = sum(float(truth.act([ACTIONS[choice]])[0]) for choice in choices)
        ended = bool(truth.ended[0])
        outcomes.append(Outcome(seed, reward, ended, len(choices) * config.hold))
    truth.close()
    return outcomes


def _table(config: PlanConfig, figures: dict[str, Any]) -> Table:
    title = f"{config.planner} in the {config.env}, {config.task}, {config.episodes} episodes"
    table = Table("player", "return, 95 %", "success, 95 %", title=title)
    for name, row in figures["players"].items():
        table.add_row(name, *as_text(row))
    return table


if __name__ == "__main__":
    sys.exit(main())
