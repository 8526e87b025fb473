"""Small heads on the trunk. Walls make dead reckoning wrong: the pose head sees them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from worldsim.model.presets import ModelConfig
from worldsim.types import BUTTONS

TOKEN_FEATURES = 8
HIDDEN = 256
WALK_M, SPRINT_M, SNEAK_M = 0.216, 0.281, 0.065  # a tick's way at full speed
GRIP = 0.65  # share of the way to the wanted velocity that a tick closes
SETTLED_M = 0.03  # smaller motions are noise: half a sneak
MOTION_SIZE = 5  # last displacement (right, up, forward; metres), sin and cos of the pitch


def walking_prior(
    action: Tensor,  # [B, action_size], see worldsim.actions.to_vector
    motion: Tensor,  # [B, MOTION_SIZE]
) -> Tensor:  # [B, 2] metres right, forward
    """Where keys alone lead on free, level ground. Standing still is a stable point of it.

    A head that corrects the last displacement instead drifts: up to 5 m in two seconds of standing.
    """
    pressed = {name: (action[:, i] > 0).float() for i, name in enumerate(BUTTONS)}
    right = pressed["right"] - pressed["left"]
    forward = pressed["forward"] - pressed["back"]
    speed = torch.where(pressed["sprint"] > 0, SPRINT_M, WALK_M)
    speed = torch.where(pressed["sneak"] > 0, SNEAK_M, speed)
    length = torch.hypot(right, forward).clamp(min=1.0)
    last = motion[:, :3].float()
    return torch.stack(
        (
            torch.lerp(last[:, 0], right / length * speed, GRIP),
            torch.lerp(last[:, 2], forward / length * speed, GRIP),
        ),
        dim=-1,
    )


def settled(
    moves: Tensor,  # [B, 2] metres right, forward
) -> Tensor:  # [B, 2]
    """Without motions too small to be meant: they would add up to a drift."""
    return torch.where(moves.abs() < SETTLED_M, 0.0, moves)


class PoseHead(nn.Module):
    """Trunk tokens of frame t, action t and the last motion -> level displacement from t to t+1.

    It corrects `walking_prior`: an untrained head walks on free ground. Heights are none of its
    business: errors of them add up. See `worldsim.engine.footing`.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.squeeze = nn.Linear(config.dim, TOKEN_FEATURES)
        width = TOKEN_FEATURES * config.tokens + config.action_size + MOTION_SIZE
        self.hidden1 = nn.Linear(width, HIDDEN)
        self.hidden2 = nn.Linear(HIDDEN, HIDDEN)
        self.out = nn.Linear(HIDDEN, 2)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(
        self,
        tokens_BSD: Tensor,
        action: Tensor,  # [B, action_size]
        motion: Tensor,  # [B, MOTION_SIZE]
    ) -> Tensor:  # [B, 2] metres to the right and forward of the yaw after the action
        seen = rearrange(
            self.squeeze(F.layer_norm(tokens_BSD, tokens_BSD.shape[-1:])), "b s f -> b (s f)"
        )
        x = torch.cat((seen, action.to(seen.dtype), motion.to(seen.dtype)), dim=-1)
        x = F.silu(self.hidden2(F.silu(self.hidden1(x))))
        return walking_prior(action, motion) + self.out(x).float()
