"""Watches a learner: notes its curve, moves the bar, and saves both from time to time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback

from worldsim.engine.clock import Clock
from worldsim.tools.agents.curve import Point, save_curve
from worldsim.tools.agents.learner import save_learner

AGENT_FILE, CURVE_FILE = "agent.zip", "curve.csv"


class Keeper(BaseCallback):
    """Saves between two updates, so that what is saved is whole.

    Args:
        points: the curve so far; this callback goes on with it.
        every_s: seconds between two savings; a kill loses at most these and one update.
        tell: called after each step of all worlds with the newest point, if there is one.
    """

    def __init__(
        self,
        folder: Path,
        points: list[Point],
        *,
        clock: Clock,
        every_s: float,
        tell: Callable[[int, Point | None], object],
    ) -> None:
        super().__init__()
        self.points = points
        self._folder, self._clock, self._every_s, self._tell = folder, clock, every_s, tell
        self._before_s = points[-1].seconds if points else 0.0
        self._begun_s = self._saved_s = clock.now()
        self._episodes: list[dict[str, Any]] = []

    def save(self) -> None:
        """The curve first: points that the learner has not come to are dropped on loading."""
        save_curve(self.points, self._folder / CURVE_FILE)
        save_learner(self.model, self._folder / AGENT_FILE)
        self._saved_s = self._clock.now()

    def _on_step(self) -> bool:
        self._episodes += [info for info in self.locals["infos"] if "episode" in info]
        self._tell(self.num_timesteps, self.points[-1] if self.points else None)
        return True

    def _on_rollout_end(self) -> None:
        if self._episodes:
            self.points.append(self._point())
            self._episodes = []

    def _on_rollout_start(self) -> None:
        if self._clock.now() - self._saved_s >= self._every_s:
            self.save()

    def _on_training_end(self) -> None:
        self.save()

    def _point(self) -> Point:
        count = len(self._episodes)
        told = [info["episode"] for info in self._episodes]
        return Point(
            self.num_timesteps,
            self._before_s + self._clock.now() - self._begun_s,
            count,
            sum(float(episode["r"]) for episode in told) / count,
            sum(not info["TimeLimit.truncated"] for info in self._episodes) / count,
            sum(float(episode["l"]) for episode in told) / count,
        )
