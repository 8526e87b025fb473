"""Observation views: what of a frame an agent gets, and at which size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from PIL import Image

from worldsim.camera import Intrinsics
from worldsim.errors import ConfigError
from worldsim.types import MAX_PITCH_DEG, MAX_TURN_DEG, SKY_DEPTH_M, Pose

FARTHEST_M = 1e6  # nobody walks farther: five days at a sprint

Size = tuple[int, int]  # width, height; pixels


class Seen(Protocol):
    """The newest frame: an `Observation`, or the one in an `EnvState`."""

    @property
    def rgb(self) -> NDArray[np.uint8]: ...  # [H, W, 3]

    @property
    def depth(self) -> NDArray[np.float32]: ...  # [H, W] metres

    @property
    def pose(self) -> Pose: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservationView:
    """A space, and the element of it that a frame is; the element shares memory with nothing."""

    space: spaces.Space[Any]
    of: Callable[[Seen], Any]


def observation_view(name: str, size: Size) -> ObservationView:
    """A view by name.

    Raises:
        ConfigError: `name` is not one of OBSERVATION_NAMES.
    """
    if name not in _VIEWS:
        raise ConfigError(
            f"observation to be one of {list(OBSERVATION_NAMES)}", repr(name), "Choose one of them."
        )
    return _VIEWS[name](size)


def checked_size(size: Sequence[int] | None) -> Size:
    """(width, height), or the worlds' own. Raises ConfigError for anything but whole pixels."""
    if size is None:
        return Intrinsics().width, Intrinsics().height
    if len(size) != 2 or not all(isinstance(n, (int, np.integer)) and n > 0 for n in size):
        raise ConfigError(
            "size to be (width, height) in pixels, two whole numbers above 0",
            repr(size),
            "Pass for example size=(64, 64).",
        )
    return int(size[0]), int(size[1])


def pose_row(pose: Pose) -> NDArray[np.float64]:  # [5] x, y, z in metres, yaw, pitch in degrees
    return np.array((pose.x, pose.y, pose.z, pose.yaw_deg, pose.pitch_deg))


def area_resized(
    rgb: NDArray[np.uint8],  # [H, W, 3]
    size: Size,
) -> NDArray[np.uint8]:  # [height, width, 3], a copy
    """Every pixel of the result is the mean of the area that it covers."""
    if (rgb.shape[1], rgb.shape[0]) == size:
        return rgb.copy()
    return np.array(Image.fromarray(rgb).resize(size, Image.Resampling.BOX))


def nearest_resized(
    depth: NDArray[np.float32],  # [H, W]
    size: Size,
) -> NDArray[np.float32]:  # [height, width], a copy
    """Every pixel is the one under its middle: means of depths lie where nothing is."""
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int)
        for new, old in zip(size[::-1], depth.shape, strict=True)
    )
    return depth[rows[:, None], columns]


def _rgb(size: Size) -> ObservationView:
    return ObservationView(space=_rgb_space(size), of=partial(_rgb_of, size))


def _rgb_of(size: Size, seen: Seen) -> NDArray[np.uint8]:  # [height, width, 3]
    return area_resized(seen.rgb, size)


def _dict(size: Size) -> ObservationView:
    depth = spaces.Box(0.0, SKY_DEPTH_M, size[::-1], np.float32)
    farthest = np.array([FARTHEST_M] * 3 + [MAX_TURN_DEG, MAX_PITCH_DEG], np.float32)
    pose = spaces.Box(-farthest, farthest)
    space = spaces.Dict({"rgb": _rgb_space(size), "depth": depth, "pose": pose})
    return ObservationView(space=space, of=partial(_dict_of, size))


def _dict_of(size: Size, seen: Seen) -> dict[str, NDArray[Any]]:
    return {
        "rgb": area_resized(seen.rgb, size),
        "depth": nearest_resized(seen.depth, size),
        "pose": pose_row(seen.pose).astype(np.float32),
    }


def _rgb_space(size: Size) -> spaces.Box:
    return spaces.Box(0, 255, (*size[::-1], 3), np.uint8)


_VIEWS = {"rgb": _rgb, "dict": _dict}
OBSERVATION_NAMES = tuple(_VIEWS)
