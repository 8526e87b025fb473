"""The recorder: nothing lost, nothing overwritten, failures told, kills survived."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeWorld

from worldsim.camera import Intrinsics
from worldsim.errors import ConfigError, EpisodeError, OutputError
from worldsim.record import episode_writer
from worldsim.record.episode import Episode
from worldsim.record.format import WorldInfo, frame_hash
from worldsim.record.recorder import Recorder, RecorderConfig
from worldsim.types import TICK_HZ, Action

INFO = WorldInfo(kind="real", version="1", seed=0)
WALK = Action(forward=True)


def open_recorder(folder: Path, world: FakeWorld, **config) -> Recorder:
    return Recorder(
        folder, INFO, world.intrinsics, first=world.reset(seed=0), config=RecorderConfig(**config)
    )


@pytest.fixture
def gate(monkeypatch):
    """While clear, the writer thread waits before each frame."""
    opened = threading.Event()
    write = episode_writer.EpisodeWriter._write_frame

    def wait_and_write(self, seen):
        opened.wait()
        write(self, seen)

    monkeypatch.setattr(episode_writer.EpisodeWriter, "_write_frame", wait_and_write)
    yield opened
    opened.set()


def test_frames_are_copied_before_the_world_draws_over_them(tmp_path, gate):
    world = FakeWorld()
    with open_recorder(tmp_path / "e", world) as recorder:
        first = frame_hash(world.reset(seed=0).rgb)
        for _ in range(5):
            recorder.append(WALK, world.step(WALK))
        gate.set()
    assert Episode.open(tmp_path / "e").ticks[0].frame_hash == first


def test_a_slow_writer_holds_the_caller_back_and_loses_no_frame(tmp_path, gate):
    world = FakeWorld()
    recorder = open_recorder(tmp_path / "e", world, queue_frames=2)

    def play() -> None:
        for _ in range(30):
            recorder.append(WALK, world.step(WALK))

    player = threading.Thread(target=play)
    player.start()
    player.join(timeout=0.2)
    assert player.is_alive()
    assert recorder.frames <= 1 + 1 + 2
    gate.set()
    player.join()
    recorder.close()
    assert len(Episode.open(tmp_path / "e")) == 31


def test_closing_twice_is_harmless_and_appending_afterwards_is_an_error(tmp_path):
    world = FakeWorld()
    recorder = open_recorder(tmp_path / "e", world)
    recorder.close()
    recorder.close()
    with pytest.raises(OutputError, match="closed"):
        recorder.append(WALK, world.step(WALK))
    assert len(Episode.open(tmp_path / "e")) == 1


def test_an_episode_whose_recording_failed_in_the_world_stays_marked_incomplete(tmp_path):
    world = FakeWorld()
    with pytest.raises(ZeroDivisionError), open_recorder(tmp_path / "e", world) as recorder:
        recorder.append(WALK, world.step(WALK))
        raise ZeroDivisionError
    episode = Episode.open(tmp_path / "e")
    assert not episode.info.complete
    assert len(list(episode.frames())) == 2


def test_the_writers_failure_surfaces_at_the_next_call_as_output_error(tmp_path, monkeypatch):
    def refuse(self, seen):
        raise OutputError("to write the video", "no space left", "Free some space.")

    world = FakeWorld()
    recorder = open_recorder(tmp_path / "e", world)
    monkeypatch.setattr(episode_writer.EpisodeWriter, "_write_frame", refuse)
    with pytest.raises(OutputError, match="no space left"):
        for _ in range(100):
            recorder.append(WALK, world.step(WALK))
    with pytest.raises(OutputError, match="no space left"):
        recorder.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_writer_that_crashed_is_not_taken_for_one_that_finished(tmp_path, monkeypatch):
    world = FakeWorld()
    recorder = open_recorder(tmp_path / "e", world)
    monkeypatch.setattr(episode_writer.EpisodeWriter, "_write_frame", None)
    with pytest.raises(OutputError, match="thread has ended"):
        recorder.append(WALK, world.step(WALK))
        recorder.close()
    assert not Episode.open(tmp_path / "e").info.complete


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
def test_a_full_disk_is_an_output_error(tmp_path, monkeypatch):
    world = FakeWorld()
    with Path("/dev/full").open("wb", buffering=0) as full:
        monkeypatch.setattr(episode_writer, "_open_lines", lambda path: full)
        recorder = open_recorder(tmp_path / "e", world)
        with pytest.raises(OutputError, match="No space left"):
            for _ in range(100):
                recorder.append(WALK, world.step(WALK))


def test_a_folder_with_data_is_never_written_into(tmp_path):
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"precious\.txt"):
        open_recorder(tmp_path, FakeWorld())
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


def test_a_place_that_cannot_be_written_is_an_output_error(tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/none/e")):
        with pytest.raises(OutputError, match="to write"):
            open_recorder(place, FakeWorld())


def test_frames_of_another_size_than_the_intrinsics_are_refused(tmp_path):
    world = FakeWorld(width=64, height=40)
    with pytest.raises(EpisodeError, match="32 wide"):
        Recorder(tmp_path / "e", INFO, Intrinsics(width=32, height=20), first=world.reset(seed=0))


def test_configs_refuse_bad_values_by_name():
    with pytest.raises(ConfigError, match="pixel_format"):
        RecorderConfig(pixel_format="rgb24")
    with pytest.raises(ConfigError, match="queue_frames"):
        RecorderConfig(queue_frames=100)


KILLED_RECORDER = """
import os, random, signal, sys, time
from pathlib import Path
import test_recorder as t

def record(folder, told):
    world = t.FakeWorld()
    recorder = t.open_recorder(folder, world, depth=True)
    while True:
        recorder.append(t.WALK, world.step(t.WALK))
        os.pwrite(told, b"%08d" % recorder.frames, 0)
        time.sleep(0.002)

rng = random.Random(int(sys.argv[2]))
for n in range(5):
    folder = Path(sys.argv[1]) / str(n)
    told = os.open(f"{folder}.told", os.O_RDWR | os.O_CREAT)
    child = os.fork()
    if child == 0:
        record(folder, told)
    while not os.pread(told, 8, 0):
        time.sleep(0.005)
    time.sleep(rng.uniform(0.0, 0.6))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_kill_at_any_moment_leaves_an_episode_that_lacks_a_second_at_most(tmp_path):
    seed = np.random.default_rng().integers(2**31)
    subprocess.run(
        [sys.executable, "-c", KILLED_RECORDER, str(tmp_path), str(seed)],
        check=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
    )
    for n in range(5):
        appended = int((tmp_path / f"{n}.told").read_text())
        episode = Episode.open(tmp_path / str(n))
        assert not episode.info.complete
        assert appended - TICK_HZ <= len(episode) <= appended + 1, f"seed {seed}"
        frames = list(episode.frames())
        assert len(frames) == len(episode) == len(episode.depth() if frames else [])
        for t, rgb in enumerate(replayed(len(frames))):
            assert episode.ticks[t].frame_hash == frame_hash(rgb)
            assert np.abs(frames[t].astype(int) - rgb).mean() < 2.0


def replayed(count: int):
    """The frames that the killed recorder saw."""
    world = FakeWorld()
    seen = world.reset(seed=0)
    for _ in range(count):
        yield seen.rgb
        seen = world.step(WALK).observation
