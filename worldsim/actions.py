"""The one action schema: its order, its hash, and every encoding of an `Action`."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.errors import ActionError
from worldsim.types import BUTTONS, Action

SCHEMA_VERSION = 1
CAMERA = ("yaw_deg", "pitch_deg")
SCHEMA = (*BUTTONS, *CAMERA)
VECTOR_SIZE = len(BUTTONS) + 4  # buttons, then yaw and pitch, linear and symlog

FULL_TURN_DEG = 30.0  # a tick, of the views whose camera is between -1 and 1
BOX = ("ahead", "aside", "jump", "sprint", "sneak", "attack", "use", *CAMERA)
BOX_PRESSED = 0.5  # from here on a number of the `box` view presses its button

CAMERA_BINS_DEG = (-30.0, -10.0, -4.0, -1.5, 0.0, 1.5, 4.0, 10.0, 30.0)

DISCRETE: tuple[Action, ...] = (
    Action(),
    Action(forward=True),
    Action(back=True),
    Action(left=True),
    Action(right=True),
    Action(yaw_deg=-10.0),
    Action(yaw_deg=10.0),
    Action(pitch_deg=-8.0),
    Action(pitch_deg=8.0),
    Action(forward=True, jump=True),
    Action(forward=True, sprint=True),
    Action(attack=True),
)


def schema_hash() -> str:
    """Twelve hex digits that change whenever the schema's order, names or version do."""
    text = json.dumps([SCHEMA_VERSION, *SCHEMA])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def require_schema(names: Sequence[str], where: str) -> None:
    """Raise ActionError, showing both lists, unless `names` is this version's schema."""
    if tuple(names) != SCHEMA:
        raise ActionError(
            f"the action schema {list(SCHEMA)}",
            f"{list(names)} in {where}",
            "Use files made by this version of worldsim, or convert them.",
        )


def to_vector(
    action: Action,
) -> NDArray[np.float32]:  # [VECTOR_SIZE]
    """What the model sees: buttons as -1/+1, turns in tens of degrees and in symlog degrees."""
    buttons = [1.0 if getattr(action, name) else -1.0 for name in BUTTONS]
    turns = [getattr(action, name) for name in CAMERA]
    linear = [turn / 10.0 for turn in turns]
    symlog = [math.copysign(math.log1p(abs(turn)), turn) for turn in turns]
    return np.array([*buttons, *linear, *symlog], dtype=np.float32)


def from_vector(
    vector: NDArray[np.float32],  # [VECTOR_SIZE]
) -> Action:
    """The inverse of `to_vector` (the symlog half is ignored)."""
    if np.shape(vector) != (VECTOR_SIZE,):
        raise ActionError(
            f"a vector of {VECTOR_SIZE} numbers",
            f"shape {np.shape(vector)}",
            "Make it with worldsim.actions.to_vector.",
        )
    buttons = {name: bool(vector[i] > 0) for i, name in enumerate(BUTTONS)}
    yaw, pitch = (float(vector[len(BUTTONS) + i]) * 10.0 for i in range(2))
    return Action(**buttons, yaw_deg=yaw, pitch_deg=pitch)


def to_record(action: Action) -> dict[str, bool | float]:
    """One JSON-able mapping in schema order."""
    return {name: getattr(action, name) for name in SCHEMA}


def from_record(record: Mapping[str, object]) -> Action:
    """The inverse of `to_record`; unknown keys and wrong types are ActionErrors."""
    unknown = set(record) - set(SCHEMA)
    if unknown:
        raise ActionError(
            f"keys among {list(SCHEMA)}",
            f"unknown {sorted(unknown)}",
            "Remove the unknown keys or correct their spelling.",
        )
    values: dict[str, Any] = {}
    values.update((name, _boolean(name, record[name])) for name in BUTTONS if name in record)
    values.update((name, _number(name, record[name])) for name in CAMERA if name in record)
    return Action(**values)


