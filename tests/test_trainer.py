"""The training loop: its limits, and its state on disk."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from dreams import plane_episode, random_model
from fakes import FakeClock
from fakes_train import WALK, FakePool, FakeStage
from rich.console import Console
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from worldsim.errors import CheckpointError, ConfigError, TrainingError
from worldsim.model.checkpoint import WEIGHTS_NAME, load_checkpoint, save_checkpoint
from worldsim.model.presets import ModelConfig, preset
from worldsim.model.world_model import WorldModel
from worldsim.train.data import DataConfig, Episode, Origin
from worldsim.train.ema import Ema
from worldsim.train.optim import make_optimizers
from worldsim.train.runtime import Runtime
from worldsim.train.store import STATE_NAME, Progress, load_state, save_state
from worldsim.train.trainer import (
    SAVING_S,
    RunConfig,
    Trainer,
    initial_model,
    learning_rate_factor,
)

LATENT = replace(
    preset("tiny"), codec="autoencoder", latent_channels=6, downscale=8, stages=(), stage_blocks=()
)


@dataclass(frozen=True)
class Run:
    trainer: Trainer
    stage: FakeStage
    pool: FakePool
    clock: FakeClock


def make_run(
    out: Path,
    *,
    seconds: float,
    model: WorldModel | None = None,
    make_stage: Callable[[FakeClock, WorldModel], FakeStage] = FakeStage,
    **options: Any,
) -> Run:
    config = RunConfig(
        out=out,
        preset="tiny",
        minutes=(seconds + SAVING_S) / 60,
        data=DataConfig(first=2, pool=8),
        **options,
    )
    clock, pool = FakeClock(), FakePool(plane_episode(WALK))
    stage = make_stage(clock, model or random_model())
    runtime = Runtime(torch.device("cpu"), 0, 1, config.minutes * 60, clock, clock.now())
    trainer = Trainer(config, stage, runtime, Console(quiet=True), lambda *_: pool)
    return Run(trainer, stage, pool, clock)


def log_of(out: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def same_weights(a: nn.Module, b: nn.Module) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


# The loop


def test_a_run_stops_when_its_time_is_up_and_leaves_a_checkpoint(tmp_path: Path) -> None:
    run = make_run(tmp_path, seconds=5)
    run.trainer.run()
    assert run.stage.steps == [0, 1, 2, 3, 4, 5]  # the last one began in time
    assert run.pool.closed == 1
    loaded = load_checkpoint(tmp_path / "checkpoint")
    assert loaded.training["stage"] == "fake"
    assert loaded.training["steps"] == 6
    averaged = run.trainer.ema.model.state_dict()
    for name, tensor in loaded.model.state_dict().items():
        assert torch.equal(tensor, averaged[name].bfloat16().float())


def test_time_that_goes_into_rendering_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path, seconds=5)
    refresh = run.pool.refresh

    def slow_refresh(*, wait: bool = False) -> bool:
        run.clock.spend(2.0)
        return refresh(wait=wait)

    monkeypatch.setattr(run.pool, "refresh", slow_refresh)
    run.trainer.run()
    assert len(run.stage.steps) <= 2


def test_a_run_continues_where_it_stopped(tmp_path: Path) -> None:
    first = make_run(tmp_path, seconds=3)
    first.trainer.run()
    second = make_run(tmp_path, seconds=3, model=random_model(seed=5))
    assert same_weights(second.stage.model, first.stage.model)
    assert same_weights(second.trainer.ema.model, first.trainer.ema.model)
    assert second.trainer.ema.updates == first.trainer.ema.updates
    second.trainer.run()
    assert first.stage.steps + second.stage.steps == list(range(8))
    assert second.trainer.progress.seconds == pytest.approx(8.0)


def test_a_resumed_run_sees_other_noise_and_worlds(tmp_path: Path) -> None:
    first = make_run(tmp_path, seconds=3)
    drawn = torch.rand(1), first.trainer.rng.random()
    first.trainer.run()
    second = make_run(tmp_path, seconds=3)
    assert torch.rand(1) != drawn[0]
    assert second.trainer.rng.random() != drawn[1]


def test_an_interrupted_run_saves_what_it_has(tmp_path: Path) -> None:
    run = make_run(tmp_path, seconds=100)
    run.stage.stops_at = 3
    with pytest.raises(KeyboardInterrupt):
        run.trainer.run()
    assert run.pool.closed == 1
    resumed = make_run(tmp_path, seconds=2)
    assert resumed.trainer.progress.step == 3
    assert same_weights(resumed.stage.model, run.stage.model)
    assert load_checkpoint(tmp_path / "checkpoint").training["steps"] == 3


@pytest.mark.parametrize(
    "spoilt",
    [lambda total: total * math.nan, lambda total: total + (total - total).sqrt()],
    ids=["loss", "gradient alone"],
)
def test_a_run_that_diverges_says_so_and_keeps_the_last_good_state(
    tmp_path: Path, spoilt: Callable[[Tensor], Tensor]
) -> None:
    class Diverging(FakeStage):
        def losses(
            self, average: WorldModel, episodes: list[Episode], step: int, rng: np.random.Generator
        ) -> dict[str, Tensor]:
            losses = super().losses(average, episodes, step, rng)
            return losses if step < 6 else {"total": spoilt(losses["total"])}

    make_run(tmp_path, seconds=3).trainer.run()
    saved = {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.suffix != ".jsonl"}
    run = make_run(tmp_path, seconds=9, make_stage=Diverging)
    run.pool.episode = replace(run.pool.episode, origin=Origin(seed=77))
    with pytest.raises(TrainingError, match=r"finite.*step 6.*nan.*diverged.*--learning-rate"):
        run.trainer.run()
    told = json.loads((tmp_path / "diverged.json").read_text())
    assert told["step"] == "6"
    assert "nan" in (told["loss"], told["gradient_norm"])
    assert [episode["seed"] for episode in told["episodes"]] == [77, 77]
    assert run.pool.closed == 1
    assert saved == {path: path.read_bytes() for path in saved}
    assert make_run(tmp_path, seconds=3).trainer.progress.step == 4


def test_the_pool_is_filled_first_and_refreshed_at_its_pace(tmp_path: Path) -> None:
    run = make_run(tmp_path, seconds=9, episodes_per_step=0.5)
    run.trainer.run()
    assert len(run.stage.steps) == 10
    assert run.pool.rendered == 2 + 5


def test_a_run_evaluates_at_its_pace_and_saves_before(tmp_path: Path) -> None:
    run = make_run(tmp_path, seconds=10, evaluate_minutes=4 / 60)
    run.trainer.run()
    assert run.stage.evaluated == [5, 10]
    assert [line["psnr"] for line in log_of(tmp_path) if "psnr" in line] == [20.0, 20.0]


def test_losses_are_logged_with_step_and_time(tmp_path: Path) -> None:
    run = make_run(tmp_path, seconds=25)
    run.trainer.run()
    lines = log_of(tmp_path)
    assert len(lines) >= 2
    assert all(line["part"] == pytest.approx(line["total"] / 2) for line in lines)
    assert lines[-1]["total"] < lines[0]["total"]
    assert [line["seconds"] for line in lines] == sorted(line["seconds"] for line in lines)


def test_the_learning_rate_warms_up_and_falls_over_all_resumed_runs() -> None:
    config = RunConfig(minutes=1, schedule_minutes=10, warmup_steps=10)
    factors = [
        learning_rate_factor(config, Progress(step, seconds))
        for step, seconds in ((0, 0.0), (9, 0.0), (50, 300.0), (99, 600.0), (200, 9e9))
    ]
    assert factors[0] == pytest.approx(0.1)
    assert factors[1] == pytest.approx(1.0)
    assert 0.4 < factors[2] < 0.7
    assert factors[3] == factors[4] < 0.1


@pytest.mark.parametrize("wrong", ["minutes", "evaluate_minutes", "learning_rate"])
def test_an_impossible_run_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match=wrong):
        options: dict[str, Any] = {wrong: 0.0}
        RunConfig(**options)


# Where a run starts


def test_first_weights_follow_from_the_seed() -> None:
    config = RunConfig(preset="tiny")
    first, same = initial_model(config), initial_model(config)
    assert same_weights(first, same)
    assert not same_weights(first, initial_model(replace(config, seed=1)))


def test_a_run_can_start_from_a_checkpoint_and_takes_its_size(tmp_path: Path) -> None:
    save_checkpoint(random_model(), tmp_path, {})
    config = RunConfig(preset="tiny", init_from=str(tmp_path))
    assert same_weights(initial_model(config), load_checkpoint(tmp_path).model)
    assert initial_model(replace(config, preset="small")).config == preset("tiny")


def without_event_head(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: t for name, t in tensors.items() if not name.startswith("event_head.")}


def test_a_run_can_start_from_a_checkpoint_without_an_event_head(tmp_path: Path) -> None:
    save_checkpoint(random_model(), tmp_path, {})
    whole = initial_model(RunConfig(init_from=str(tmp_path)))
    save_file(without_event_head(load_file(tmp_path / WEIGHTS_NAME)), tmp_path / WEIGHTS_NAME)
    started = initial_model(RunConfig(init_from=str(tmp_path)))
    assert whole.event_head.is_trained and not started.event_head.is_trained
    assert same_weights(started.pose_head, whole.pose_head)


# State on disk


def make_state(config: ModelConfig, seed: int) -> tuple[WorldModel, Ema[WorldModel], list]:
    model = random_model(config, seed=seed)
    return model, Ema(model, 0.9), make_optimizers(model, 1e-3, 0.0)


def test_a_folder_without_a_state_begins_anew(tmp_path: Path) -> None:
    assert load_state(tmp_path, *make_state(preset("tiny"), 0)) is None


def test_a_state_without_an_event_head_leaves_the_models_own(tmp_path: Path) -> None:
    saved, ema, optimizers = make_state(preset("tiny"), 0)
    save_state(tmp_path, saved, ema, optimizers, Progress(3, 4.0))
    state = torch.load(tmp_path / STATE_NAME, weights_only=True)
    state |= {name: without_event_head(state[name]) for name in ("model", "ema")}
    torch.save(state, tmp_path / STATE_NAME)
    model, own_ema, own_optimizers = make_state(preset("tiny"), 1)
    expected = random_model(preset("tiny"), seed=1)
    assert load_state(tmp_path, model, own_ema, own_optimizers) == Progress(3, 4.0)
    assert same_weights(model.event_head, expected.event_head)
    assert same_weights(own_ema.model.event_head, expected.event_head)
    assert same_weights(model.trunk, saved.trunk)


def test_a_state_of_another_preset_is_refused(tmp_path: Path) -> None:
    save_state(tmp_path, *make_state(preset("tiny"), 0), Progress(3, 4.0))
    with pytest.raises(CheckpointError, match="same preset"):
        load_state(tmp_path, *make_state(LATENT, 0))


@pytest.mark.parametrize("data", [b"", b"no state", b"PK\x03\x04" + bytes(60)])
def test_a_damaged_state_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / STATE_NAME).write_bytes(data)
    with pytest.raises(CheckpointError, match="--out"):
        load_state(tmp_path, *make_state(preset("tiny"), 0))


def test_a_truncated_state_is_refused(tmp_path: Path) -> None:
    save_state(tmp_path, *make_state(preset("tiny"), 0), Progress(3, 4.0))
    whole = (tmp_path / STATE_NAME).read_bytes()
    (tmp_path / STATE_NAME).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="--out"):
        load_state(tmp_path, *make_state(preset("tiny"), 0))


def test_a_leftover_of_a_killed_save_does_not_matter(tmp_path: Path) -> None:
    model, ema, optimizers = make_state(preset("tiny"), 0)
    (tmp_path / f".{STATE_NAME}.part").write_bytes(b"half of it")
    save_state(tmp_path, model, ema, optimizers, Progress(3, 4.0))
    other, other_ema, other_optimizers = make_state(preset("tiny"), 1)
    progress = load_state(tmp_path, other, other_ema, other_optimizers)
    assert progress == Progress(3, 4.0)
    assert same_weights(model, other)
    assert [path.name for path in tmp_path.iterdir()] == [STATE_NAME]
