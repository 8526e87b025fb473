"""What tests of recordings share: a walk in a plane world, recorded in both kinds."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import PlaneWorld

from worldsim.actions import from_vector, to_vector
from worldsim.camera import Intrinsics
from worldsim.model.presets import preset
from worldsim.record.format import WorldInfo
from worldsim.record.recorder import Recorder, RecorderConfig
from worldsim.record.video import VideoWriter
from worldsim.record.vpt import to_vpt
from worldsim.train.data import Episode
from worldsim.train.recorded import Window, read_window
from worldsim.train.recording import Recording
from worldsim.train.recording_search import find_recordings
from worldsim.types import Action, Observation, StepResult

CAMERA = preset("tiny").intrinsics
TICKS = 63
ACTIONS = [
    Action(forward=t % 3 > 0, left=t % 7 == 0, yaw_deg=4.0 * np.sin(t / 5), pitch_deg=0.5 * (t % 2))
    for t in range(TICKS)
]


def walk(camera: Intrinsics = CAMERA) -> list[Observation]:
    world = PlaneWorld(camera)
    seen = [world.reset(seed=0)]
    for action in ACTIONS:
        world.advance(action)
        seen.append(world.observe())
    return seen


def record(folder: Path, *, depth: bool = True, camera: Intrinsics = CAMERA) -> list[Observation]:
    """One of our episodes of a plane world; what was seen."""
    first, *rest = seen = walk(camera)
    info, config = WorldInfo(kind="real", version="1", seed=0), RecorderConfig(depth=depth)
    with Recorder(folder, info, camera, first=first, config=config) as recorder:
        for action, observation in zip(ACTIONS, rest, strict=True):
            recorder.append(action, StepResult(observation))
    return seen


def record_vpt(path: Path, camera: Intrinsics = CAMERA) -> list[Observation]:
    """The same walk as NAME.mp4 and NAME.jsonl; the poses in the game's convention."""
    seen = walk(camera)
    video = VideoWriter(path.with_suffix(".mp4"), width=camera.width, height=camera.height)
    for observation in seen:
        video.append(observation.rgb)
    video.close()
    lines = []
    for t, observation in enumerate(seen):
        fields = to_vpt(ACTIONS[t] if t < TICKS else Action(), Action())
        pose = observation.pose
        place = {"xpos": pose.x, "ypos": pose.y - 1.62, "zpos": pose.z, "tick": 100 + t}
        view = {"yaw": pose.yaw_deg + 180.0, "pitch": pose.pitch_deg}
        lines.append({**fields, **place, **view})
    write_lines(path, lines)
    return seen


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def write_lines(path: Path, lines: Sequence[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def find(*folders: Path, strict: bool = False, fov: float = 60.0) -> tuple[Recording, ...]:
    return find_recordings(folders, CAMERA, strict=strict, vpt_fov_y_deg=fov)


def whole(recording: Recording) -> Episode:
    run = recording.stretches[0]
    return read_window(Window(recording, run.start, run.stop), CAMERA)


def assert_shows(episode: Episode, seen: Sequence[Observation], start: int = 0) -> None:
    """Frame by frame, and that each action and move lead from one frame to the next."""
    for t, truth in enumerate(seen):
        assert np.abs(episode.rgb[t].astype(int) - truth.rgb).max() <= 2, t
        for name in ("x", "y", "z", "yaw_deg", "pitch_deg"):
            got, expected = getattr(episode.poses[t], name), getattr(truth.pose, name)
            assert got == pytest.approx(expected, abs=1e-6), (t, name)
    for t, (before, after) in enumerate(pairwise(seen)):
        expected = to_vector(ACTIONS[start + t])
        assert np.allclose(episode.actions[t], expected, atol=1e-5), t
        turned = from_vector(episode.actions[t])
        there = before.pose.turned(turned.yaw_deg, turned.pitch_deg)
        assert there.yaw_deg == pytest.approx(after.pose.yaw_deg, abs=1e-4)
        moved = there.moved_along(*map(float, episode.moves[t])).position()
        assert np.allclose(moved, after.pose.position(), atol=1e-5)


def edit_info(folder: Path, **changes: object) -> None:
    path = folder / "episode.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def edit_line(path: Path, number: int, edit: Callable[[dict[str, Any]], object]) -> None:
    lines = read_lines(path)
    edit(lines[number])
    write_lines(path, lines)
