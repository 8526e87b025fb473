"""The polishing stage: its loss, what it trains, and its figures."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from dreams import plane_episode, random_model

from worldsim.camera import Intrinsics
from worldsim.model.world_model import WorldModel
from worldsim.train import polish_stage
from worldsim.train.data import DataConfig, Episode
from worldsim.train.exercises import Practice
from worldsim.train.losses import polish_loss
from worldsim.train.polish_stage import PolishRunConfig, PolishStage, seen_psnr
from worldsim.types import Action

EPISODE = plane_episode([Action(forward=True, yaw_deg=5.0)] * 30)


class OneWalk:
    """An endless supply of the same walk."""

    def stream(
        self, config: DataConfig, intrinsics: Intrinsics, worker: int, workers: int
    ) -> Iterator[Episode]:
        return repeat(EPISODE)

    def held_out(self, config: DataConfig, intrinsics: Intrinsics, count: int) -> list[Episode]:
        return [EPISODE] * count


def make_stage(**options: Any) -> PolishStage:
    config = PolishRunConfig(batch=3, kept=40, first=4, **options)
    return PolishStage(random_model(), config, OneWalk())


# The loss


def frames(value: float) -> torch.Tensor:
    return torch.full((1, 4, 8, 8), value)


ALL, NONE = torch.ones(1, 1, 8, 8), torch.zeros(1, 1, 8, 8)


def test_ten_decibels_are_worth_the_same_whatever_the_error() -> None:
    losses = [
        float(polish_loss(frames(error), frames(0.5), frames(0.0), ALL))
        for error in (0.4, 0.4 / 10**0.5, 0.04)
    ]
    assert losses[0] - losses[1] == pytest.approx(np.log(10), rel=0.01)
    assert losses[1] - losses[2] == pytest.approx(np.log(10), rel=0.05)


def test_where_no_truth_is_asked_all_is_to_stay_as_it_was() -> None:
    stays, follows = (polish_loss(frames(to), frames(0.3), frames(0.0), NONE) for to in (0.3, 0.0))
    assert stays < follows


def test_half_of_a_frame_is_judged_as_a_whole_one() -> None:
    half = ALL.clone()
    half[..., :4] = 0.0
    before = frames(0.2)
    assert polish_loss(before, before, frames(0.0), half) == pytest.approx(
        float(polish_loss(before, before, frames(0.0), ALL)), rel=1e-5
    )


def test_where_it_is_free_detail_may_change_and_tones_may_not() -> None:
    before, free = frames(0.2), ALL
    detail = before.clone()
    detail[..., ::2] += 0.1
    detail[..., 1::2] -= 0.1
    same, detailed, toned = (
        float(polish_loss(to, before, frames(0.0), NONE, free))
        for to in (before, detail, frames(0.3))
    )
    assert same < detailed < toned
    bound = float(polish_loss(detail, before, frames(0.0), NONE, torch.zeros_like(free)))
    assert bound - same > 10 * (detailed - same)


# The stage


def test_it_trains_the_last_layers_and_nothing_else() -> None:
    stage, rng = make_stage(), np.random.default_rng(0)
    losses = stage.losses(stage.model, [EPISODE], 0, rng)
    losses["total"].backward()
    assert torch.isfinite(losses["total"])
    for name, parameter in stage.model.named_parameters():
        assert (parameter.grad is not None) == name.startswith("compositor."), name


def test_play_goes_on_at_each_step_and_with_the_new_weights_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    renewed: list[WorldModel] = []

    class Renewed(Practice):
        def renew(self, model: WorldModel) -> None:
            renewed.append(model)
            super().renew(model)

    monkeypatch.setattr(polish_stage, "Practice", Renewed)
    stage, rng = make_stage(renew_steps=2, ticks=3), np.random.default_rng(0)
    for step in range(5):
        stage.losses(stage.model, [EPISODE], step, rng)
    assert len(renewed) == 3  # to begin with, and before the third and the fifth step
    assert stage._practice is not None
    assert len(stage._practice.kept) > 4


def test_a_few_steps_lower_the_error_of_what_it_is_asked() -> None:
    torch.manual_seed(0)
    stage, rng = make_stage(ticks=0), np.random.default_rng(0)
    optimizer = torch.optim.AdamW(stage.model.compositor.parameters(), 3e-3)
    losses = []
    for step in range(25):
        loss = stage.losses(stage.model, [EPISODE], step, rng)["total"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-3:]) < np.mean(losses[:3]) - 0.2


def test_a_critic_pulls_at_the_last_layers_once_it_has_learnt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("worldsim.train.critic.WARM_UP", 2)
    stage, rng = make_stage(critic_weight=0.5), np.random.default_rng(0)
    alone, pulled = (stage.losses(stage.model, [EPISODE], step, rng) for step in range(2))
    assert alone["total"] == alone["picture"]
    assert pulled["total"] != pulled["picture"]
    pulled["total"].backward()
    for name, parameter in stage.model.named_parameters():
        assert (parameter.grad is not None) == name.startswith("compositor."), name
    for name, parameter in stage._begun_with.named_parameters():
        assert parameter.grad is None, name


def test_an_evaluation_tells_what_was_and_what_is_and_shows_it(tmp_path: Path) -> None:
    stage = make_stage()
    with torch.no_grad():
        scores = stage.evaluate(stage.model, 7, tmp_path)
    assert set(scores) == {"next", "later", "next_before", "later_before"}
    assert scores["next"] == pytest.approx(scores["next_before"], abs=0.3)  # but for 16 bits
    assert all(np.isfinite(score) for score in scores.values())
    assert (tmp_path / "000007.png").is_file()


def test_only_what_had_been_shown_is_scored() -> None:
    truth, asked = torch.zeros(1, 4, 4, 4), torch.ones(1, 1, 4, 4)
    picture = truth.clone()
    picture[..., :2], asked[..., :2] = 1.0, 0.5
    assert seen_psnr(picture, truth, asked) == pytest.approx(10 * np.log10(4 / 1e-8))
