"""Small heads: where the next action leads to, and what the last one brought."""

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
MOVE_SIZE = 3  # a displacement: right, up, forward; metres
MOTION_SIZE = MOVE_SIZE + 2  # and sin and cos of the pitch
POINT_SIZE, POINTS = 6, 384  # of a coloured point; most of them that are told
POINT_HIDDEN = 64
WITNESSES = 4  # points that a feature is the mean of, its strongest: dreams have stray ones
CELLS_SIZE = 8  # how far outside of cells a point is: after and before; along x, y, z, and at all
EVENTS = ("reward", "end")  # a gem was taken; the beacon is within reach
REWARD = EVENTS.index("reward")


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

    It corrects `walking_prior`: an untrained head walks on free ground. Walls make dead reckoning
    wrong: this head sees them. Heights are none of its business: errors of them add up. See
    `worldsim.engine.footing`.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        told = config.action_size + MOTION_SIZE
        self.squeeze = nn.Linear(config.dim, TOKEN_FEATURES)
        self.hidden1 = nn.Linear(TOKEN_FEATURES * config.tokens + told, HIDDEN)
        self.hidden2 = nn.Linear(HIDDEN, HIDDEN)
        self.out = _zeros(nn.Linear(HIDDEN, 2))

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
        correction = self.out(F.silu(self.hidden2(F.silu(self.hidden1(x))))).float()
        return walking_prior(action, motion) + correction


class EventHead(nn.Module):
    """The coloured points around a body and its last displacement -> logits of that tick's EVENTS.

    Each point is told where the body is and where it was, and how far outside of the cells it is
    that the body touches and touched, so that what is reached now can be told from what was
    reached before. It judges by what is known of a place alone, so it works where there is no
    truth. An untrained head finds every event as likely as not.
    Source: Qi et al. 2017, "PointNet", section 4.2.
    """

    def __init__(self) -> None:
        super().__init__()
        self.point1 = nn.Linear(POINT_SIZE + MOVE_SIZE + 2 + CELLS_SIZE, POINT_HIDDEN)
        self.point2 = nn.Linear(POINT_HIDDEN, POINT_HIDDEN)
        self.hidden = nn.Linear(POINT_HIDDEN, POINT_HIDDEN)
        self.out = _zeros(nn.Linear(POINT_HIDDEN, len(EVENTS)))

    @property
    def is_trained(self) -> bool:
        """Whether it has ever learnt: its last layer starts at zero."""
        return bool(self.out.weight.any())

    def forward(
        self,
        points: Tensor,  # [B, N, POINT_SIZE] metres x, y, z from the eye; colour 0 to 1
        valid: Tensor,  # [B, N] bool
        move: Tensor,  # [B, MOVE_SIZE] metres x, y, z
        cells: Tensor,  # [B, 2, 2, 3] after and before, low and high corner, metres from the eye
    ) -> Tensor:  # [B, len(EVENTS)] float32
        before = points[..., :MOVE_SIZE] + move[:, None]
        aside = _aside(points), _aside(before)
        told = torch.cat((points, before, *aside, _outside(points, cells)), dim=-1).to(
            self.point1.weight.dtype
        )
        features = F.silu(self.point2(F.silu(self.point1(told))))
        strongest = features.masked_fill(~valid[..., None], 0.0).topk(WITNESSES, dim=1).values
        return self.out(F.silu(self.hidden(strongest.mean(dim=1)))).float()


def _aside(
    points: Tensor,  # [B, N, 3 or more] metres x, y, z
) -> Tensor:  # [B, N, 1] metres: bodies and blocks are square
    return points[..., (0, 2)].abs().amax(dim=-1, keepdim=True)


def _outside(points: Tensor, cells: Tensor) -> Tensor:  # [B, N, CELLS_SIZE] metres
    """How far a point is outside of boxes, along each axis and at all; negative inside."""
    middle, half = cells.mean(dim=2), cells.diff(dim=2)[:, :, 0] / 2  # [B, 2, 3]
    along = (points[:, :, None, :3] - middle[:, None]).abs() - half[:, None]  # [B, N, 2, 3]
    return torch.cat((along, along.amax(dim=-1, keepdim=True)), dim=-1).flatten(2)


def _zeros(layer: nn.Linear) -> nn.Linear:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
