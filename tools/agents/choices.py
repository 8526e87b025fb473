"""The small set of actions that learners and planners choose from, each held for some ticks."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from worldsim.types import Action

TURN_DEG: Final = 7.5  # a tick: 30 degrees in the usual four
BEAR_DEG: Final = 2.5  # a tick, while walking on

CHOICES: Final[dict[str, Action]] = {
    "on": Action(forward=True, sprint=True),
    "on and jump": Action(forward=True, sprint=True, jump=True),
    "turn left": Action(yaw_deg=-TURN_DEG),
    "turn right": Action(yaw_deg=TURN_DEG),
    "bear left": Action(forward=True, sprint=True, yaw_deg=-BEAR_DEG),
    "bear right": Action(forward=True, sprint=True, yaw_deg=BEAR_DEG),
}
ACTIONS: Final = tuple(CHOICES.values())
HOLD_TICKS: Final = 4  # for how long a choice is usually held


def mirrored(action: Action) -> Action:
    """What does to the left what the action does to the right."""
    return replace(action, left=action.right, right=action.left, yaw_deg=-action.yaw_deg)


MIRRORED: Final = tuple(ACTIONS.index(mirrored(action)) for action in ACTIONS)  # of each choice
