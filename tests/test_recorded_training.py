"""A training run on recordings alone."""

from __future__ import annotations

import json
import shutil
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from dreams import random_model
from fakes import FakeClock
from recordings import CAMERA, record
from rich.console import Console
from torch import Tensor

from worldsim.errors import ConfigError
from worldsim.model.checkpoint import load_checkpoint
from worldsim.model.world_model import WorldModel
from worldsim.tools import training_cli
from worldsim.train import data
from worldsim.train.batch import ClipConfig
from worldsim.train.data import BlockWalks, DataConfig, Episode, EpisodePool, EpisodeSource
from worldsim.train.runtime import Runtime
from worldsim.train.stages import ModelRunConfig, TeacherStage
from worldsim.train.teacher import TeacherConfig
from worldsim.train.trainer import SAVING_S, RunConfig, Trainer, episode_source

STEPS = 3


class TimedStage(TeacherStage):
    """Each step takes a second of a fake clock."""

    def __init__(self, config: ModelRunConfig, source: EpisodeSource, clock: FakeClock) -> None:
        super().__init__(random_model(), config, source)
        self.clock = clock

    def losses(
        self, average: WorldModel, episodes: list[Episode], step: int, rng: np.random.Generator
    ) -> dict[str, Tensor]:
        self.clock.spend(1.0)
        return super().losses(average, episodes, step, rng)


def test_a_run_trains_on_recordings_alone_and_looks_at_what_it_holds_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(tmp_path / "data" / "episode_00000")
    for number in range(1, 6):
        copy = tmp_path / "data" / f"episode_{number:05d}"
        shutil.copytree(tmp_path / "data" / "episode_00000", copy)
    monkeypatch.setattr(data, "BlockWorld", None)
    config = ModelRunConfig(
        out=tmp_path / "run",
        preset="tiny",
        minutes=(STEPS - 1 + SAVING_S) / 60,
        evaluate_minutes=(STEPS - 1) / 60,
        recordings=(tmp_path / "data",),
        data=DataConfig(ticks=32, pool=4, first=2),
        clips=ClipConfig(clips=2),
        teacher=TeacherConfig(walk_share=0.5, walks=1),
    )
    source, clock = episode_source(config, CAMERA), FakeClock()
    runtime = Runtime(torch.device("cpu"), 0, 1, config.minutes * 60, clock, clock.now())
    stage = TimedStage(config, source, clock)
    make_pool = partial(EpisodePool, source=source)
    Trainer(config, stage, runtime, Console(quiet=True), make_pool).run()
    assert load_checkpoint(config.out / "checkpoint").training["steps"] == STEPS
    assert (config.out / "sheets" / f"{STEPS:06d}.png").is_file()
    lines = [json.loads(line) for line in (config.out / "log.jsonl").read_text().splitlines()]
    assert np.isfinite([value for line in lines for value in line.values()]).all()
    trained_on = {episode.origin.file for episode in stage.drawn}
    held_out = {episode.origin.file for episode in stage.monitor.episodes}
    assert held_out and not held_out & trained_on


def test_without_recordings_a_run_is_given_the_block_world(tmp_path: Path) -> None:
    assert episode_source(RunConfig(), CAMERA) == BlockWalks()
    with pytest.raises(ConfigError, match="no recordings at all"):
        episode_source(RunConfig(recordings=(tmp_path,)), CAMERA)


def test_recordings_are_given_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []
    folders = (tmp_path / "a", tmp_path / "b")
    options = ["--recordings", *map(str, folders), "--strict", "--vpt-fov-y-deg", "65"]
    monkeypatch.setattr(sys, "argv", ["train", *options])
    assert training_cli.run(ModelRunConfig, lambda config, _: given.append(config)) == 0
    (config,) = given
    assert (config.recordings, config.strict, config.vpt_fov_y_deg) == (folders, True, 65.0)
