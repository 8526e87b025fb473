"""An agent that Stable-Baselines3 trained in one of these environments, as a player.

Needs the extra `rl`. The file is one of `model.save`, https://stable-baselines3.readthedocs.io
(guide, "On saving and loading"): of it only the policy is built again, whatever algorithm it
learned by. Such a file can hold code, which runs when it is read: open none that you do not trust.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.save_util import load_from_zip_file

from worldsim.envs.observations import (
    OBSERVATION_NAMES,
    ObservationView,
    Size,
    observation_view,
)
from worldsim.envs.views import VIEW_NAMES, ActionView, action_view
from worldsim.errors import ConfigError
from worldsim.record.format import WorldInfo
from worldsim.types import Action, Observation

COLOURS = 3


class TrainedPlayer:
    """Looks at one frame and acts, always as it thinks best; it has no state of its own."""

    def __init__(
        self, policy: BasePolicy, sees: ObservationView, acts: ActionView, *, name: str
    ) -> None:
        self.name = name
        self._policy = policy
        self._sees = sees
        self._acts = acts

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises ConfigError if the file is missing, foreign, or of another environment."""
        data, tensors = _read(path)
        seen, chosen = data["observation_space"], data["action_space"]
        sees, acts = _observation_view(seen, path), _action_view(chosen, path)
        arguments = dict(data.get("policy_kwargs") or {})
        if data.get("use_sde"):
            arguments["use_sde"] = True
        policy = data["policy_class"](seen, chosen, lambda _: 0.0, **arguments)
        policy.load_state_dict(tensors["policy"])
        policy.set_training_mode(False)
        return cls(policy, sees, acts, name=path.stem)

    def begin(self, _info: WorldInfo, /) -> None:
        """Every frame is looked at alone: there is nothing to begin."""

    def act(self, seen: Observation, /) -> Action:
        choice, _ = self._policy.predict(self._sees.of(seen), deterministic=True)
        whole = isinstance(self._acts.space, spaces.Discrete)
        return self._acts.from_choice(int(choice) if whole else choice)


def _read(path: Path) -> tuple[Mapping[str, Any], Mapping[str, Any]]:  # settings, tensors
    try:
        data, tensors, _ = load_from_zip_file(path, device="cpu")
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ConfigError(
            f"a file that Stable-Baselines3's model.save wrote at {path}",
            f"{error}",
            "Correct the path, or save the agent again.",
        ) from error
    needed = {"policy_class", "observation_space", "action_space"}
    missing = needed - set(data or {})
    if data is None or missing or "policy" not in tensors:
        raise ConfigError(
            f"a whole agent of Stable-Baselines3 in {path}",
            f"one without {sorted(missing) or ['policy']}",
            "Save it with model.save, and nothing left out.",
        )
    return data, tensors


def _action_view(space: spaces.Space[Any], path: Path) -> ActionView:
    views = [action_view(name) for name in VIEW_NAMES]
    fitting = [view for view in views if view.space == space]
    if not fitting:
        raise ConfigError(
            f"an agent that acts in one of the views {list(VIEW_NAMES)}",
            f"{space} in {path}",
            "Train it in one of worldsim's environments.",
        )
    return fitting[0]


def _observation_view(space: spaces.Space[Any], path: Path) -> ObservationView:
    """The view that a policy was shown; Stable-Baselines3 may have put the colours first."""
    for name in OBSERVATION_NAMES:
        view = observation_view(name, _size(space))
        if _shapes(view.space) == _shapes(space):
            return view
    raise ConfigError(
        f"an agent that sees one of {list(OBSERVATION_NAMES)}, one frame at a time",
        f"{space} in {path}",
        "Train it in one of worldsim's environments, without frames stacked.",
    )


def _size(space: spaces.Space[Any]) -> Size:
    """Of its picture; (1, 1) where there is none."""
    picture = space.spaces.get("rgb") if isinstance(space, spaces.Dict) else space
    shape = None if picture is None else picture.shape
    if shape is None or len(shape) != 3:
        return 1, 1
    height, width = shape[1:] if shape[0] == COLOURS else shape[:2]
    return width, height


def _shapes(space: spaces.Space[Any]) -> object:
    """What has to agree: names, sizes and types, with the colours last."""
    if isinstance(space, spaces.Dict):
        return {name: _shapes(one) for name, one in space.spaces.items()}
    shape = space.shape
    if shape is not None and len(shape) == 3 and shape[0] == COLOURS:
        shape = (*shape[1:], COLOURS)
    return shape, space.dtype
