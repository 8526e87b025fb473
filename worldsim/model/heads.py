"""Small heads on the trunk. Walls make dead reckoning wrong: the pose head knows them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from worldsim.model.presets import ModelConfig

TOKEN_FEATURES = 8
HIDDEN = 256
MOTION_SIZE = 5  # last displacement (right, up, forward; metres), sin and cos of the pitch


class PoseHead(nn.Module):
    """Trunk tokens of frame t, action t and the last motion -> displacement from t to t+1.

    It predicts the change of the last displacement: an untrained head moves on by inertia.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.squeeze = nn.Linear(config.dim, TOKEN_FEATURES)
        width = TOKEN_FEATURES * config.tokens + config.action_size + MOTION_SIZE
        self.hidden1 = nn.Linear(width, HIDDEN)
        self.hidden2 = nn.Linear(HIDDEN, HIDDEN)
        self.out = nn.Linear(HIDDEN, 3)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(
        self,
        tokens_BSD: Tensor,
        action: Tensor,  # [B, action_size]
        motion: Tensor,  # [B, MOTION_SIZE]
    ) -> Tensor:  # [B, 3] metres to the right, up and forward of the yaw after the action
        seen = rearrange(
            self.squeeze(F.layer_norm(tokens_BSD, tokens_BSD.shape[-1:])), "b s f -> b (s f)"
        )
        x = torch.cat((seen, action.to(seen.dtype), motion.to(seen.dtype)), dim=-1)
        x = F.silu(self.hidden2(F.silu(self.hidden1(x))))
        return motion[:, :3].float() + self.out(x).float()
