"""The heads stage: its loss, what it trains, and its figures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from dreams import plane_episode, random_model
from fakes import FakeClock
from fakes_train import FakePool
from rich.console import Console

from worldsim.errors import ConfigError
from worldsim.model.checkpoint import load_checkpoint
from worldsim.model.heads import EVENTS, MOVE_SIZE, POINT_SIZE, EventHead
from worldsim.model.presets import preset
from worldsim.model.world_model import WorldModel
from worldsim.train import heads_stage
from worldsim.train.batch import ClipConfig
from worldsim.train.data import DataConfig, Episode
from worldsim.train.event_lessons import EventLessons, disturbed
from worldsim.train.heads_stage import HeadName, HeadsRunConfig, HeadsStage
from worldsim.train.losses import event_loss
from worldsim.train.runtime import Runtime
from worldsim.train.trainer import SAVING_S, Trainer
from worldsim.types import Action

WALK = [Action(forward=True, yaw_deg=3.0)] * 31
CLIPS = ClipConfig(clips=2, frames=3)


@pytest.fixture(autouse=True)
def few_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads_stage, "BATCH", 12)
    monkeypatch.setattr(heads_stage, "HELD_OUT_FRAMES", 18)
    monkeypatch.setattr(heads_stage, "HELD_OUT_EPISODES", 2)


def eventful() -> Episode:
    events = np.zeros((len(WALK), len(EVENTS)), dtype=np.bool_)
    events[14:20, 0] = events[18:24, 1] = True
    return replace(plane_episode(WALK), events=events)


def make_stage(model: WorldModel | None = None, **options: Any) -> HeadsStage:
    return HeadsStage(model or random_model(), HeadsRunConfig(clips=CLIPS, **options))


def losses_of(stage: HeadsStage, steps: int = 1) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    for step in range(steps):
        losses = stage.losses(stage.model, [eventful()] * 4, step, rng)
    return losses


class TickingStage(HeadsStage):
    """Each step takes a second of a fake clock."""

    def __init__(self, model: WorldModel, config: HeadsRunConfig, clock: FakeClock) -> None:
        super().__init__(model, config)
        self._clock = clock

    def losses(self, *arguments: Any) -> dict[str, torch.Tensor]:
        self._clock.spend(1.0)
        return super().losses(*arguments)


# The loss


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_balanced_logits_come_to_rest_at_the_true_odds(share: float) -> None:
    happened = (torch.arange(200) < 200 * share).float()[:, None]
    at_rest = torch.logit(torch.tensor(share))
    logits = at_rest.expand(200, 1).clone().requires_grad_()
    event_loss(logits, happened).backward()
    assert logits.grad is not None
    assert logits.grad.sum().abs() < 1e-6
    pulls = [logits.grad[happened == kind].abs().sum() for kind in (0, 1)]
    assert pulls[0] == pytest.approx(float(pulls[1]), rel=1e-4)


def test_a_batch_without_events_has_a_finite_loss() -> None:
    assert torch.isfinite(event_loss(torch.zeros(8, 2), torch.zeros(8, 2)))
    assert torch.isfinite(event_loss(torch.zeros(8, 2), torch.ones(8, 2)))


def test_a_head_learns_a_rare_event_that_its_points_show() -> None:
    torch.manual_seed(0)
    head, near = EventHead(), torch.rand(256, len(EVENTS)) < 0.06
    points = torch.rand(256, 24, POINT_SIZE)
    points[:, :2, :3] = 2.0
    for i, colour in enumerate(((0.0, 1.0, 1.0), (1.0, 0.0, 1.0))):
        points[:, i, 3:] = torch.tensor(colour)
        points[near[:, i], i, :3] = 0.0
    still = torch.zeros(256, MOVE_SIZE), torch.tensor((-1.0, 1.0))[:, None].expand(256, 2, 2, 3)
    told = points, torch.ones(256, 24, dtype=torch.bool), *still
    optimizer = torch.optim.AdamW(head.parameters(), 5e-3)
    for _ in range(150):
        optimizer.zero_grad()
        event_loss(head(*told), near.float()).backward()
        optimizer.step()
    assert ((head(*told) > 0) == near).float().mean() > 0.98


# The stage


@pytest.mark.parametrize("own_share", [0.0, 1.0], ids=["true keyframes", "own keyframes"])
def test_the_stage_trains_both_heads_and_nothing_else(own_share: float) -> None:
    stage = make_stage(own_share=own_share)
    losses = losses_of(stage)
    losses["total"].backward()
    assert all(torch.isfinite(loss) for loss in losses.values())
    for name, parameter in stage.model.named_parameters():
        is_head = name.startswith(("pose_head.", "event_head."))
        assert (parameter.grad is not None and bool(parameter.grad.any())) == is_head, name


def test_own_keyframes_are_dreamed_only_for_their_share(monkeypatch: pytest.MonkeyPatch) -> None:
    dreamed = []

    def spy(model: object, batch: object, remembered: object, hops: int) -> object:
        dreamed.append(hops)
        return remembered

    monkeypatch.setattr(heads_stage, "dream_keyframes", spy)
    for own_share, per_refresh in ((0.0, 0), (1.0, 1)):
        dreamed.clear()
        losses_of(make_stage(own_share=own_share), steps=7)
        held_out = 3  # batches of the model's own, for the evaluation
        assert len(dreamed) == held_out + 2 * per_refresh
        assert all(1 <= hops <= heads_stage.MOST_HOPS for hops in dreamed)


def test_an_evaluation_tells_precisions_beside_base_rates(tmp_path: Path) -> None:
    stage = make_stage()
    losses_of(stage)
    with torch.no_grad():
        scores = stage.evaluate(stage.model, 1, tmp_path)
    moves = {"right_cm", "forward_cm", "inertia_cm"}
    events = {f"{event}_{what}" for event in EVENTS for what in ("ap", "base")}
    assert set(scores) == moves | {f"own_{name}" for name in moves} | events
    assert all(np.isfinite(score) for score in scores.values())
    for event in EVENTS:
        assert 0.0 < scores[f"{event}_base"] < 1.0
        assert 0.0 < scores[f"{event}_ap"] <= 1.0


def test_an_event_that_never_happened_has_no_precision() -> None:
    quiet = replace(eventful(), events=np.zeros((len(WALK), len(EVENTS)), dtype=np.bool_))
    lessons = EventLessons(random_model())
    lessons.hold_out([quiet])
    with torch.no_grad():
        assert lessons.scores(lessons.model) == {}


@pytest.mark.parametrize("head", ["pose", "events"])
def test_one_head_can_be_trained_without_the_other(head: HeadName, tmp_path: Path) -> None:
    stage = make_stage(heads=(head,))
    losses = losses_of(stage)
    assert set(losses) == {"total", head}
    losses["total"].backward()
    trained = {"pose": "pose_head.", "events": "event_head."}[head]
    for name, parameter in stage.model.named_parameters():
        assert (parameter.grad is not None) == name.startswith(trained), name
    with torch.no_grad():
        scores = stage.evaluate(stage.model, 1, tmp_path)
    assert ("right_cm" in scores) == (head == "pose")
    assert ("end_ap" in scores) == (head == "events")


def test_no_head_is_refused() -> None:
    with pytest.raises(ConfigError, match="no head"):
        HeadsRunConfig(heads=())


# What the event head learns from


def test_disturbed_points_keep_their_distances_but_for_a_little() -> None:
    torch.manual_seed(0)
    lessons = EventLessons(random_model())
    lessons.take(eventful(), np.random.default_rng(0))
    (samples,) = lessons._true
    turned = disturbed(samples)
    far = [part.points[..., :3].norm(dim=-1)[turned.valid] for part in (samples, turned)]
    assert (far[0] - far[1]).abs().mean() < 0.15
    assert turned.move.norm(dim=-1) == pytest.approx(samples.move.norm(dim=-1), abs=1e-5)
    assert torch.allclose(turned.move[:, 1], samples.move[:, 1])
    assert not (turned.valid & ~samples.valid).any()
    assert torch.equal(turned.events, samples.events)


def test_too_few_episodes_to_hold_some_out_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"data\.first"):
        make_stage().losses(random_model(), [eventful()] * 2, 0, np.random.default_rng(0))


def test_a_run_of_the_stage_is_resumed_and_leaves_a_model_that_sees_events(tmp_path: Path) -> None:
    steps = []
    for _ in range(2):
        clock = FakeClock()
        config = HeadsRunConfig(
            out=tmp_path,
            minutes=(3 + SAVING_S) / 60,
            evaluate_minutes=1 / 60,
            clips=CLIPS,
            data=DataConfig(first=4, pool=4),
        )
        stage = TickingStage(WorldModel(preset("tiny")), config, clock)
        runtime = Runtime(torch.device("cpu"), 0, 1, config.minutes * 60, clock, clock.now())
        pool = FakePool(eventful())
        trainer = Trainer(config, stage, runtime, Console(quiet=True), lambda *_, p=pool: p)
        trainer.run()
        steps.append(trainer.progress.step)
    assert steps[1] == 2 * steps[0]
    assert load_checkpoint(tmp_path / "checkpoint").model.event_head.is_trained
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert any("end_ap" in line for line in log)
