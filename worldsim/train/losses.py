"""Losses in picture space (x0 prediction), behind small pure functions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from worldsim.model.picture import CHANNELS

DEPTH_WEIGHT = 0.5
EDGE_WEIGHT = 0.005
PURE_NOISE_SHARE = 0.7
NOISE_MEAN, NOISE_SPREAD = 0.4, 1.2  # of the other levels' logits
HINT_FLOOR = 3e-4  # hints better than this, about 40 dB, count alike
UNKNOWN_WEIGHT = 0.3
POLISH_FLOOR = 4e-5  # 50 dB: better frames count alike
LEAST_ASKED = 0.05  # a share of a frame: where the truth is asked of less, it counts for less
TONE_PX = 8  # side of the squares whose means are tones
TONE_WEIGHT, DETAIL_WEIGHT = 4.0, 0.03  # where what was invented may change
RAREST = 0.02  # an event rarer than this in a batch weighs as if it were not


def noise_levels(
    shape: tuple[int, int],
    device: torch.device,
) -> Tensor:  # [B, T] in [0, 1]
    """Often exactly 1, where hint and context are all there is; the rest logit-normal.

    Plain diffusion forcing gives almost no signal for predicting from context, and level 1 is all
    that one-step sampling asks for. The levels below it are where a model learns to invent: there
    it must choose, and at level 1 it can only take the mean.
    """
    middle = torch.sigmoid(torch.randn(shape, device=device) * NOISE_SPREAD + NOISE_MEAN)
    pure = torch.rand(shape, device=device) < PURE_NOISE_SHARE
    return torch.where(pure, torch.ones_like(middle), middle)


def picture_loss(
    predicted: Tensor,  # [B, T, C, H, W] pictures or latents
    target: Tensor,  # [B, T, C, H, W]
    known: Tensor | None = None,  # [B, T, 1, H, W] 1 where the hint knew something, else 0
    unknown_weight: float | Tensor = UNKNOWN_WEIGHT,  # or [B, T] of each frame
) -> Tensor:  # [B, T] per frame
    """Squared error of colour and depth code and of their gradients; unknown pixels weigh less.

    What was never seen cannot be predicted. At full weight its error, ten times that of known
    pixels, is most of the gradient, and the network learns nothing else for hundreds of steps.
    """
    if isinstance(unknown_weight, Tensor):
        unknown_weight = unknown_weight[..., None, None, None]
    channels = torch.ones(target.shape[2], 1, 1, device=target.device)
    if len(channels) == CHANNELS:
        channels[-1] = DEPTH_WEIGHT
    sure = torch.ones_like(target[:, :, :1]) if known is None else known
    weight = channels * (unknown_weight + (1.0 - unknown_weight) * sure)
    error = predicted - target
    frame = (2, 3, 4)
    edges = (error.diff(dim=-1).abs() * weight[..., 1:]).mean(frame)
    edges = edges + (error.diff(dim=-2).abs() * weight[..., 1:, :]).mean(frame)
    return (error.square() * weight).mean(frame) + EDGE_WEIGHT * edges


def weight_of_unknown(
    sigma: Tensor,  # [B, T] noise levels
    at_pure_noise: float,
) -> Tensor:  # [B, T]
    """Below level 1 the noisy frame tells of what memory does not know, and it counts in full."""
    return torch.where(sigma < 1.0, 1.0, at_pure_noise)


def relative_loss(
    loss: Tensor,  # [B, T] of the prediction
    hint_loss: Tensor,  # [B, T] of the bare hint
) -> Tensor:  # []
    """Mean ratio to the bare hint's loss: below 1, the network is worth having.

    Quality is judged in decibels, that is by ratios. Plain means are ruled by the few frames whose
    hint is bad, and the network then spoils the many whose hint is good (by 0.7 dB, measured).
    """
    return (loss / (hint_loss.detach() + HINT_FLOOR)).mean()


def polish_loss(
    predicted: Tensor,  # [B, C, h, w] pictures or latents
    before: Tensor,  # [B, C, h, w] what other weights predicted
    truth: Tensor,  # [B, C, h, w]
    asked: Tensor,  # [B, 1, h, w] weight of the truth; where it is 0, all is to stay as it was
    free: Tensor | None = None,  # [B, 1, h, w] 1 where detail may change
) -> Tensor:  # []
    """The squared error's logarithm, that is decibels, frame by frame and channel by channel.

    What a dream invented has no truth. A change of it costs as much as the error of what has. Where
    it is `free`, for a critic asks for detail, it costs little, but everywhere tones are to stay:
    fed with its own pictures, a dream would drift to ever stronger ones.
    """
    error, change = (predicted - truth).square(), predicted - before
    share = asked.mean(dim=(2, 3)).clamp(min=LEAST_ASKED)
    of_asked = (error * asked).mean(dim=(2, 3)) / share
    of_asked_before = ((before - truth).square() * asked).mean(dim=(2, 3)) / share
    channels = torch.ones_like(of_asked)
    if channels.shape[1] == CHANNELS:
        channels[:, -1] = DEPTH_WEIGHT
    decibels = torch.log(of_asked + POLISH_FLOOR)
    weight = (asked == 0).to(change.dtype)
    if free is not None:
        weight = weight * (1.0 - (1.0 - DETAIL_WEIGHT) * free)
    changed = (change.square() * weight).mean(dim=(2, 3))
    if free is not None:
        changed = changed + TONE_WEIGHT * F.avg_pool2d(change, TONE_PX).square().mean(dim=(2, 3))
    changed = changed / (of_asked_before + POLISH_FLOOR)
    return ((decibels + changed) * channels).sum() / channels.sum()


def pose_loss(
    predicted: Tensor,  # [N, 2] metres
    target: Tensor,  # [N, 2] metres
) -> Tensor:  # []
    """Huber error of the displacement, in units of one walking tick (0.2 m)."""
    return F.smooth_l1_loss(predicted / 0.2, target / 0.2, beta=0.25)


def event_loss(
    logits: Tensor,  # [N, E]
    happened: Tensor,  # [N, E] 0 or 1
) -> Tensor:  # []
    """Binary cross-entropy in which what happened weighs as much as what did not.

    Such a weight moves the best logit by its logarithm. It is added here before the loss, so that
    the logits themselves stay those of the samples' true odds.
    Source: Menon et al. 2021, "Long-tail learning via logit adjustment", section 4.
    """
    share = happened.mean(dim=0).clamp(RAREST, 1.0 - RAREST)
    weight = (1.0 - share) / share
    return F.binary_cross_entropy_with_logits(logits + weight.log(), happened, pos_weight=weight)
