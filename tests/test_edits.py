from __future__ import annotations

import numpy as np
import pytest
from fakes import PlaneWorld
from fakes_evaluate import EditableWorld, PlaneDream

from worldsim.evaluate.arena import Arena
from worldsim.evaluate.budget import BURN_IN
from worldsim.evaluate.driver import Driver
from worldsim.evaluate.edits import (
    AIM_TICKS,
    HANDS,
    SHOWN_TICKS,
    Attempt,
    attempts_of,
    edits,
    make_edit,
)

SEEDS = (5_000_000, 5_000_003)


def make_arena(world: PlaneWorld | None = None) -> Arena:
    return Arena(Driver(PlaneDream()), world or EditableWorld(), SEEDS)


def test_a_dream_that_remembers_keeps_the_edits_and_one_that_forgets_does_not():
    modes = edits(make_arena(), {10: {"full": 8, "off": 8}})["10"]
    full, off = modes["full"], modes["off"]
    assert (full["n"], full["kept"], full["share"]) == (8, 8, 1.0)
    assert full["psnr_edited"] > full["psnr_unedited"] + 10
    assert off["share"] == 0.0
    assert full["interval"][0] > off["interval"][1]
    assert {hand: one["n"] for hand, one in full["by_hand"].items()} == {"broken": 4, "placed": 4}


def test_an_edit_that_does_not_show_is_no_trial():
    nowhere = edits(make_arena(PlaneWorld()), {10: {"full": 4}})["10"]["full"]
    assert (nowhere["attempts"], nowhere["n"], nowhere["share"]) == (4, 0, None)


@pytest.mark.parametrize("hand", HANDS)
def test_real_frames_show_the_edit_only_after_it_was_made(hand: str):
    edit = make_edit(make_arena(), Attempt(SEEDS[0], hand, 20.0))
    assert edit is not None
    frames, last_before = edit.walk.observations, BURN_IN + AIM_TICKS - 1
    assert len(frames) == len(edit.walk.actions) + 1 == BURN_IN + AIM_TICKS + SHOWN_TICKS
    assert edit.walk.actions[last_before] == HANDS[hand]
    assert frames[last_before].pose == edit.edited.pose == edit.unedited.pose
    assert np.array_equal(frames[last_before].rgb, edit.unedited.rgb)
    assert not np.array_equal(frames[last_before + 1].rgb, edit.unedited.rgb)
    assert (edit.edited.rgb[edit.changed] == (255 if hand == "placed" else 0)).all()
    assert np.array_equal(edit.edited.rgb[~edit.changed], edit.unedited.rgb[~edit.changed])


def test_the_edit_is_left_behind_and_come_back_to():
    class Diary(PlaneDream):
        def step(self, action, *, pose=None):
            result = super().step(action, pose=pose)
            self.poses = [*getattr(self, "poses", []), result.observation.pose]
            return result

    dream = Diary()
    edits(Arena(Driver(dream), EditableWorld(), SEEDS[:1]), {20: {"full": 1}})
    edit = make_edit(make_arena(), attempts_of(SEEDS[:1], 1)[0])
    assert edit is not None and len(dream.poses) == 40
    assert dream.poses[-1] == edit.edited.pose
    assert dream.poses[:19] == dream.poses[-2:19:-1]
    assert np.linalg.norm(dream.poses[19].position() - edit.edited.pose.position()) > 1.0


@pytest.mark.parametrize("seeds", [1, 3, 4, 16])
def test_attempts_differ_and_use_every_seed_before_any_twice(seeds: int):
    attempts = attempts_of(range(seeds), 4 * seeds + 5)
    assert len(set(attempts)) == len(attempts) == 4 * seeds
    assert {attempt.seed for attempt in attempts[:seeds]} == set(range(seeds))


def test_the_report_gets_a_sheet_of_both_truths_and_the_dream():
    arena = make_arena()
    edits(arena, {5: {"full": 3}})
    (strip,) = arena.strips
    assert list(strip.rows) == ["with the edit", "dreamed, 10 frames later", "without it"]
    assert {len(row) for row in strip.rows.values()} == {3}