def _boolean(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ActionError(f"{name} to be true or false", repr(value), "Write true or false.")
    return value


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ActionError(f"{name} to be a number of degrees", repr(value), "Write a number.")
    return float(value)


def from_discrete(index: int) -> Action:
    """The action of the `discrete` view; index 0 does nothing."""
    if not 0 <= int(index) < len(DISCRETE):
        raise ActionError(
            f"an index from 0 to {len(DISCRETE) - 1}", repr(index), "Sample from action_space."
        )
    return DISCRETE[int(index)]


def to_discrete(action: Action) -> int:
    """The index of an action that the `discrete` view can express."""
    if action not in DISCRETE:
        raise ActionError("one of the discrete actions", repr(action), "Use another action view.")
    return DISCRETE.index(action)


def from_multidiscrete(
    choice: Sequence[int] | NDArray[np.int64],  # [len(BUTTONS) + 2]
) -> Action:
    """Buttons as 0/1, then a bin index for yaw and one for pitch, each rotated so 0 means still."""
    sizes = multidiscrete_sizes()
    if len(choice) != len(sizes) or any(
        not 0 <= int(c) < n for c, n in zip(choice, sizes, strict=True)
    ):
        raise ActionError(f"indices below {list(sizes)}", repr(choice), "Sample from action_space.")
    buttons = {name: bool(choice[i]) for i, name in enumerate(BUTTONS)}
    yaw, pitch = (_BINS_FROM_STILL[int(choice[len(BUTTONS) + i])] for i in range(2))
    return Action(**buttons, yaw_deg=yaw, pitch_deg=pitch)


def to_multidiscrete(action: Action) -> NDArray[np.int64]:  # [len(BUTTONS) + 2]
    """The nearest choice of the `multidiscrete` view."""
    buttons = [int(getattr(action, name)) for name in BUTTONS]
    bins = np.array(_BINS_FROM_STILL)
    camera = [int(np.abs(bins - getattr(action, name)).argmin()) for name in CAMERA]
    return np.array([*buttons, *camera], dtype=np.int64)


def from_parts(
    buttons: Sequence[int] | NDArray[np.int64],  # [len(BUTTONS)] 0 or 1
    camera: Sequence[float] | NDArray[np.float32],  # [2] yaw and pitch, 1 is FULL_TURN_DEG
) -> Action:
    """The action of the `dict` view."""
    pressed = {name: bool(on) for name, on in zip(BUTTONS, buttons, strict=True)}
    yaw, pitch = (float(turn) * FULL_TURN_DEG for turn in camera)
    return Action(**pressed, yaw_deg=yaw, pitch_deg=pitch)


def to_parts(
    action: Action,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:  # [len(BUTTONS)], [2]
    """The nearest choice of the `dict` view: its buttons and its camera."""
    buttons = np.array([getattr(action, name) for name in BUTTONS], dtype=np.int64)
    return buttons, _camera_share(action)


def from_box(
    numbers: Sequence[float] | NDArray[np.float32],  # [len(BOX)] in [-1, 1]
) -> Action:
    """The action of the `box` view: two sticks, five buttons and the camera, as in BOX."""
    named = dict(zip(BOX, map(float, numbers), strict=True))
    return Action(
        forward=named["ahead"] >= BOX_PRESSED,
        back=named["ahead"] <= -BOX_PRESSED,
        right=named["aside"] >= BOX_PRESSED,
        left=named["aside"] <= -BOX_PRESSED,
        **{name: named[name] >= BOX_PRESSED for name in BOX[2:-2]},
        yaw_deg=named["yaw_deg"] * FULL_TURN_DEG,
        pitch_deg=named["pitch_deg"] * FULL_TURN_DEG,
    )


def to_box(action: Action) -> NDArray[np.float32]:  # [len(BOX)]
    """The nearest choice of the `box` view; opposite buttons cancel, as they do in the world."""
    sticks = (action.forward - action.back, action.right - action.left)
    buttons = [getattr(action, name) for name in BOX[2:-2]]
    return np.array([*sticks, *buttons, *_camera_share(action)], dtype=np.float32)


def _camera_share(action: Action) -> NDArray[np.float32]:  # [2] in [-1, 1]
    turns = np.array([getattr(action, name) for name in CAMERA], dtype=np.float32)
    return np.clip(turns / np.float32(FULL_TURN_DEG), -1.0, 1.0)


def multidiscrete_sizes() -> tuple[int, ...]:
    return (2,) * len(BUTTONS) + (len(CAMERA_BINS_DEG),) * 2


_STILL = CAMERA_BINS_DEG.index(0.0)
_BINS_FROM_STILL = (*CAMERA_BINS_DEG[_STILL:], *CAMERA_BINS_DEG[:_STILL])
