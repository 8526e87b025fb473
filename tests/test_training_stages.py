"""The stages of training, and the commands that run them."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from dreams import plane_episode, random_model
from fakes_train import WALK
from rich.console import Console

from worldsim.errors import ConfigError
from worldsim.model.presets import preset
from worldsim.tools import training_cli
from worldsim.train import monitor
from worldsim.train.data import Episode
from worldsim.train.heads_stage import HeadsRunConfig
from worldsim.train.polish_stage import PolishRunConfig
from worldsim.train.stages import CodecRunConfig, CodecStage, ModelRunConfig, TeacherStage
from worldsim.train.trainer import (
    RunConfig,
)

CONFIGS: dict[str, type[RunConfig]] = {
    "heads": HeadsRunConfig,
    "codec": CodecRunConfig,
    "polish": PolishRunConfig,
    "critic": PolishRunConfig,
}
LATENT = replace(
    preset("tiny"), codec="autoencoder", latent_channels=6, downscale=8, stages=(), stage_blocks=()
)


def episodes() -> list[Episode]:
    return [plane_episode(WALK)]


def test_the_model_stage_trains_the_model_and_not_its_codec() -> None:
    config = ModelRunConfig(preset="tiny")
    stage = TeacherStage(random_model(), config)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    losses = stage.losses(stage.model, episodes(), 0, rng)
    losses["total"].backward()
    assert torch.isfinite(losses["total"])
    for frozen in (stage.model.codec, stage.model.event_head):
        assert not any(p.requires_grad for p in frozen.parameters())


def test_the_codec_stage_trains_the_codec_and_finds_its_scale(tmp_path: Path) -> None:
    torch.manual_seed(0)
    stage = CodecStage(random_model(LATENT))
    before = stage.codec.scale.item()
    losses = stage.losses(stage.model, episodes(), 0, np.random.default_rng(0))
    losses["total"].backward()
    assert all(p.grad is not None for p in stage.codec.parameters())
    assert stage.codec.scale.item() != before
    with torch.no_grad():
        assert stage.evaluate(stage.model, 12, tmp_path / "sheets")["psnr"] > 0.0
    assert (tmp_path / "sheets" / "000012.png").is_file()


def test_the_codec_stage_refuses_a_preset_on_pixels() -> None:
    with pytest.raises(ConfigError, match="base"):
        CodecStage(random_model())


def test_an_evaluation_leaves_scores_a_sheet_and_the_random_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor, "EPISODES", 1)
    watch = monitor.Monitor(episodes())
    torch.manual_seed(4)
    expected = torch.rand(1)
    torch.manual_seed(4)
    scores = watch.evaluate(random_model(), 7, tmp_path)
    assert torch.rand(1) == expected
    assert scores == watch.evaluate(random_model(), 8, tmp_path)
    assert scores["hint"] > 15.0
    assert all(np.isfinite(score) for score in scores.values())
    assert {path.name for path in tmp_path.iterdir()} == {"000007.png", "000008.png"}


# Commands


@pytest.mark.parametrize(
    ("error", "code"),
    [(None, 0), (ConfigError("a", "b", "c"), 2), (KeyboardInterrupt(), 130)],
)
def test_a_command_says_how_it_ended(
    error: BaseException | None, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(config: RunConfig, console: Console) -> None:
        assert config.out == tmp_path
        assert config.minutes == 2.0
        if error is not None:
            raise error

    monkeypatch.setattr(sys, "argv", ["train", "--out", str(tmp_path), "--minutes", "2"])
    assert training_cli.run(RunConfig, train) == code


@pytest.mark.parametrize("path", sorted(training_cli.RECIPES.glob("*.toml")), ids=lambda p: p.stem)
def test_every_shipped_recipe_is_understood(path: Path) -> None:
    kind = CONFIGS.get(path.stem.rpartition("-")[2], ModelRunConfig)
    config = training_cli.parse(kind, ["--recipe", path.stem])
    assert config.minutes == training_cli.read_recipe(path.stem)["minutes"]


def test_options_win_over_the_recipe() -> None:
    recipe = ["--recipe", "small-polish"]
    config = training_cli.parse(PolishRunConfig, [*recipe, "--minutes", "7"])
    assert (config.minutes, config.out) == (7.0, Path("runs/small-polish"))


def test_a_recipe_says_what_options_say(tmp_path: Path) -> None:
    text = 'preset = "tiny"\nflag = false\nlevels = [1, 2]\n[data]\npool_size = 3\n'
    (tmp_path / "mine.toml").write_text(text)
    options = training_cli.as_options(training_cli.read_recipe(str(tmp_path / "mine.toml")))
    assert " ".join(options) == "--preset tiny --no-flag --levels 1 2 --data.pool-size 3"


@pytest.mark.parametrize(
    "arguments", [["--recipe"], ["--recipe", "nowhere"], ["--recipe", __file__]]
)
def test_a_recipe_that_cannot_be_read_is_named(arguments: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"recipe|TOML"):
        training_cli.parse(ModelRunConfig, arguments)
