"""An `Action` to and from the field names of VPT and BASALT recordings.

Mouse motion is in the recorders' counts, 2400 to a full turn, so that their loaders' factor of
360/2400 gives degrees back. Source: openai/Video-Pre-Training, `run_inverse_dynamics_model.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from worldsim.engine.footing import EYE_M
from worldsim.types import MAX_TURN_DEG, Action, Pose

COUNTS_PER_DEG = 2400.0 / 360.0

KEYS = {
    "forward": "key.keyboard.w",
    "back": "key.keyboard.s",
    "left": "key.keyboard.a",
    "right": "key.keyboard.d",
    "jump": "key.keyboard.space",
    "sprint": "key.keyboard.left.control",
    "sneak": "key.keyboard.left.shift",
}
MOUSE_BUTTONS = {"attack": 0, "use": 1}


def to_vpt(action: Action, previous: Action) -> dict[str, object]:
    """The VPT fields of one tick: mouse, keyboard and the constants that their loaders read."""
    keys, buttons = _held(action)
    old_keys, old_buttons = _held(previous)
    return {
        "mouse": {
            "dx": float(action.yaw_deg) * COUNTS_PER_DEG,
            "dy": float(action.pitch_deg) * COUNTS_PER_DEG,
            "buttons": buttons,
            "newButtons": [button for button in buttons if button not in old_buttons],
        },
        "keyboard": {"keys": keys, "newKeys": [key for key in keys if key not in old_keys]},
        "isGuiOpen": False,
        "hotbar": 0,
    }


def from_vpt(record: Mapping[str, Any], *, ignored: Collection[int] = ()) -> Action:
    """The action of one tick, without the `ignored` mouse buttons; none while a menu is open.

    Turns of more than half a circle a tick are cut to that. Raises KeyError or TypeError if a
    field is missing or of another type.
    """
    if record.get("isGuiOpen"):
        return Action()
    mouse, keys = record["mouse"], record["keyboard"]["keys"]
    held = {name: key in keys for name, key in KEYS.items()}
    clicked = {
        name: number in mouse["buttons"] and number not in ignored
        for name, number in MOUSE_BUTTONS.items()
    }
    yaw, pitch = (
        min(max(mouse[axis] / COUNTS_PER_DEG, -MAX_TURN_DEG), MAX_TURN_DEG) for axis in ("dx", "dy")
    )
    return Action(**held, **clicked, yaw_deg=yaw, pitch_deg=pitch)


def pose_from_vpt(record: Mapping[str, Any]) -> Pose | None:
    """Where the eye is at a record's frame: our `pose`, or the game's own fields, or None.

    The game gives the place of the feet, and counts yaw from +z. Raises KeyError or TypeError for
    half a pose.
    """
    if "pose" in record:
        return Pose(**record["pose"])
    if "xpos" not in record:
        return None
    feet_m = float(record["ypos"])
    yaw_deg = float(record["yaw"]) % 360.0 - 180.0
    place = (float(record["xpos"]), feet_m + EYE_M, float(record["zpos"]))
    return Pose(*place, yaw_deg, float(record["pitch"]))


def _held(action: Action) -> tuple[list[str], list[int]]:
    keys = [key for name, key in KEYS.items() if getattr(action, name)]
    buttons = [number for name, number in MOUSE_BUTTONS.items() if getattr(action, name)]
    return keys, buttons
