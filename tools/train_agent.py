"""Teaches an agent in the true world or in a dream: `python -m worldsim.tools.train_agent`.

    python -m worldsim.tools.train_agent --env dream --task reach --steps 8000 --out runs/dreamer
    python -m worldsim.tools.train_agent --eval-only runs/dreamer --episodes 100

PPO on small pictures; the pose is not seen. A choice among six (on, on and jump, turn, bear to
either side) is held for four ticks, and `--steps` counts choices. Rewards are the environment's
own, equal in truth and dream. Episodes start in lands drawn anew and are cut off at the horizon;
in a dream also when the player is adrift: under 3 m of true rock, or 8 m above anything.

Needs the extras `rl` and `report`. Typed again with the same `--out`, a run goes on. At its end, or
with `--eval-only`, the agent plays in the truth, on starts that nobody learns from, beside a random
player on the same.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import tyro
from rich.console import Console
from rich.table import Table

from worldsim.engine.clock import RealClock
from worldsim.errors import ConfigError
from worldsim.evaluate.machine import describe_machine
from worldsim.evaluate.statistics import bootstrap_interval
from worldsim.tools.agents.course import MEASURED_SEEDS, WorldName, make_worlds
from worldsim.tools.agents.curve import Point, draw_curve, load_curve
from worldsim.tools.agents.episodes import Outcome, as_text, play, summary
from worldsim.tools.agents.figures import write_figures
from worldsim.tools.agents.players import Player, Wanderer
from worldsim.tools.agents.progress import progress
from worldsim.tools.agents.run_folder import LearningConfig, claim, learning_of, read_settings
from worldsim.tools.agents.trained import require_rl, trained
from worldsim.tools.agents.worlds import Worlds
from worldsim.tools.command import run

CURVE_PICTURE, EVALUATION_FILE = "curve.png", "evaluation_{}.json"


@dataclass(frozen=True, kw_only=True)
class TrainAgentConfig(LearningConfig):
    """Learn, then play in the truth; or only play."""

    out: Path | None = None
    """Folder of the run."""
    eval_only: Path | None = None
    """Folder of a run whose agent plays, and does not learn."""
    eval_env: WorldName = "real"
    """Where it plays after learning."""
    steps: int = 30_000
    """Choices in all worlds together, those of earlier sittings included."""
    episodes: int = 100
    """Episodes of the evaluation; 0 leaves it out."""
    save_every_s: float = 60.0
    """A kill loses at most so many seconds of learning, and one update."""
    threads: int = 1
    """Of torch."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.out is None) == (self.eval_only is None):
            raise ConfigError(
                "either --out or --eval-only", "both or neither", "Pass one of the two."
            )


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0 when all steps are done, 2 for a user's mistake, 130 when stopped."""
    parse = partial(tyro.cli, TrainAgentConfig, args=argv, description=__doc__)
    return run(parse, learn_and_play, "Stopped. Continue with the same --out.")


def learn_and_play(config: TrainAgentConfig, console: Console) -> None:
    """Learn, unless there is an agent to play, and play."""
    torch.set_num_threads(config.threads)
    folder = config.eval_only or train(config, console)
    if config.episodes:
        console.print(evaluate(config, folder, console))


def train(config: TrainAgentConfig, console: Console) -> Path:
    """Learn until all steps are done; returns the run's folder."""
    require_rl()
    from worldsim.tools.agents.keeper import AGENT_FILE, CURVE_FILE, Keeper
    from worldsim.tools.agents.learner import load_learner, new_learner, training_envs

    assert config.out is not None
    folder, learning = config.out, learning_of(config)
    claim(folder, learning)
    begun = (folder / AGENT_FILE).exists()
    done = load_learner(folder / AGENT_FILE).num_timesteps if begun else 0
    envs = training_envs(
        learning,
        config.env,
        config.worlds,
        hold=config.hold,
        seed=config.seed,
        steps_done=done,
    )
    learner = load_learner(folder / AGENT_FILE, envs) if begun else new_learner(envs, config.seed)
    points = load_curve(folder / CURVE_FILE, done)
    draw_curve(points, folder / CURVE_PICTURE)  # at once: who lacks matplotlib is told now
    with progress(console, "learning", config.steps, done) as (bar, row):

        def tell(steps: int, newest: Point | None) -> None:
            bar.update(row, completed=steps, description=_described(newest))

        keeper = Keeper(folder, points, clock=RealClock(), every_s=config.save_every_s, tell=tell)
        if done < config.steps:
            learner.learn(config.steps - done, callback=keeper, reset_num_timesteps=False)
    envs.close()
    draw_curve(points, folder / CURVE_PICTURE)
    return folder


def evaluate(config: TrainAgentConfig, folder: Path, console: Console) -> Table:
    """Play on starts that nobody learns from; writes `evaluation_WORLD.json` into the folder."""
    learning = read_settings(folder)
    worlds = Worlds(
        make_worlds(learning, config.eval_env, config.worlds, action_repeat=learning.hold)
    )
    seeds = range(MEASURED_SEEDS, MEASURED_SEEDS + config.episodes)
    players: list[Player] = [trained(folder, ticks_of_a_step=learning.hold), Wanderer(hold=1)]
    played: list[list[Outcome]] = []
    with progress(console, f"playing, {config.eval_env}", 2 * len(seeds)) as (bar, row):
        for player in players:
            played.append(
                play(
                    worlds,
                    player,
                    seeds,
                    learning.horizon,
                    tell=lambda count: bar.advance(row, count),
                )
            )
    worlds.close()
    ours, chance = played
    ahead = [a.reward - b.reward for a, b in zip(ours, chance, strict=True)]
    figures = {
        "world": config.eval_env,
        "machine": describe_machine(),
        "settings": asdict(learning),
        "agent": summary(ours),
        "random": summary(chance),
        "ahead_of_random_95": bootstrap_interval(ahead),
        "returns": [outcome.reward for outcome in ours],
    }
    write_figures(folder / EVALUATION_FILE.format(config.eval_env), figures)
    return _table(config, figures)


def _described(newest: Point | None) -> str:
    if newest is None:
        return "learning"
    return f"learning; return {newest.mean_return:.2f}, success {newest.success:.0%}"


def _table(config: TrainAgentConfig, figures: dict[str, Any]) -> Table:
    low, high = figures["ahead_of_random_95"]
    title = (
        f"{config.episodes} episodes, {config.eval_env}; ahead of random [{low:.2f}, {high:.2f}]"
    )
    table = Table("player", "return, 95 %", "success, 95 %", title=title)
    for player in ("agent", "random"):
        table.add_row(player, *as_text(figures[player]))
    return table


if __name__ == "__main__":
    sys.exit(main())
