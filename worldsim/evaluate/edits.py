"""`edits`: is a change that a hand made to the true world still there after a dreamed walk?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from worldsim.evaluate.arena import STRIP_FRAMES, Arena, Strip
from worldsim.evaluate.budget import BURN_IN
from worldsim.evaluate.metrics import psnr
from worldsim.evaluate.score import MIN_SHARE, PSNR_CEILING_DB, Summary
from worldsim.evaluate.statistics import means, standard_errors, wilson
from worldsim.evaluate.truth import FreePlay, Truth, Walk, observe, path_length_m, way_back
from worldsim.types import Action, Observation

AIM_TICKS = 6
SHOWN_TICKS = 8  # real frames that show the edit, the one it happens in among them
FRAMES_BEFORE = BURN_IN + AIM_TICKS + SHOWN_TICKS
CHANGED_LEVELS = 8  # grey levels by which a pixel differs if it shows the edit
HANDS: dict[str, Action] = {"broken": Action(attack=True), "placed": Action(use=True)}
SIDES_DEG = (-20.0, 20.0)  # turns from where the burn-in ended
PITCHES_DEG = (30.0, 40.0, 50.0)  # at the ground within reach; the first that shows an edit is used


@dataclass(frozen=True, slots=True)
class Attempt:
    """Where an edit is tried, and which."""

    seed: int
    hand: str
    side_deg: float


@dataclass(frozen=True, slots=True)
class Edit:
    """An edit that was made and can be seen."""

    hand: str
    walk: Walk  # the burn-in, the turn, and the frames that show the edit
    unedited: Observation  # the last frame, had the hand done nothing
    changed: NDArray[np.bool_]  # [H, W] the pixels of the last frame that show the edit

    @property
    def edited(self) -> Observation:
        return self.walk.observations[-1]


@dataclass(frozen=True, slots=True)
class Return:
    """The dreamed frame at the edit's pose after a walk, against both truths."""

    edit: Edit
    dreamed: Observation
    path_m: float

    @property
    def kept(self) -> bool:
        """Whether the frame is nearer to the truth with the edit than to the one without it.

        Only the pixels that the edit changed can tell: elsewhere the two truths are one.
        """
        return self._likeness(self.edit.edited) > self._likeness(self.edit.unedited)

    def figures(self) -> dict[str, float]:
        return {
            "psnr_edited": self._likeness(self.edit.edited),
            "psnr_unedited": self._likeness(self.edit.unedited),
            "path_m": self.path_m,
        }

    def _likeness(self, truth: Observation) -> float:
        return min(psnr(self.dreamed.rgb, truth.rgb, self.edit.changed), PSNR_CEILING_DB)


def edits(arena: Arena, budget: Mapping[int, Mapping[str, int]]) -> dict[str, dict[str, Summary]]:
    """The share of edits that the dream keeps, by length of the walk away and memory mode.

    Real frames show a block being broken or placed. Then the dream walks freely, so many frames
    away and as many back along the same poses. Edits that hardly show are no trials.
    """
    results: dict[str, dict[str, Summary]] = {}
    for length, attempts_by_mode in budget.items():
        most = attempts_of(arena.seeds, max(attempts_by_mode.values()))
        made = [make_edit(arena, attempt) for attempt in most]
        results[str(length)] = modes = {}
        for mode, count in attempts_by_mode.items():
            tried = made[:count]
            returns = [_come_back(arena, edit, length, mode) for edit in tried if edit is not None]
            modes[mode] = {"attempts": len(tried), **_summarise(returns)}
            if mode == "full":
                _keep_strip(arena, length, returns)
    return results


def attempts_of(seeds: Sequence[int], count: int) -> list[Attempt]:
    """At most `count` different attempts: one a seed, then others in the same worlds."""
    variants = list(product(SIDES_DEG, HANDS))
    numbers = range(min(count, len(seeds) * len(variants)))
    chosen = [divmod(number, len(seeds)) for number in numbers]
    picked = [(seeds[i], variants[(turn + i) % len(variants)]) for turn, i in chosen]
    return [Attempt(seed, hand, side_deg) for seed, (side_deg, hand) in picked]


