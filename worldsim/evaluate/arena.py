"""What all suites share: the driver, the true world, the seeds; and exams on true frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldsim.camera import Intrinsics
from worldsim.evaluate.baselines import Warp
from worldsim.evaluate.driver import Driver
from worldsim.evaluate.score import Baselines, FrameScore, score_frame
from worldsim.evaluate.seen import Witnesses
from worldsim.evaluate.truth import Truth, Walks
from worldsim.record.contact_sheet import evenly_spaced
from worldsim.types import Observation

SCORED_FRAMES = 12  # of a way back, evenly spread
STRIP_FRAMES = 8  # of a contact sheet


@dataclass(frozen=True, slots=True)
class Strip:
    """Frames for a contact sheet, row by row."""

    title: str
    rows: Mapping[str, Sequence[NDArray[np.uint8]]]  # by label; each [H, W, 3]


class Arena:
    """The engine against the truth on some seeds. Suites leave pictures in `strips`."""

    def __init__(self, driver: Driver, truth: Truth, seeds: Sequence[int]) -> None:
        self.driver = driver
        self.truth = truth
        self.seeds = seeds
        self.walks = Walks(truth)
        self.strips: list[Strip] = []

    def keep_strip(
        self,
        title: str,
        target: Sequence[Observation],
        dreamed: Sequence[Observation],
    ) -> None:
        """Keep at most 8 evenly spread pairs for the report."""
        chosen = evenly_spaced(len(target), STRIP_FRAMES)
        rows = {"asked for": target, "dreamed": dreamed}
        self.strips.append(
            Strip(title, {label: [row[i].rgb for i in chosen] for label, row in rows.items()})
        )


@dataclass(frozen=True, slots=True)
class Question:
    """A target frame, with all that its score needs but the answer."""

    target: Observation
    seen: NDArray[np.bool_]  # [H, W]
    baselines: Baselines

    def score(self, answer: Observation) -> FrameScore:
        return score_frame(answer, self.target, self.seen, self.baselines)


def set_questions(
    targets: Mapping[int, Observation],
    ticks: Iterable[int],
    *,
    real: Sequence[Observation],
    intrinsics: Intrinsics,
    known: Sequence[Observation] | None = None,
    surfaces: Mapping[int, Observation] | None = None,
) -> dict[int, Question]:
    """One question a tick.

    Args:
        targets: the frame that is asked for at each tick.
        real: true frames shown before; they decide what was seen.
        known: frames that the baselines may use; `real` without it.
        surfaces: true frames at the targets' poses, where the targets are not true themselves.
    """
    known = known or real
    surfaces = surfaces or targets
    witnesses, warp = Witnesses(real, intrinsics), Warp(known, intrinsics)
    warp_last = Warp(known[-1:], intrinsics)
    return {
        tick: Question(
            targets[tick],
            witnesses.seen(surfaces[tick]),
            Baselines(
                copied=known[-1].rgb,
                last_warped=warp_last(targets[tick].pose),
                warped=warp(targets[tick].pose),
            ),
        )
        for tick in ticks
    }


def scored_ticks(length: int) -> list[int]:
    """At most 12 ticks, evenly spread over `length`, the last one among them."""
    count = min(length, SCORED_FRAMES)
    return [(i + 1) * length // count - 1 for i in range(count)]
