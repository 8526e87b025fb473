"""The keyboard of `gymnasium.utils.play`: which choice of an action view some held keys are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from types import MappingProxyType
from typing import Any

from worldsim.actions import from_record
from worldsim.envs.views import ActionView
from worldsim.errors import ActionError

HELD_AT_ONCE = 3  # keys

KEYS: Mapping[str, Mapping[str, bool | float]] = MappingProxyType(
    {
        "w": {"forward": True},
        "s": {"back": True},
        "a": {"left": True},
        "d": {"right": True},
        " ": {"jump": True},
        "r": {"sprint": True},
        "c": {"sneak": True},
        "f": {"attack": True},
        "g": {"use": True},
        "j": {"yaw_deg": -10.0},
        "l": {"yaw_deg": 10.0},
        "i": {"pitch_deg": -8.0},
        "k": {"pitch_deg": 8.0},
    }
)


def keys_to_choices(view: ActionView) -> dict[tuple[str, ...], Any]:
    """Up to three keys held together, for each such action that the view can express."""
    held = (keys for n in range(1, HELD_AT_ONCE + 1) for keys in combinations(KEYS, n))
    choices = ((keys, _choice(view, keys)) for keys in held)
    return {keys: choice for keys, choice in choices if choice is not None}


def _choice(view: ActionView, keys: Iterable[str]) -> Any:
    record: dict[str, bool | float] = {}
    for key in keys:
        record |= KEYS[key]
    try:
        return view.to_choice(from_record(record))
    except ActionError:
        return None
