"""Many episodes: each exactly once and always the same, whoever records it or is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fakes_record import FakeMaker

from worldsim.errors import BackendError, CheckpointError, ConfigError, OutputError, SceneError
from worldsim.record import rollout
from worldsim.record.dataset import DataSet, finished_episodes
from worldsim.record.episode import Episode
from worldsim.record.format import WorldInfo
from worldsim.record.mass import Job
from worldsim.record.rollout import RecordConfig
from worldsim.record.shard import Shard

EPISODES = 6


def config(out: Path, **options) -> RecordConfig:
    return RecordConfig(
        **{"out": out, "script": "wander", "ticks": 5, "episodes": EPISODES, **options}
    )


def record(out: Path, make: FakeMaker | None = None, **options) -> Path:
    assert rollout.run(config(out, **options), make=make or FakeMaker()) == 0
    return out


def hashes(root: Path) -> dict[int, list[str]]:
    """The frames' hashes of every episode."""
    found = {n: Episode.open(folder) for n, folder in finished_episodes(root).items()}
    assert all(episode.info.complete for episode in found.values())
    return {n: [tick.frame_hash for tick in episode.ticks] for n, episode in found.items()}


def metadata(root: Path) -> list[dict]:
    return [json.loads(line) for line in (root / "metadata.jsonl").open()]


def assert_whole(root: Path, serial: Path) -> None:
    """Every episode once, as a serial run records it, and nothing else."""
    assert hashes(root) == hashes(serial)
    assert [row["seed"] for row in metadata(root)] == list(range(EPISODES))
    assert sorted(path.name for path in root.iterdir()) == sorted(
        path.name for path in serial.iterdir()
    )


@pytest.fixture(scope="module")
def serial(tmp_path_factory) -> Path:
    """What one undisturbed process records."""
    return record(tmp_path_factory.mktemp("serial") / "set")


@pytest.fixture
def deaths(tmp_path) -> Path:
    folder = tmp_path / "deaths"
    folder.mkdir()
    return folder


def test_episodes_differ_by_their_seed_alone(serial, tmp_path):
    found = hashes(serial)
    assert len({tuple(frames) for frames in found.values()}) == EPISODES
    later = record(tmp_path / "later", seed=2, episodes=1)
    assert hashes(later)[0] == found[2]


def test_shards_together_make_the_whole(serial, tmp_path):
    for shard in ("2/3", "1/3", "3/3"):
        record(tmp_path / "set", shard=shard)
    assert_whole(tmp_path / "set", serial)


def test_more_episodes_can_be_added_later(serial, tmp_path):
    record(tmp_path / "set", episodes=2)
    first = (tmp_path / "set" / "episode_00000" / "video.mp4").stat().st_mtime_ns
    record(tmp_path / "set", resume=True)
    assert_whole(tmp_path / "set", serial)
    assert (tmp_path / "set" / "episode_00000" / "video.mp4").stat().st_mtime_ns == first


def test_killed_workers_are_replaced_and_cost_nothing(serial, deaths, tmp_path):
    for death in ("1.first", "4.first", "4.second"):
        (deaths / death).touch()
    record(tmp_path / "set", FakeMaker(deaths), workers=2)
    assert not list(deaths.iterdir())
    assert_whole(tmp_path / "set", serial)


def test_an_episode_that_kills_every_worker_is_named_and_the_others_are_kept(deaths, tmp_path):
    for n in range(3):
        (deaths / f"2.{n}").touch()
    with pytest.raises(BackendError, match="episode 2; got 3 that died at it, the last of exit"):
        record(tmp_path / "set", FakeMaker(deaths), workers=2)
    kept = hashes(tmp_path / "set")
    assert kept and 2 not in kept
    assert [row["seed"] for row in metadata(tmp_path / "set")] == sorted(kept)
    assert not (tmp_path / "set" / ".recording").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_workers_error_ends_the_run_and_keeps_what_is_whole(workers, serial, tmp_path):
    with pytest.raises(SceneError, match="got 3"):
        record(tmp_path / "set", FakeMaker(broken=True), workers=workers)
    kept = hashes(tmp_path / "set")
    assert kept and 3 not in kept
    record(tmp_path / "set", workers=workers, resume=True)
    assert_whole(tmp_path / "set", serial)


DRIVER = """
import sys
from pathlib import Path
import test_mass_recording as t
t.record(Path(sys.argv[1]), t.FakeMaker(Path(sys.argv[2])), resume=True, **eval(sys.argv[3]))
"""


