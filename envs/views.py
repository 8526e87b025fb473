"""Action views: how a Gymnasium agent's choice becomes an `Action`, one row of a table each.

In every view the all-zero choice does nothing. The encodings themselves belong to
`worldsim.actions`; here they only meet a Gymnasium space.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces

from worldsim import actions
from worldsim.errors import ActionError, ConfigError
from worldsim.types import BUTTONS, Action


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionView:
    """A space and the two directions between its elements and an `Action`."""

    space: spaces.Space[Any]
    from_choice: Callable[[Any], Action]
    to_choice: Callable[[Action], Any]

    def decode(self, choice: object) -> Action:
        """The action of an element of `space`; anything else is an ActionError."""
        if not self.space.contains(choice):
            raise ActionError(
                f"an element of {self.space}",
                repr(choice),
                "Sample from action_space, or build the choice with worldsim.actions.",
            )
        return self.from_choice(choice)


def _discrete() -> ActionView:
    return ActionView(
        space=spaces.Discrete(len(actions.DISCRETE)),
        from_choice=actions.from_discrete,
        to_choice=actions.to_discrete,
    )


def _multidiscrete() -> ActionView:
    return ActionView(
        space=spaces.MultiDiscrete(list(actions.multidiscrete_sizes())),
        from_choice=actions.from_multidiscrete,
        to_choice=actions.to_multidiscrete,
    )


def _dict() -> ActionView:
    buttons = spaces.MultiDiscrete([2] * len(BUTTONS))
    camera = spaces.Box(-1.0, 1.0, (len(actions.CAMERA),), np.float32)
    return ActionView(
        space=spaces.Dict({"buttons": buttons, "camera": camera}),
        from_choice=_from_dict,
        to_choice=_to_dict,
    )


def _box() -> ActionView:
    return ActionView(
        space=spaces.Box(-1.0, 1.0, (len(actions.BOX),), np.float32),
        from_choice=actions.from_box,
        to_choice=actions.to_box,
    )


def _from_dict(choice: Mapping[str, Any]) -> Action:
    return actions.from_parts(choice["buttons"], choice["camera"])


def _to_dict(action: Action) -> dict[str, Any]:
    buttons, camera = actions.to_parts(action)
    return {"buttons": buttons, "camera": camera}


_VIEWS = {"discrete": _discrete, "multidiscrete": _multidiscrete, "dict": _dict, "box": _box}
VIEW_NAMES = tuple(_VIEWS)


def action_view(name: str) -> ActionView:
    """A fresh view by name; its space has its own random state.

    Raises:
        ConfigError: `name` is not one of VIEW_NAMES.
    """
    if name not in _VIEWS:
        raise ConfigError(
            f"action_view to be one of {list(VIEW_NAMES)}", repr(name), "Choose one of them."
        )
    return _VIEWS[name]()
