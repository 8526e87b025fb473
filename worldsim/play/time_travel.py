"""Going back in a world, and keeping several ways to go on from there.

While the player goes back, the kept frames are shown and the world waits. Where they let go, the
world returns to the state before that frame and repeats the actions that led to it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from worldsim.play.branches import Branches
from worldsim.play.keeper import Keeper
from worldsim.play.timeline import Frame, RewindConfig, Span, Timeline
from worldsim.play.traits import in_steps, stepped, steps_of
from worldsim.types import SKY_DEPTH_M, Action, Observation, Pose, World

log = logging.getLogger(__name__)

FASTER_EVERY = 10  # turns of going back: one frame a turn at first, then two, three, ...
FASTEST = 8  # frames a turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """Where the frame on the screen is in its branch."""

    kept_ticks: int = 0  # how far back one can go from the newest frame
    back_ticks: int = 0  # how far before the newest frame this one is; 0 while playing
    branch: int = 1
    branches: tuple[int, ...] = (1,)


@dataclass(frozen=True, slots=True)
class Arrival:
    """The world at another moment than before."""

    observation: Observation
    tick: int  # actions since the world began


class TimeTravel:
    """The past of one world, from the frame it shows now."""

    def __init__(
        self,
        world: World,
        keeper: Keeper,
        now: Arrival,
        config: RewindConfig,
    ) -> None:
        self._world = world
        self._keeper = keeper
        self._config = config
        frame = _frame(now.observation, now.tick)
        first = Timeline([Span(keeper.keep(), [frame], steps=steps_of(world))])
        self._branches = Branches(first, self._config)
        self._cursor: int | None = None  # the number of the frame shown while going back
        self._turns = 0

    @property
    def past(self) -> Past:
        newest = len(self._branches.present) - 1
        return Past(
            kept_ticks=newest,
            back_ticks=0 if self._cursor is None else newest - self._cursor,
            branch=self._branches.number,
            branches=self._branches.numbers,
        )

    @property
    def nbytes(self) -> int:
        return self._branches.nbytes

    def ticked(
        self, action: Action, seen: Observation, tick: int, lead: Pose | None = None
    ) -> None:
        """The world made a step; `lead`: to where it was told. Keeps the frame's pixels, which
        must not change.
        """
        frame, last = _frame(seen, tick), self._branches.present.last
        if len(last.frames) < self._config.span_ticks and steps_of(self._world) == last.steps:
            self._branches.present.add(action, frame, lead)
        else:
            self._begin(frame)

    def jumped(self, now: Arrival) -> None:
        """The world began anew or was loaded; what was before can still be gone back to."""
        self._begin(_frame(now.observation, now.tick))

    def halt(self) -> None:
        """From here on the world waits, until `go_on` or `visit`."""
        if self._cursor is None:
            self._settle()
            self._cursor, self._turns = len(self._branches.present) - 1, 0

    def go_back(self) -> Observation:
        """Show an earlier frame; the longer this goes on, the faster. Its depth is not kept."""
        assert self._cursor is not None  # `halt` comes first
        faster = self._turns // FASTER_EVERY
        self._cursor = max(0, self._cursor - min(1 + faster, FASTEST))
        self._turns += 1
        return _shown(self._branches.present[self._cursor])

    def go_on(self) -> Arrival:
        """Make the frame that is shown the present: what came after it on this branch is lost."""
        assert self._cursor is not None  # `halt` comes first
        self._branches.cut(self._cursor + 1)
        self._cursor = None
        return self._return_to_end()

    def branch(self) -> int | None:
        """Keep the present branch as it is and go on from the frame that is shown in a new one.

        Returns the number of a branch that had to make room for it.
        """
        if self._cursor is None:
            self._settle()
            return self._branches.fork(len(self._branches.present))
        dropped = self._branches.fork(self._cursor + 1)
        self._cursor = len(self._branches.present) - 1
        return dropped

    def visit(self, by: int) -> Arrival:
        """Go to another branch, to where it was left; this one stays whole."""
        if self._cursor is None:
            self._settle()
        self._cursor = None
        self._branches.visit(by)
        return self._return_to_end()

    def _begin(self, frame: Frame) -> None:
        """Keep the state of the world, which shows this frame, and its present steps."""
        self._branches.present.begin(self._keeper.keep(), frame, steps_of(self._world))
        self._branches.trim()

    def _settle(self) -> None:
        """The world is at the end of the present branch: keep its state there."""
        self._branches.present.settle(self._keeper.keep())

    def _return_to_end(self) -> Arrival:
        span = self._branches.present.last
        seen = self._keeper.bring_back(span.kept)
        with in_steps(self._world, span.steps):
            for n, action in enumerate(span.actions):
                seen = stepped(self._world, action, span.leads.get(n)).observation
        newest = span.frames[-1]
        if not np.array_equal(seen.rgb, newest.rgb):
            log.warning("tick %d came out differently when it was repeated", newest.tick)
        return Arrival(seen, newest.tick)


def _frame(seen: Observation, tick: int) -> Frame:
    return Frame(seen.rgb, seen.pose, tick)


def _shown(frame: Frame) -> Observation:
    """A kept frame as an observation whose depth is unknown: all of it far away."""
    far = np.broadcast_to(np.float32(SKY_DEPTH_M), frame.rgb.shape[:2])
    return Observation(frame.rgb, far, frame.pose)
