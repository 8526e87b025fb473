"""The model's own long dreams as training data."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from dreams import plane_episode, random_model

from worldsim.engine.hints import TRUST_REAL
from worldsim.train.batch import ClipConfig, sample_clips
from worldsim.train.data import Dream, Episode
from worldsim.train.stages import ModelRunConfig, TeacherStage
from worldsim.train.teacher import TeacherConfig, _Target
from worldsim.train.walks import MAX_REAL, MIN_REAL, Walks
from worldsim.types import Action

TICKS = 48
EPISODE = plane_episode([Action(forward=True, yaw_deg=4.0)] * TICKS)


def dream_of(episode: Episode) -> Dream:
    assert episode.dream is not None
    return episode.dream


@pytest.fixture(scope="module")
def walked() -> list[Episode]:
    """Two walks to their end."""
    walks, rng = Walks(random_model(), at_once=2, kept=4), np.random.default_rng(0)
    for _ in range(TICKS):
        walks.advance([EPISODE], rng)
    return list(walks.finished)[:2]


def test_a_walk_begins_with_the_truth_and_dreams_the_rest(walked: list[Episode]) -> None:
    for episode in walked:
        dream = dream_of(episode)
        assert MIN_REAL <= dream.real < MAX_REAL
        assert dream.rgb.shape == episode.rgb.shape
        assert np.array_equal(dream.rgb[: dream.real], episode.rgb[: dream.real])
        for t in range(dream.real, len(episode)):
            assert not np.array_equal(dream.rgb[t], episode.rgb[t])


def test_only_surfaces_shown_before_are_witnessed(walked: list[Episode]) -> None:
    for episode in walked:
        dream = dream_of(episode)
        assert dream.witnessed[: dream.real].all()
        share = dream.witnessed[dream.real :].mean(axis=(1, 2))
        assert share[0] > share[-1]  # it walks away from what it saw


def test_as_many_walks_go_on_at_once_as_asked_for_and_few_are_kept() -> None:
    walks, rng = Walks(random_model(), at_once=3, kept=2), np.random.default_rng(0)
    for _ in range(TICKS):
        walks.advance([EPISODE], rng)
    assert len(walks.finished) == 2


def test_clips_of_a_walk_show_the_dream_beside_the_truth(walked: list[Episode]) -> None:
    batch = sample_clips(walked, ClipConfig(clips=6, sink_share=0.0), np.random.default_rng(0))
    assert not torch.equal(batch.shown, batch.pictures)
    assert 0 < batch.witnessed.mean() < 1
    assert (batch.keyframe_trust < TRUST_REAL).any()


def test_clips_of_the_truth_show_nothing_else() -> None:
    batch = sample_clips([EPISODE], ClipConfig(clips=2), np.random.default_rng(0))
    assert torch.equal(batch.shown, batch.pictures)
    assert (batch.witnessed == 1).all()
    assert (batch.keyframe_trust == TRUST_REAL).all()


def test_what_a_dream_invented_is_to_stay_and_what_it_was_shown_to_be_true() -> None:
    truth, hint = torch.zeros(1, 1, 4, 8, 8), torch.ones(1, 1, 4, 8, 8)
    known, unknown = torch.ones(1, 1, 1, 8, 8), torch.zeros(1, 1, 1, 8, 8)

    def best(confidence: torch.Tensor, witnessed: torch.Tensor) -> str:
        target = _Target(truth, hint, confidence, witnessed)
        return "truth" if target.loss(truth, 0.3) < target.loss(hint, 0.3) else "hint"

    assert best(known, known) == "truth"
    assert best(known, unknown) == "hint"
    assert best(unknown, unknown) == "truth"


def test_the_stage_trains_on_walks_once_they_are_over() -> None:
    config = ModelRunConfig(
        preset="tiny",
        clips=ClipConfig(clips=2),
        teacher=TeacherConfig(own_share=0.0, walk_share=1.0, walks=1, critic_weight=0.3),
    )
    stage, average = TeacherStage(random_model(), config), random_model(seed=1)
    average.requires_grad_(False)
    rng = np.random.default_rng(0)
    for step in range(TICKS - MIN_REAL + 2):  # the longest walk, and two steps more
        losses = stage.losses(average, [EPISODE], step, rng)
    losses["total"].backward()
    assert stage.model.stem.weight.grad is not None
    assert torch.isfinite(stage.model.stem.weight.grad).all()
