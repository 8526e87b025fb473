"""Exports open in each format's own loader, and every frame is where its action says.

A FakeWorld's pixel (0, 0) holds the frame's number in red and green.
"""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import av
import numpy as np
import pytest
from fakes import FakeWorld
from fakes_record import FakeMaker

from worldsim.actions import SCHEMA
from worldsim.errors import ActionError, BackendError, EpisodeError, OutputError
from worldsim.record import rollout
from worldsim.record.dataset import finished_episodes
from worldsim.record.episode import Episode
from worldsim.record.exporters import command
from worldsim.record.exporters.arrays import POSE_NAMES, episode_arrays
from worldsim.record.exporters.command import ExportConfig
from worldsim.record.exporters.exporter import require_library
from worldsim.record.exporters.webdataset import WebDatasetExporter
from worldsim.record.format import WorldInfo
from worldsim.record.recorder import Recorder
from worldsim.record.rollout import RecordConfig
from worldsim.types import Action

EPISODES, TICKS = 3, 11
FRAMES = TICKS + 1


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("recorded") / "set"
    config = RecordConfig(out=out, script="wander", ticks=TICKS, episodes=EPISODES, depth=True)
    assert rollout.run(config, make=FakeMaker()) == 0
    return out


@pytest.fixture(scope="module")
def episodes(recorded) -> list[Episode]:
    return [Episode.open(folder) for folder in finished_episodes(recorded).values()]


def export(source: Path, out: Path, name: str) -> Path:
    assert command.run(ExportConfig(folder=source, format=name, out=out)) == 0
    return out


def assert_frames(frames, episode: Episode) -> None:
    """Exactly the frames of the recording, each with its number."""
    frames = list(frames)
    assert len(frames) == len(episode)
    for n, (ours, theirs) in enumerate(zip(episode.frames(), frames, strict=True)):
        assert np.array_equal(ours, theirs)
        if episode.info.pixel_format == "yuv444p":  # else chroma is of four pixels together
            assert abs(int(theirs[0, 0, 1]) - n) <= 2


