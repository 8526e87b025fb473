"""Pictures as numbers between 0 and 1, for networks that take no uint8, as RLlib's default."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from worldsim.errors import ConfigError


class FloatImage(
    gymnasium.ObservationWrapper[Any, Any, Any], gymnasium.utils.RecordConstructorArgs
):
    """Observes float32 pictures in [0, 1]; the other parts of a dict observation stay as they are.

    Args:
        env: of `observation="rgb"` or `"dict"`.
        channels_first: [3, H, W], as PyTorch's convolutions take it, instead of [H, W, 3].

    Raises:
        ConfigError: the environment observes no uint8 picture.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], channels_first: bool = False) -> None:
        gymnasium.utils.RecordConstructorArgs.__init__(self, channels_first=channels_first)
        super().__init__(env)
        self._channels_first = channels_first
        seen = env.observation_space
        self.observation_space = (
            spaces.Dict({**seen.spaces, "rgb": self._space(seen["rgb"])})
            if isinstance(seen, spaces.Dict)
            else self._space(seen)
        )

    def observation(self, observation: Any) -> Any:
        """The observation with its picture as floats."""
        if isinstance(observation, dict):
            return {**observation, "rgb": self._floats(observation["rgb"])}
        return self._floats(observation)

    def _floats(
        self,
        rgb: NDArray[np.uint8],  # [H, W, 3]
    ) -> NDArray[np.float32]:  # [H, W, 3], or [3, H, W]
        floats = rgb.astype(np.float32) / np.float32(255.0)
        return np.ascontiguousarray(np.moveaxis(floats, -1, 0)) if self._channels_first else floats

    def _space(self, space: spaces.Space[Any]) -> spaces.Box:
        if not isinstance(space, spaces.Box) or space.dtype != np.uint8 or len(space.shape) != 3:
            raise ConfigError(
                "an environment that observes a uint8 picture",
                f"one that observes {space}",
                "Wrap the environment before anything that changes its picture.",
            )
        height, width, channels = space.shape
        shape = (channels, height, width) if self._channels_first else space.shape
        return spaces.Box(0.0, 1.0, shape, np.float32)
