"""Recording a script and replaying it: the same frames again, and the first that is not."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import FakeWorld

import worldsim
from worldsim.envs.blocks.world import WORLD_VERSION
from worldsim.errors import CheckpointError, ConfigError, EpisodeError, OutputError
from worldsim.record import replay, rollout
from worldsim.record.episode import Episode
from worldsim.record.format import WorldInfo
from worldsim.record.recorder import Recorder
from worldsim.record.replay import ReplayConfig
from worldsim.record.rollout import RecordConfig, planned_actions
from worldsim.record.worlds import MadeWorld, WorldConfig
from worldsim.types import Action, StepResult

INFO = WorldInfo(kind="dream", version="weights-a", checkpoint="default", steps=2, memory="full")


def make_fake(config: WorldConfig) -> MadeWorld:
    asked = {"steps": config.steps, "memory": config.memory, "backend": config.backend}
    return MadeWorld(FakeWorld(), replace(INFO, **asked))


def record(out: Path, **options) -> Path:
    assert rollout.run(RecordConfig(out=out, **options), make=make_fake) == 0
    return out


def test_a_recorded_script_replays_with_every_frame_equal(tmp_path, capsys):
    options = {"steps": 1, "memory": "recent", "backend": "onnx"}
    record(tmp_path / "e", seed=7, scene="forest", script="look_around", **options)
    asked: list[WorldConfig] = []

    def make(config: WorldConfig) -> MadeWorld:
        asked.append(config)
        return make_fake(config)

    assert replay.run(ReplayConfig(episode=tmp_path / "e"), make=make) == 0
    assert asked == [WorldConfig(kind="dream", **options)]
    assert "all 281 frames" in capsys.readouterr().out
    assert Episode.open(tmp_path / "e").info.world.scene == "forest"


class DriftingWorld(FakeWorld):
    """Goes another way at frame 30."""

    def step(self, action: Action) -> StepResult:
        if self._frame == 29:
            self._shift += 40
        return super().step(action)


def test_the_first_frame_that_differs_is_named_and_the_exit_code_is_1(tmp_path, capsys):
    record(tmp_path / "e", ticks=50)
    code = replay.run(
        ReplayConfig(episode=tmp_path / "e"), make=lambda config: MadeWorld(DriftingWorld(), INFO)
    )
    told = capsys.readouterr().out
    assert code == 1
    assert "frame 30 of 51 (1.50 s)" in told
    assert "Same software versions" in told


def test_other_weights_are_an_error_unless_allowed(tmp_path):
    record(tmp_path / "e", ticks=5)

    def make_other(config: WorldConfig) -> MadeWorld:
        return MadeWorld(FakeWorld(), replace(INFO, version="weights-b"))

    with pytest.raises(CheckpointError, match=r"weights-a.*weights-b.*--allow-other-weights"):
        replay.run(ReplayConfig(episode=tmp_path / "e"), make=make_other)
    allowed = ReplayConfig(episode=tmp_path / "e", allow_other_weights=True)
    assert replay.run(allowed, make=make_other) == 0


def test_a_real_world_replays_until_the_world_itself_changes(tmp_path, monkeypatch):
    config = RecordConfig(out=tmp_path / "e", world="real", renderer="torch", ticks=2)
    assert rollout.run(config) == 0
    again = ReplayConfig(episode=tmp_path / "e")
    with monkeypatch.context() as released:
        released.setattr("worldsim.__version__", "9.9")
        assert replay.run(again) == 0
    monkeypatch.setattr("worldsim.envs.blocks.world.WORLD_VERSION", 99)
    told = f"version {WORLD_VERSION}; got version 99. Install worldsim {worldsim.__version__}"
    with pytest.raises(EpisodeError, match=re.escape(told)):
        replay.run(again)


def test_a_recording_that_began_in_mid_session_cannot_be_replayed(tmp_path):
    world = FakeWorld()
    with Recorder(tmp_path / "e", INFO, world.intrinsics, first=world.reset(seed=3)):
        pass
    with pytest.raises(EpisodeError, match="begin at a reset"):
        replay.run(ReplayConfig(episode=tmp_path / "e"), make=make_fake)


def test_several_episodes_become_a_data_set_with_consecutive_seeds(tmp_path):
    record(tmp_path / "set", episodes=3, seed=5, ticks=4, depth=True)
    rows = [json.loads(line) for line in (tmp_path / "set" / "metadata.jsonl").open()]
    assert [row["seed"] for row in rows] == [5, 6, 7]
    assert [row["frames"] for row in rows] == [5, 5, 5]
    for row in rows:
        video = tmp_path / "set" / row["file_name"]
        episode = Episode.open(video.parent)
        assert video.exists() and episode.info.world.seed == row["seed"]
        assert episode.depth().shape == (5, 40, 64)


def test_the_data_set_opens_as_a_videofolder(tmp_path):
    datasets = pytest.importorskip("datasets")
    record(tmp_path / "set", episodes=2, ticks=4)
    loaded = datasets.load_dataset(
        "videofolder", data_dir=str(tmp_path / "set"), cache_dir=str(tmp_path / "cache")
    )["train"]
    rows = loaded.cast_column("video", datasets.Video(decode=False))
    assert list(rows["seed"]) == [0, 1]


def test_a_script_is_cut_or_repeated_to_the_ticks_asked_for(tmp_path):
    once = planned_actions(RecordConfig(out=tmp_path))
    assert planned_actions(RecordConfig(out=tmp_path, ticks=10)) == once[:10]
    assert planned_actions(RecordConfig(out=tmp_path, ticks=len(once) + 3)) == once + once[:3]


class BrokenWorld(FakeWorld):
    """Fails at its first step."""

    def step(self, action: Action) -> StepResult:
        raise ArithmeticError


def test_the_world_is_closed_also_when_recording_fails(tmp_path):
    world = BrokenWorld()
    made = MadeWorld(world, INFO)
    (tmp_path / "old").write_text("")
    with pytest.raises(OutputError, match="old"):
        rollout.run(RecordConfig(out=tmp_path), make=lambda config: made)
    with pytest.raises(ArithmeticError):
        rollout.run(RecordConfig(out=tmp_path / "e"), make=lambda config: made)
    assert world.closed == 1


def test_record_configs_refuse_bad_values_by_name(tmp_path):
    for options, name in (({"ticks": 0}, "ticks"), ({"episodes": 0}, "episodes")):
        with pytest.raises(ConfigError, match=name):
            RecordConfig(out=tmp_path, **options)
    with pytest.raises(ConfigError, match="seed"):
        RecordConfig(out=tmp_path, seed=-1)
    with pytest.raises(ConfigError, match="kind among"):
        WorldConfig(kind="dreem")
    with pytest.raises(ConfigError, match="step"):
        WorldConfig(steps=0)
