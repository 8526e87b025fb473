"""A policy that is its own mirror image: small convolutions, on a picture and on its reflection.

Left and right are alike in worlds and tasks, but a network that is not told so has to learn to
turn right after it has learned to turn left. Here, by construction, the choices in a reflected
picture are the reflected choices, and equally likely, and it is worth the same: what is learned on
one side is known on the other.

Source: van der Pol et al. 2020 (MDP Homomorphic Networks, arXiv 2006.16908).

    B pictures, C channels, H x W pixels, F features
"""

from __future__ import annotations

from typing import Any, Final

import gymnasium
import torch
from stable_baselines3.common.policies import ActorCriticCnnPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

from worldsim.tools.agents.choices import ACTIONS, MIRRORED

FEATURES: Final = 128  # of each of the two pictures
CHOICE_GAIN: Final = 0.01  # all choices are equally likely at first
VALUE_GAIN: Final = 1.0


class SmallEyes(BaseFeaturesExtractor):
    """Three convolutions for pictures of some 48 x 30 pixels, and for their reflections."""

    def __init__(self, space: gymnasium.spaces.Box) -> None:
        super().__init__(space, 2 * FEATURES)
        self._convolutions = nn.Sequential(
            nn.Conv2d(space.shape[0], 16, 5, 2, 2),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(32, 32, 3, 2, 1),
            nn.ReLU(),
            nn.Flatten(),
        )
        with torch.no_grad():
            flat = self._convolutions(torch.zeros(1, *space.shape)).shape[1]
        self._head = nn.Sequential(nn.Linear(flat, FEATURES), nn.ReLU())

    def forward(
        self,
        rgb_BCHW: Tensor,  # in [0, 1]
    ) -> Tensor:  # [B, 2F] of the picture, then of its reflection
        both = torch.cat([rgb_BCHW, rgb_BCHW.flip(-1)])
        features: Tensor = self._head(self._convolutions(2.0 * both - 1.0))
        return torch.cat(features.chunk(2), dim=1)


class TwoSided(nn.Module):
    """One linear layer for a picture and its reflection: reflecting one reorders the outputs.

    Args:
        gain: of the orthogonal weights at first.
        order: which output means in the reflection what each means in the picture.
    """

    def __init__(self, gain: float, order: tuple[int, ...]) -> None:
        super().__init__()
        self._layer, self._order = nn.Linear(FEATURES, len(order)), list(order)
        nn.init.orthogonal_(self._layer.weight, gain)
        nn.init.zeros_(self._layer.bias)

    def forward(
        self,
        features_B2F: Tensor,  # of the picture, then of its reflection
    ) -> Tensor:  # [B, outputs]
        seen, reflected = features_B2F.chunk(2, dim=1)
        outputs: Tensor = self._layer(seen) + self._layer(reflected)[:, self._order]
        return outputs


class TwoSidedPolicy(ActorCriticCnnPolicy):
    """Stable-Baselines3's actor and critic on `SmallEyes`, for the choices of `ACTIONS`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        eyes = {"features_extractor_class": SmallEyes, "net_arch": []}
        super().__init__(*arguments, **{**options, **eyes})

    def _build(self, lr_schedule: Any) -> None:
        super()._build(lr_schedule)
        assert len(ACTIONS) == self.action_space.n
        self.action_net = TwoSided(CHOICE_GAIN, MIRRORED)
        self.value_net = TwoSided(VALUE_GAIN, (0,))
        self.optimizer = self.optimizer_class(
            self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs
        )
