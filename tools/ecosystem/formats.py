"""Recordings in other tools' formats, opened by those tools' own loaders."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from worldsim.actions import SCHEMA, to_record
from worldsim.tools.ecosystem.numbered import (
    EPISODES,
    FRAMES,
    TICKS,
    action_of,
    exported,
    number_of,
    require_frames,
    reward_of,
)
from worldsim.types import TICK_HZ

FOUND = f"{EPISODES} episodes of {FRAMES} frames"


def minari_loads(folder: Path) -> str:
    """Minari reads an export: frames, actions and rewards are where they belong."""
    out = exported(folder, "minari")
    os.environ["MINARI_DATASETS_PATH"] = str(out)
    import minari

    loaded = minari.load_dataset("worldsim/recorded-v0")
    assert loaded.total_steps == EPISODES * TICKS
    for number, episode in enumerate(loaded.iterate_episodes()):
        require_frames(iter(episode.observations), number)
        actions = np.concatenate([episode.actions["buttons"], episode.actions["camera"]], axis=1)
        assert np.array_equal(actions, _actions(number)[:-1])
        assert episode.rewards.tolist() == _rewards(number)[:-1]
    return FOUND


def minari_recovers(folder: Path) -> str:
    """Minari collects episodes of an environment, saves them, and makes the environment again."""
    os.environ["MINARI_DATASETS_PATH"] = str(folder)
    import gymnasium
    import minari

    import worldsim  # noqa: F401  # registers the ids

    env = gymnasium.make("worldsim/BlocksGems-v0", size=[24, 16], fast=True, max_episode_steps=9)
    collector = minari.DataCollector(env)
    for seed in range(2):
        collector.reset(seed=seed)
        truncated = False
        while not truncated:
            truncated = collector.step(collector.action_space.sample())[3]
    collector.create_dataset("worldsim/collected-v0", description="Two episodes.")
    recovered = minari.load_dataset("worldsim/collected-v0").recover_environment()
    assert recovered.spec is not None and env.spec is not None
    assert recovered.spec.kwargs == env.spec.kwargs
    again, _ = recovered.reset(seed=1)
    assert np.array_equal(again, env.reset(seed=1)[0])
    return f"{recovered.spec.id}, 2 episodes"


def webdataset_loads(folder: Path) -> str:
    """WebDataset reads an export."""
    import webdataset

    (shard,) = exported(folder, "webdataset").iterdir()
    samples = list(webdataset.WebDataset(str(shard), shardshuffle=False).decode())
    assert len(samples) == EPISODES
    for number, sample in enumerate(samples):
        _require_video(sample["mp4"], number)
        assert np.array_equal(sample["actions.npy"], _actions(number))
        assert sample["rewards.npy"].tolist() == _rewards(number)
    return FOUND


def videofolder_loads(folder: Path) -> str:
    """`datasets.load_dataset("videofolder")` reads an export, its videos as bytes."""
    import datasets

    out = exported(folder, "videofolder")
    loaded = datasets.load_dataset(
        "videofolder", data_dir=str(out), cache_dir=str(folder / "cache"), split="train"
    ).cast_column("video", datasets.Video(decode=False))
    assert len(loaded) == EPISODES
    for number, row in enumerate(loaded):
        _require_video(Path(row["video"]["path"]).read_bytes(), number)
        assert np.array_equal(np.array(row["actions"], dtype=np.float32), _actions(number))
        assert row["rewards"] == _rewards(number)
    return FOUND


def lerobot_loads(folder: Path) -> str:
    """LeRobot reads an export: `dataset[i]` is the frame, the action and the time of row i."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    out = exported(folder, "lerobot")
    loaded = LeRobotDataset("worldsim/recorded", root=out, video_backend="pyav")
    assert len(loaded) == EPISODES * FRAMES
    for i in range(len(loaded)):
        row, (number, frame) = loaded[i], divmod(i, FRAMES)
        seen = row["observation.images.rgb"].permute(1, 2, 0).numpy()
        assert number_of(seen) == (number, frame), f"row {i} shows {number_of(seen)}"
        assert np.array_equal(row["action"].numpy(), _actions(number)[frame])
        assert (int(row["episode_index"]), int(row["frame_index"])) == (number, frame)
        assert abs(float(row["timestamp"]) - frame / TICK_HZ) < 1e-4
        assert float(row["next.reward"]) == _rewards(number)[frame]
    return FOUND


def lerobot_layout(folder: Path) -> str:
    """An export has LeRobot's layout: each row's time leads to its frame in the joined video."""
    import pyarrow.parquet as pq

    out = exported(folder, "lerobot")
    info = json.loads((out / "meta/info.json").read_text())
    assert (info["codebase_version"], info["fps"]) == ("v3.0", TICK_HZ)
    rows = pq.read_table(out / "data/chunk-000/file-000.parquet").to_pylist()
    episodes = pq.read_table(out / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    key = "videos/observation.images.rgb"
    path = info["video_path"].format(
        video_key="observation.images.rgb", chunk_index=0, file_index=0
    )
    at = {round(time * TICK_HZ): rgb for time, rgb in _decoded((out / path).read_bytes())}
    for i, row in enumerate(rows):
        number, frame = divmod(i, FRAMES)
        time = episodes[number][f"{key}/from_timestamp"] + row["timestamp"]
        assert number_of(at[round(time * TICK_HZ)]) == (number, frame)
        assert row["action"] == _actions(number)[frame].tolist()
    assert len(rows) == EPISODES * FRAMES
    return FOUND


def _require_video(data: bytes, number: int) -> None:
    """Raise unless these are the frames of an episode, at their times."""
    shown = _decoded(data)
    require_frames((rgb for _, rgb in shown), number)
    assert np.allclose([time for time, _ in shown], np.arange(FRAMES) / TICK_HZ)


def _decoded(data: bytes) -> list[tuple[float, NDArray[np.uint8]]]:  # seconds, [H, W, 3]
    with av.open(io.BytesIO(data), mode="r") as container:
        frames = list(container.decode(video=0))
    return [(f.time or 0.0, f.to_ndarray(format="rgb24").astype(np.uint8)) for f in frames]


def _actions(number: int) -> NDArray[np.float32]:  # [FRAMES, len(SCHEMA)]
    taken = [to_record(action_of(number, frame)) for frame in range(FRAMES)]
    rows: list[list[Any]] = [[record[name] for name in SCHEMA] for record in taken]
    return np.array(rows, dtype=np.float32)


def _rewards(number: int) -> list[float]:
    """Row t has the reward of frame t + 1."""
    return [*(reward_of(number, frame + 1) for frame in range(TICKS)), 0.0]
