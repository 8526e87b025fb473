"""Exercises: what play asks of the network, and what was to be seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from dreams import plane_episode, random_model

from worldsim.engine.assemble import Dreamer
from worldsim.engine.dream import advance
from worldsim.engine.dream_world import DreamWorld
from worldsim.train.exercises import EVERY, MAX_REAL, Exercises, Practice, batched
from worldsim.types import Action, Pose

CPU = torch.device("cpu")
TICKS = 40
EPISODE = plane_episode([Action(forward=True, yaw_deg=5.0)] * TICKS)


def practised(*, walks: int = 3, kept: int = 200) -> list[Exercises]:
    practice, rng = Practice(random_model(), kept), np.random.default_rng(0)
    for _ in range(walks):
        practice.play(EPISODE, rng)
    return list(practice.kept)


@pytest.fixture(scope="module")
def exercises() -> list[Exercises]:
    return practised()


def test_some_frames_follow_true_ones_and_some_dreamed_ones(exercises: list[Exercises]) -> None:
    share = torch.cat([one.is_next for one in exercises]).float().mean()
    assert 0.2 < share < 0.9


def test_each_truth_is_a_frame_of_the_walk(exercises: list[Exercises]) -> None:
    rgb = torch.tensor(EPISODE.rgb).permute(0, 3, 1, 2).float() / 127.5 - 1.0
    for one in exercises:
        differences = (rgb - one.truth[:, :3].float()).abs().flatten(1).amax(dim=1)
        assert differences.min() < 0.01
        assert int(differences.argmin()) % EVERY == 0


def test_the_truth_is_asked_where_a_walk_had_been_shown_it(exercises: list[Exercises]) -> None:
    asked = torch.cat([one.asked for one in exercises]).float()
    assert set(asked.unique().tolist()) == {0.0, 1.0}
    later = torch.cat([~one.is_next for one in exercises])
    assert asked[later].mean() < asked[~later].mean()


def test_the_last_layers_give_again_what_they_gave_in_play(exercises: list[Exercises]) -> None:
    batch = batched(exercises[:4], CPU)
    with torch.no_grad():
        again = random_model().compositor(batch.among)[:, 0]
    assert (again - batch.before).abs().mean() < 0.02  # play computes in 16 bits


def test_a_batch_of_several_is_what_each_of_them_is(exercises: list[Exercises]) -> None:
    batch = batched(exercises[:5], CPU)
    assert len(batch) == 5
    for i, part in enumerate(batch.among.draft.unbind(0)):
        assert torch.equal(part, batched([exercises[i]], CPU).draft)


def test_only_the_newest_exercises_are_kept_in_16_bits() -> None:
    kept = practised(kept=6)
    assert len(kept) == 6
    assert all(one.hint.dtype == torch.float16 for one in kept)


def test_a_shown_walk_is_not_changed_by_the_exercises(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[DreamWorld] = []

    def spy(
        dreamer: Dreamer,
        worlds: Sequence[DreamWorld],
        actions: Sequence[Action],
        poses: Sequence[Pose | None],
    ) -> None:
        asked.extend(worlds)
        advance(dreamer, worlds, actions, poses)

    monkeypatch.setattr("worldsim.train.exercises.advance", spy)
    practice, rng = Practice(random_model(), 50), np.random.default_rng(0)
    for _ in range(MAX_REAL):
        practice.go_on([EPISODE], rng)
    walk = practice._walk
    assert walk is not None
    copies = [world for world in asked if world is not walk.world]
    assert copies
    assert walk.frame == walk.world.frame


def test_play_is_as_precise_as_a_game_under_autocast(exercises: list[Exercises]) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        theirs = practised()
    for one, other in zip(exercises, theirs, strict=True):
        assert torch.equal(one.hint, other.hint)
        assert torch.equal(one.draft, other.draft)
