"""What was played, in order, so that it can be shown again and returned to; bounded.

A timeline is a row of spans. A span holds the whole state of the world at its first frame, and for
the frames after it the actions that led there, all in as many denoising steps: a moment in it is
that state with some of those actions repeated. States are dear in bytes (1 MB of the default dream)
and frames cheap (31 kB), so a span is as long as repeating it is bearable.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from worldsim.errors import ConfigError
from worldsim.play.keeper import Kept
from worldsim.types import TICK_HZ, Action, Pose


@dataclass(frozen=True, slots=True, kw_only=True)
class RewindConfig:
    """How much of the past is kept, over all branches of a world."""

    max_bytes: int = 160_000_000
    max_ticks: int = 180 * TICK_HZ  # of each branch
    span_ticks: int = 30  # to repeat them takes a second or so on a slow machine
    max_branches: int = 8

    def __post_init__(self) -> None:
        least = {"max_bytes": 1, "max_ticks": 1, "span_ticks": 1, "max_branches": 2}
        for name, value in least.items():
            if getattr(self, name) < value:
                got = f"{getattr(self, name)}"
                raise ConfigError(f"{name} of {value} or more", got, "Correct it.")


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """What was shown at one moment."""

    rgb: NDArray[np.uint8]  # [H, W, 3]
    pose: Pose
    tick: int  # actions since the world began


@dataclass(slots=True, eq=False)
class Span:
    """A stretch of play: the state at its first frame, then `actions[i]` led to `frames[i + 1]`."""

    kept: Kept
    frames: list[Frame]
    actions: list[Action] = field(default_factory=list)
    leads: dict[int, Pose] = field(default_factory=dict)  # actions[i] was told where it leads to
    steps: int | None = None  # of denoising, for each action; None: the world needs none
    held_nbytes: int = 0  # of what the world has given up since, and `kept` keeps alive

    @property
    def nbytes(self) -> int:
        pictures = len(self.frames) * self.frames[0].rgb.nbytes
        return self.kept.nbytes + self.held_nbytes + pictures

    def first(self, count: int) -> Span:
        """A span of its own with the first `count` frames of this one."""
        leads = {i: pose for i, pose in self.leads.items() if i < count - 1}
        actions = self.actions[: count - 1]
        return Span(self.kept, self.frames[:count], actions, leads, self.steps)


class Timeline:
    """The spans of one branch, oldest first; there is at least one.

    The last span belongs to this timeline alone and grows; the others may be shared with other
    branches and do not change.
    """

    def __init__(self, spans: Sequence[Span]) -> None:
        self._spans = list(spans)

    def __len__(self) -> int:
        """How many frames can be returned to."""
        return sum(len(span.frames) for span in self._spans)

    def __getitem__(self, number: int) -> Frame:
        """The frame of this number, counted from the oldest."""
        for span in self._spans:
            if number < len(span.frames):
                return span.frames[number]
            number -= len(span.frames)
        raise IndexError(number)

    @property
    def spans(self) -> Sequence[Span]:
        return self._spans

    @property
    def last(self) -> Span:
        return self._spans[-1]

    def add(self, action: Action, frame: Frame, lead: Pose | None = None) -> None:
        """The action that was taken at the last frame, and the frame that it led to.

        `lead` is where the world was told that it leads to, if it was.
        """
        if lead is not None:
            self.last.leads[len(self.last.actions)] = lead
        self.last.actions.append(action)
        self.last.frames.append(frame)

    def begin(self, kept: Kept, frame: Frame, steps: int | None = None) -> None:
        """A new span, whether or not it follows from the last one."""
        self.last.held_nbytes += self.last.kept.nbytes_beyond(kept)
        self._spans.append(Span(kept, [frame], steps=steps))

    def settle(self, kept: Kept) -> None:
        """Give the last frame a span of its own: to return to it, nothing has to be repeated."""
        if self.last.actions:
            self.last.actions.pop()
            self.last.leads.pop(len(self.last.actions), None)
            self.begin(kept, self.last.frames.pop(), self.last.steps)

    def first(self, count: int) -> Timeline:
        """Another branch that has the first `count` frames in common with this one."""
        common: list[Span] = []
        for span in self._spans:
            if count <= len(span.frames):
                return Timeline([*common, span.first(count)])
            common.append(span)
            count -= len(span.frames)
        raise IndexError(count)

    def drop_oldest(self) -> bool:
        """Forget the oldest span; False if it is the only one."""
        if len(self._spans) == 1:
            return False
        del self._spans[0]
        return True


def trim(timelines: Iterable[Timeline], config: RewindConfig) -> None:
    """Forget the oldest spans until the limits hold; the last span of each timeline stays."""
    kept = list(timelines)
    for timeline in kept:
        while len(timeline) > config.max_ticks and timeline.drop_oldest():
            pass
    while nbytes_of(kept) > config.max_bytes:
        if not max(kept, key=lambda timeline: len(timeline.spans)).drop_oldest():
            return


def nbytes_of(timelines: Iterable[Timeline]) -> int:
    """Bytes that the timelines keep; spans that they share count once."""
    spans = {id(span): span for timeline in timelines for span in timeline.spans}
    return sum(span.nbytes for span in spans.values())
