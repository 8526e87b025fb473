"""A bank's snapshot as named arrays, for one file without pickled objects, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from worldsim.errors import StateError
from worldsim.memory.bank import BankState
from worldsim.memory.keyframe import Keyframe
from worldsim.memory.spatial_hash import FIELDS, NOBODY, ROOM, Cell, CellKey
from worldsim.types import Pose

T = TypeVar("T", bound=np.generic)
Arrays = dict[str, NDArray[np.generic]]
NAMES = (
    "number", "rgb", "depth", "pose", "frame", "trust", "used", "counters",
    "cell_key", "cell_points", "cell_owners",
)  # fmt: skip


def to_arrays(state: BankState) -> Arrays:
    """Copies a snapshot into arrays: keyframes first to last, then the cells of the hash."""
    keyframes = list(state.keyframes.values())
    poses = [(k.pose.x, k.pose.y, k.pose.z, k.pose.yaw_deg, k.pose.pitch_deg) for k in keyframes]
    cells = list(state.cells.values())
    return {
        "number": np.array(list(state.keyframes), np.int64),
        "rgb": _stacked([k.rgb for k in keyframes], (0, 0, 3), np.uint8),
        "depth": _stacked([k.depth for k in keyframes], (0, 0), np.float16),
        "pose": np.array(poses, np.float64).reshape(-1, 5),
        "frame": np.array([k.frame for k in keyframes], np.int64),
        "trust": np.array([k.trust for k in keyframes], np.float64),
        "used": np.array(list(state.used), np.int64),
        "counters": np.array([state.next_number, state.last_frame], np.int64),
        "cell_key": np.array(list(state.cells), np.int64).reshape(-1, 3),
        "cell_points": _stacked([c.points for c in cells], (ROOM, FIELDS), np.float32),
        "cell_owners": _stacked([c.owners for c in cells], (ROOM,), np.int64),
    }


def from_arrays(arrays: Arrays) -> BankState:
    """The snapshot that `to_arrays` was given. Raises StateError if a part is missing or short."""
    _require_whole(arrays)
    numbers = arrays["number"].tolist()
    keyframes = {}
    for i, number in enumerate(numbers):
        rgb, depth = arrays["rgb"][i].copy(), arrays["depth"][i].copy()
        rgb.setflags(write=False)
        depth.setflags(write=False)
        pose = Pose(*arrays["pose"][i].tolist())
        frame, trust = int(arrays["frame"][i]), float(arrays["trust"][i])
        keyframes[number] = Keyframe(rgb, depth, pose, frame, trust)
    keys = [(x, y, z) for x, y, z in arrays["cell_key"].tolist()]
    contents = zip(arrays["cell_points"], arrays["cell_owners"], strict=True)
    cells = {key: Cell(p, o) for key, (p, o) in zip(keys, contents, strict=True)}
    next_number, last_frame = arrays["counters"].tolist()
    return BankState(
        keyframes,
        _places(cells, numbers),
        cells,
        dict.fromkeys(arrays["used"].tolist()),
        next_number,
        last_frame,
        sum(keyframe.nbytes for keyframe in keyframes.values()),
    )


def _places(cells: dict[CellKey, Cell], numbers: list[int]) -> dict[int, tuple[CellKey, ...]]:
    """The cells in which each keyframe still owns a slot."""
    found: dict[int, list[CellKey]] = {number: [] for number in numbers}
    for key, cell in cells.items():
        for owner in np.unique(cell.owners[cell.owners != NOBODY]).tolist():
            found[owner].append(key)
    return {number: tuple(keys) for number, keys in found.items()}


def _require_whole(arrays: Arrays) -> None:
    missing = [name for name in NAMES if name not in arrays]
    if missing:
        raise StateError(f"arrays {NAMES}", f"none named {missing}", "The saved memory is damaged.")
    for group in (("number", "rgb", "depth", "pose", "frame", "trust", "used"), NAMES[8:]):
        lengths = [len(arrays[name]) for name in group]
        if len(set(lengths)) != 1:
            raise StateError(
                f"{group} of one length", f"lengths {lengths}", "The saved memory is damaged."
            )


def _stacked(
    parts: Sequence[NDArray[T]], empty_shape: tuple[int, ...], dtype: type[T]
) -> NDArray[T]:
    if not parts:
        return np.zeros((0, *empty_shape), dtype)
    return np.stack(parts)