def decoded(source) -> list[tuple[float, np.ndarray]]:
    """Times and pictures of a video."""
    with av.open(source) as container:
        return [(f.time, f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]


class LeRobotReader:
    """Rows and frames of a LeRobot v3 folder, found as LeRobot finds them."""

    def __init__(self, root: Path) -> None:
        pq = pytest.importorskip("pyarrow.parquet")
        self.root = root
        self.info = json.loads((root / "meta/info.json").read_text())
        self.stats = json.loads((root / "meta/stats.json").read_text())
        paths = sorted((root / "meta/episodes").glob("*/*.parquet"))
        self.episodes = [row for path in paths for row in pq.read_table(path).to_pylist()]
        self.rows = [
            row
            for path in sorted((root / "data").glob("*/*.parquet"))
            for row in pq.read_table(path).to_pylist()
        ]
        (self.key,) = (k for k, f in self.info["features"].items() if f["dtype"] == "video")

    def rows_of(self, number: int) -> list[dict]:
        meta = self.episodes[number]
        return self.rows[meta["dataset_from_index"] : meta["dataset_to_index"]]

    def frames_of(self, number: int) -> list[np.ndarray]:
        """The nearest frame to each row's time, which must be within LeRobot's tolerance."""
        meta, key = self.episodes[number], f"videos/{self.key}"
        path = self.info["video_path"].format(
            video_key=self.key,
            chunk_index=meta[f"{key}/chunk_index"],
            file_index=meta[f"{key}/file_index"],
        )
        video = decoded(self.root / path)
        times = np.array([time for time, _ in video])
        found = []
        for row in self.rows_of(number):
            off = np.abs(times - (meta[f"{key}/from_timestamp"] + row["timestamp"]))
            assert off.min() < 1e-4
            found.append(video[int(off.argmin())][1])
        return found


def test_lerobot_has_every_frame_beside_its_action_pose_and_time(recorded, episodes, tmp_path):
    read = LeRobotReader(export(recorded, tmp_path / "out", "lerobot"))
    for number, episode in enumerate(episodes):
        assert_frames(read.frames_of(number), episode)
        arrays = episode_arrays(episode)
        for t, row in enumerate(read.rows_of(number)):
            assert (row["episode_index"], row["frame_index"]) == (number, t)
            assert row["timestamp"] == pytest.approx(t / 20)
            assert row["action"] == arrays.actions[t].tolist()
            assert row["observation.state"] == pytest.approx(arrays.poses[t], rel=1e-6)
            assert row["next.reward"] == arrays.rewards[t]
            assert row["next.done"] == (t == TICKS)


def test_lerobot_describes_itself(recorded, tmp_path):
    read = LeRobotReader(export(recorded, tmp_path / "out", "lerobot"))
    info = read.info
    assert (info["codebase_version"], info["fps"]) == ("v3.0", 20)
    assert (info["total_episodes"], info["total_frames"]) == (EPISODES, EPISODES * FRAMES)
    assert info["features"]["action"]["names"] == list(SCHEMA)
    assert info["features"]["observation.state"]["names"] == list(POSE_NAMES)
    assert list(read.rows[0]) == [k for k in info["features"] if k != read.key]
    assert [row["index"] for row in read.rows] == list(range(EPISODES * FRAMES))
    assert [meta["tasks"] for meta in read.episodes] == [["wander"]] * EPISODES
    actions = np.array([row["action"] for row in read.rows])
    np.testing.assert_allclose(read.stats["action"]["mean"], actions.mean(0), atol=1e-6)
    np.testing.assert_allclose(read.stats["action"]["std"], actions.std(0), atol=1e-6)
    assert np.shape(read.stats[read.key]["mean"]) == (3, 1, 1)
    assert 0 <= np.min(read.stats[read.key]["min"]) <= np.max(read.stats[read.key]["max"]) <= 1


def test_lerobots_tasks_are_the_index_of_a_pandas_frame(recorded, tmp_path):
    pandas = pytest.importorskip("pandas")
    out = export(recorded, tmp_path / "out", "lerobot")
    tasks = pandas.read_parquet(out / "meta/tasks.parquet")
    assert tasks.index.name == "task"
    assert tasks.loc["wander"].task_index == 0


def test_lerobots_tables_load_as_its_features(recorded, tmp_path):
    datasets = pytest.importorskip("datasets")
    out = export(recorded, tmp_path / "out", "lerobot")
    features = {}
    for name, feature in json.loads((out / "meta/info.json").read_text())["features"].items():
        value = datasets.Value(feature["dtype"]) if feature["dtype"] != "video" else None
        if value is not None:
            (size,) = feature["shape"]
            features[name] = value if size == 1 else datasets.Sequence(value, length=size)
    loaded = datasets.Dataset.from_parquet(
        [str(path) for path in (out / "data").glob("*/*.parquet")],
        features=datasets.Features(features),
        cache_dir=str(tmp_path / "cache"),
    )
    assert len(loaded) == EPISODES * FRAMES
    assert len(loaded[0]["action"]) == len(SCHEMA)


def test_lerobot_begins_a_new_video_file_for_another_coding(tmp_path):
    pytest.importorskip("pyarrow")
    for number, pixel_format in enumerate(("yuv444p", "yuv420p")):
        out = tmp_path / "set" / f"episode_{number:05d}"
        config = RecordConfig(out=out, ticks=TICKS, pixel_format=pixel_format)
        assert rollout.run(config, make=FakeMaker()) == 0
    read = LeRobotReader(export(tmp_path / "set", tmp_path / "out", "lerobot"))
    assert [row[f"videos/{read.key}/file_index"] for row in read.episodes] == [0, 1]
    for number, folder in finished_episodes(tmp_path / "set").items():
        assert_frames(read.frames_of(number), Episode.open(folder))


def test_minari_loads_what_was_recorded(recorded, episodes, tmp_path, monkeypatch):
    minari = pytest.importorskip("minari")
    pytest.importorskip("h5py")
    out = export(recorded, tmp_path / "out", "minari")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(out))
    loaded = minari.load_dataset("worldsim/recorded-v0")
    assert (loaded.total_episodes, loaded.total_steps) == (EPISODES, EPISODES * TICKS)
    for episode, theirs in zip(episodes, loaded.iterate_episodes(), strict=True):
        assert_frames(theirs.observations, episode)
        arrays = episode_arrays(episode)
        both = np.concatenate([theirs.actions["buttons"], theirs.actions["camera"]], axis=1)
        assert np.array_equal(both, arrays.actions[:-1])
        assert np.array_equal(theirs.rewards, arrays.rewards[:-1])
        assert theirs.truncations.tolist() == [False] * (TICKS - 1) + [True]
        assert loaded.action_space.contains({k: v[0] for k, v in theirs.actions.items()})