def start_driver(root: Path, deaths: Path, **options) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(root), str(deaths), repr(options)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        stderr=(deaths.parent / "driver.log").open("wb"),
    )


def kill_when_begun(driver: subprocess.Popen, root: Path) -> None:
    """Kill a driver as soon as its first episode is whole."""
    while not list(root.glob("episode_*")):
        assert driver.poll() is None, (root.parent / "driver.log").read_text()[-2000:]
        time.sleep(0.01)
    driver.send_signal(signal.SIGKILL)
    driver.wait()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_driver_is_resumed_without_loss_or_double(workers, serial, deaths, tmp_path):
    root = tmp_path / "set"
    kill_when_begun(start_driver(root, deaths, workers=workers), root)
    kept = hashes(root)
    assert kept
    stamps = {n: (root / f"episode_{n:05d}" / "actions.jsonl").stat().st_mtime_ns for n in kept}
    record(root, workers=workers, resume=True)
    assert_whole(root, serial)
    for n, stamp in stamps.items():
        assert (root / f"episode_{n:05d}" / "actions.jsonl").stat().st_mtime_ns == stamp


def test_on_ray_killed_workers_and_a_killed_driver_cost_nothing(serial, deaths, tmp_path):
    pytest.importorskip("ray")
    root = tmp_path / "set"
    for death in ("1.first", "4.first"):
        (deaths / death).touch()
    kill_when_begun(start_driver(root, deaths, workers=2, engine="ray"), root)
    assert start_driver(root, deaths, workers=2, engine="ray").wait(timeout=240) == 0
    assert not list(deaths.iterdir())
    assert_whole(root, serial)


def test_two_writers_of_one_episode_leave_one(tmp_path):
    plan = {"seed": 0}
    ours, theirs = (
        DataSet.claim(tmp_path, plan, shared=True, writer=writer) for writer in ("a", "b")
    )
    make = FakeMaker()
    info = WorldInfo(kind="real", version="1")
    with ours.new_episode(0) as late:
        rollout.record_episode(config(tmp_path), make(None), late)
        with Job(config(tmp_path), theirs, info, make).opened() as do:
            do(0)
        won = hashes(tmp_path)
    assert hashes(tmp_path) == won
    ours.finish()
    theirs.finish()
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "dataset.json",
        "episode_00000",
        "metadata.jsonl",
    ]


def test_whole_episodes_are_not_recorded_again_unasked(serial, tmp_path):
    with pytest.raises(OutputError, match="new or empty"):
        record(serial)
    record(tmp_path / "set", shard="1/2")
    with pytest.raises(OutputError, match=r"3 that are. Add --resume"):
        record(tmp_path / "set", shard="1/2")


def test_a_data_set_made_otherwise_is_not_mixed_with(serial, tmp_path):
    with pytest.raises(OutputError, match="made with ticks 6; got 5"):
        record(serial, resume=True, ticks=6)
    with pytest.raises(OutputError, match="made with seed 9; got 0"):
        record(serial, resume=True, seed=9)
    with pytest.raises(OutputError, match="made with world"):
        record(serial, FakeMaker(version="2"), resume=True)
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(OutputError, match="precious"):
        record(tmp_path, resume=True)


def test_a_worker_whose_world_is_another_is_refused(serial, tmp_path):
    job = Job(
        config(tmp_path),
        DataSet(tmp_path, tmp_path),
        WorldInfo(kind="real", version="2"),
        FakeMaker(),
    )
    with pytest.raises(CheckpointError, match="version='2'"), job.opened():
        pass


def test_options_of_many_episodes_need_many_episodes(tmp_path):
    for options in ({"resume": True}, {"workers": 2}, {"engine": "ray"}, {"shard": "1/2"}):
        with pytest.raises(ConfigError, match="Add --episodes"):
            RecordConfig(out=tmp_path, **options)
    for shard in ("0/2", "3/2", "2", "a/b", "1/0"):
        with pytest.raises(ConfigError, match=r"a shard from 1/n to n/n"):
            config(tmp_path, shard=shard)
    with pytest.raises(ConfigError, match="workers"):
        config(tmp_path, workers=0)


def test_shards_share_all_numbers_out():
    parts = [Shard.parse(f"{i}/4").numbers(10) for i in range(1, 5)]
    assert sorted(n for part in parts for n in part) == list(range(10))
    assert Shard.parse("1/1").numbers(3) == range(3)
