"""Recordings that prove their own alignment: every frame, action and reward tells its number.

A frame is a stripe of black and white for each bit: above its place in the episode, below the
episode. Actions and rewards are functions of both, so a reader needs nothing but this module.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worldsim.camera import Intrinsics
from worldsim.record.exporters.command import ExportConfig
from worldsim.record.exporters.command import run as export
from worldsim.record.exporters.exporter import ExportFormat
from worldsim.record.format import WorldInfo
from worldsim.record.recorder import Recorder
from worldsim.types import SKY_DEPTH_M, Action, Observation, Pose, StepResult

EPISODES, TICKS = 3, 37
FRAMES = TICKS + 1
_BITS, _STRIPE = 8, 8  # stripes, and pixels of each
_CAMERA = Intrinsics(width=_BITS * _STRIPE, height=48)


def exported(folder: Path, name: ExportFormat) -> Path:
    """A numbered data set in another tool's format."""
    source, out = folder / "recorded", folder / name
    for episode in range(EPISODES):
        _record(source / f"episode_{episode:05d}", episode)
    assert export(ExportConfig(folder=source, format=name, out=out)) == 0
    return out


def action_of(episode: int, frame: int) -> Action:
    """What is done at a frame; nothing at the last one."""
    if frame == TICKS:
        return Action()
    return Action(forward=frame % 2 == 0, yaw_deg=0.25 * frame, pitch_deg=float(episode))


def reward_of(episode: int, frame: int) -> float:
    """Of the step that leads to a frame."""
    return 100.0 * episode + frame


def number_of(
    rgb: NDArray[np.generic],  # [H, W, 3], of any range
) -> tuple[int, int]:  # episode, frame
    """The number that a frame shows, also after lossy compression."""
    grey = np.asarray(rgb, dtype=np.float64).mean(axis=2)
    half, middle = grey.shape[0] // 2, _STRIPE // 2
    bits = grey[:, middle::_STRIPE] > (grey.max() + grey.min()) / 2
    above, below = bits[half // 2], bits[half + half // 2]
    return _number(below), _number(above)


def require_frames(frames: Iterator[NDArray[np.generic]], episode: int) -> None:
    """Raise unless these are exactly the frames of an episode, in order."""
    found = [number_of(rgb) for rgb in frames]
    expected = [(episode, frame) for frame in range(FRAMES)]
    assert found == expected, f"frames {found} of episode {episode}"


def _record(folder: Path, episode: int) -> None:
    folder.parent.mkdir(exist_ok=True)
    info = WorldInfo(kind="real", version="1", seed=episode)
    with Recorder(folder, info, _CAMERA, first=_seen(episode, 0)) as recorder:
        for frame in range(TICKS):
            led_to = StepResult(_seen(episode, frame + 1), reward_of(episode, frame + 1))
            recorder.append(action_of(episode, frame), led_to)


def _seen(episode: int, frame: int) -> Observation:
    rgb = np.empty((_CAMERA.height, _CAMERA.width, 3), dtype=np.uint8)
    rgb[: _CAMERA.height // 2], rgb[_CAMERA.height // 2 :] = _stripes(frame), _stripes(episode)
    rgb[0, :_STRIPE], rgb[0, -_STRIPE:] = 255, 0  # so that there is always a white and a black
    depth = np.full((_CAMERA.height, _CAMERA.width), SKY_DEPTH_M, dtype=np.float32)
    return Observation(rgb, depth, Pose(float(frame), 1.6, float(episode)))


def _stripes(number: int) -> NDArray[np.uint8]:  # [W, 1]
    bits = np.array([number >> bit & 1 for bit in range(_BITS)], dtype=np.uint8)
    return np.repeat(bits * np.uint8(255), _STRIPE)[:, None]


def _number(bits: NDArray[np.bool_]) -> int:
    return int(sum(int(on) << bit for bit, on in enumerate(bits)))