def sample(tar: tarfile.TarFile, key: str) -> dict[str, bytes]:
    """The members of one sample by what follows the first dot."""
    members = [m for m in tar.getmembers() if m.name.startswith(f"{key}.")]
    return {m.name.split(".", 1)[1]: tar.extractfile(m).read() for m in members}


def test_webdataset_has_one_sample_an_episode(recorded, episodes, tmp_path):
    out = export(recorded, tmp_path / "out", "webdataset")
    assert [path.name for path in out.iterdir()] == ["shard-000000.tar"]
    with tarfile.open(out / "shard-000000.tar") as tar:
        for number, episode in enumerate(episodes):
            parts = sample(tar, f"episode_{number:05d}")
            video = decoded(io.BytesIO(parts["mp4"]))
            assert_frames([rgb for _, rgb in video], episode)
            assert [time for time, _ in video] == pytest.approx(np.arange(FRAMES) / 20)
            actions, depth = (
                np.load(io.BytesIO(parts[name])) for name in ("actions.npy", "depth.npy")
            )
            assert np.array_equal(actions, episode_arrays(episode).actions)
            assert np.array_equal(depth, episode.depth().astype(np.float16))
            assert json.loads(parts["json"])["world"]["seed"] == number


def test_webdataset_opens_in_its_own_loader(recorded, tmp_path):
    webdataset = pytest.importorskip("webdataset")
    out = export(recorded, tmp_path / "out", "webdataset")
    loaded = list(webdataset.WebDataset(str(out / "shard-000000.tar"), shardshuffle=False).decode())
    assert [one["__key__"] for one in loaded] == [f"episode_{n:05d}" for n in range(EPISODES)]
    assert loaded[0]["actions.npy"].shape == (FRAMES, len(SCHEMA))
    assert loaded[1]["json"]["world"]["seed"] == 1


def test_webdataset_begins_a_new_shard_when_one_is_full(episodes, tmp_path):
    exporter = WebDatasetExporter(tmp_path, shard_bytes=1)
    for episode in episodes:
        exporter.add(episode)
    exporter.close()
    assert len(list(tmp_path.iterdir())) == EPISODES


def test_videofolder_has_frames_actions_and_poses_in_one_row(recorded, episodes, tmp_path):
    out = export(recorded, tmp_path / "out", "videofolder")
    rows = [json.loads(line) for line in (out / "metadata.jsonl").open()]
    for row, episode in zip(rows, episodes, strict=True):
        assert_frames([rgb for _, rgb in decoded(out / row["file_name"])], episode)
        assert row["actions"] == episode_arrays(episode).actions.tolist()
        assert row["poses"] == episode_arrays(episode).poses.tolist()
    assert [row["seed"] for row in rows] == list(range(EPISODES))