def make_edit(arena: Arena, attempt: Attempt) -> Edit | None:
    """Break or place a block in the true world, with its twin that stays whole.

    None if nothing within reach shows an edit on at least 1 % of the pixels.
    """
    burn_in = arena.walks.take(attempt.seed, BURN_IN)
    before = arena.truth.get_state()
    for pitch_deg in PITCHES_DEG:
        arena.truth.set_state(before)
        down_deg = pitch_deg - burn_in.poses[-1].pitch_deg
        aim = Action(yaw_deg=attempt.side_deg / AIM_TICKS, pitch_deg=down_deg / AIM_TICKS)
        edit = _edit_there(arena.truth, burn_in, aim, attempt.hand)
        if edit is not None:
            return edit
    return None


def _edit_there(truth: Truth, burn_in: Walk, aim: Action, hand: str) -> Edit | None:
    aiming = [aim] * AIM_TICKS
    turned = _act(truth, aiming)
    before = truth.get_state()
    unedited = _act(truth, [Action()] * SHOWN_TICKS)[-1]
    truth.set_state(before)
    acting = [HANDS[hand], *[Action()] * (SHOWN_TICKS - 1)]
    shown = _act(truth, acting)
    changed = _differ(shown[-1], unedited)
    if shown[-1].pose != unedited.pose or changed.mean() < MIN_SHARE:
        return None
    walk = Walk(
        burn_in.seed,
        (*burn_in.observations, *turned, *shown),
        (*burn_in.actions, *aiming, *acting),
    )
    return Edit(hand, walk, unedited, changed)


def _act(truth: Truth, actions: Sequence[Action]) -> tuple[Observation, ...]:
    """The frames after each action, of the world as the last action leaves it."""
    poses = []
    for action in actions:
        truth.advance(action)
        poses.append(truth.pose)
    return observe(truth, poses)


def _differ(a: Observation, b: Observation) -> NDArray[np.bool_]:  # [H, W]
    return np.abs(a.rgb.astype(np.int16) - b.rgb).max(axis=-1) > CHANGED_LEVELS


def _come_back(arena: Arena, edit: Edit, length: int, mode: str) -> Return:
    walk, driver = edit.walk, arena.driver
    driver.burn_in(walk.clip(BURN_IN), seed=walk.seed, memory=mode)
    driver.feed(walk.actions[BURN_IN - 1 :], walk.observations[BURN_IN:])
    actions, poses = [], [edit.edited.pose]
    for action, observation in driver.wander(FreePlay(walk.seed + 1), poses[0], length):
        actions.append(action)
        poses.append(observation.pose)
    back = driver.follow(way_back(actions, poses))
    return Return(edit, back[-1], path_length_m(poses))


def _summarise(returns: Sequence[Return]) -> Summary:
    return {
        **_share(returns),
        "by_hand": {hand: _share([r for r in returns if r.edit.hand == hand]) for hand in HANDS},
        **_means(returns),
        "se": standard_errors(returns, _means),
    }


def _share(returns: Sequence[Return]) -> Summary:
    trials, kept = len(returns), sum(one.kept for one in returns)
    share = kept / trials if trials else None
    return {"n": trials, "kept": kept, "share": share, "interval": wilson(kept, trials)}


def _means(returns: Sequence[Return]) -> dict[str, float | None]:
    return means([one.figures() for one in returns], ("psnr_edited", "psnr_unedited", "path_m"))


def _keep_strip(arena: Arena, length: int, returns: Sequence[Return]) -> None:
    chosen = returns[:STRIP_FRAMES]
    if chosen:
        rows = {
            "with the edit": [one.edit.edited.rgb for one in chosen],
            f"dreamed, {2 * length} frames later": [one.dreamed.rgb for one in chosen],
            "without it": [one.edit.unedited.rgb for one in chosen],
        }
        arena.strips.append(Strip(f"edits after a walk of {length} frames away", rows))