def test_videofolder_opens_in_its_own_loader(recorded, tmp_path):
    datasets = pytest.importorskip("datasets")
    out = export(recorded, tmp_path / "out", "videofolder")
    loaded = datasets.load_dataset(
        "videofolder", data_dir=str(out), cache_dir=str(tmp_path / "cache")
    )["train"].cast_column("video", datasets.Video(decode=False))
    assert loaded[2]["seed"] == 2
    assert np.shape(loaded[2]["actions"]) == (FRAMES, len(SCHEMA))


def test_one_episode_can_be_exported_also_what_a_killed_recorder_left(tmp_path):
    world = FakeWorld()
    first, info = world.reset(seed=0), WorldInfo(kind="real", version="1")
    with (
        pytest.raises(ZeroDivisionError),
        Recorder(tmp_path / "e", info, world.intrinsics, first=first) as recorder,
    ):
        recorder.append(Action(forward=True), world.step(Action(forward=True)))
        raise ZeroDivisionError
    out = export(tmp_path / "e", tmp_path / "out", "videofolder")
    assert len(decoded(out / "episode_00000.mp4")) == 2


def nothing_left(folder: Path, *known: str) -> bool:
    return {path.name for path in folder.iterdir()} == set(known)


def test_sources_that_cannot_be_read_leave_nothing_behind(recorded, tmp_path):
    (tmp_path / "empty").mkdir()
    for source in ("empty", "missing"):
        with pytest.raises(EpisodeError, match="data set"):
            export(tmp_path / source, tmp_path / "out", "videofolder")
    damaged = tmp_path / "damaged"
    config = RecordConfig(out=damaged, ticks=TICKS, episodes=2)
    assert rollout.run(config, make=FakeMaker()) == 0
    video = damaged / "episode_00001" / "video.mp4"
    video.write_bytes(video.read_bytes()[:2000])
    for name in ("videofolder", "webdataset"):
        with pytest.raises(EpisodeError, match="damaged"):
            export(damaged, tmp_path / "out", name)
    info = damaged / "episode_00001" / "episode.json"
    info.write_text(info.read_text().replace('"sneak"', '"crawl"'))
    with pytest.raises(ActionError, match=r"sneak.*crawl"):
        export(damaged, tmp_path / "out", "videofolder")
    assert nothing_left(tmp_path, "empty", "damaged")


def test_an_occupied_place_is_refused_and_kept(recorded, tmp_path):
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(OutputError, match="precious"):
        export(recorded, tmp_path, "videofolder")
    assert nothing_left(tmp_path, "precious.txt")


@pytest.mark.parametrize("name", ["lerobot", "minari", "webdataset", "videofolder"])
def test_a_full_disk_is_an_output_error_and_leaves_nothing(name, recorded, tmp_path, monkeypatch):
    pytest.importorskip({"lerobot": "pyarrow", "minari": "minari"}.get(name, "tarfile"))
    original = command.make_exporter

    def full(name, folder):
        exporter = original(name, folder)

        def refuse():
            raise OSError(28, "No space left on device")

        exporter.close = refuse
        return exporter

    monkeypatch.setattr(command, "make_exporter", full)
    with pytest.raises(OutputError, match="No space left"):
        export(recorded, tmp_path / "out", name)
    assert nothing_left(tmp_path)


def test_frames_of_two_sizes_are_not_mixed(tmp_path):
    pytest.importorskip("pyarrow")
    info = WorldInfo(kind="real", version="1")
    for number, width in enumerate((64, 32)):
        world = FakeWorld(width=width)
        folder = tmp_path / "set" / f"episode_{number:05d}"
        with Recorder(folder, info, world.intrinsics, first=world.reset(seed=0)):
            pass
    with pytest.raises(EpisodeError, match=r"64x40.*32x40"):
        export(tmp_path / "set", tmp_path / "out", "lerobot")


def test_a_missing_library_is_named_with_its_extra():
    with pytest.raises(BackendError, match=r'pip install "worldsim-engine\[data\]"'):
        require_library("no_such_library", "data")
