"""A patch critic: what the model invents shall look like the world, not like its mean.

Squared error is least where a picture is the mean of all that could be there: a blur. A critic that
sees patches of true and of dreamed frames, and tells them apart, moves the model from the mean to
one of the possibilities. It matters most where nothing was remembered or only from afar, and a
little everywhere: dreams of dreams lose their detail step by step.
Sources: hinge loss, Lim & Ye 2017 (Geometric GAN); spectral normalisation, Miyato et al. 2018; the
balance of gradients at the last layer, Esser et al. 2021 (Taming Transformers); the history of
dreams, Shrivastava et al. 2017 (SimGAN).
"""

from __future__ import annotations

from collections import deque

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from worldsim.model.conv import channels_last

WIDTHS = (48, 96, 160)  # channels; each layer halves the resolution
LEARNING_RATE, BETAS = 1e-3, (0.5, 0.99)
WARM_UP = 60  # steps that the critic learns alone
SURE_WEIGHT = 0.05  # of patches of which memory is sure
MAX_BALANCE = 1e3
HISTORY = 32  # batches of the past that it is reminded of

Sample = tuple[Tensor, ...]  # true and dreamed frames, and how sure memory was


class PatchCritic(nn.Module):
    """One logit per patch of about 40 pixels: high where it looks true."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        c_in = channels + 1
        for width in WIDTHS:
            layers += [spectral_norm(nn.Conv2d(c_in, width, 4, 2, 1)), nn.LeakyReLU(0.2)]
            c_in = width
        layers += [spectral_norm(nn.Conv2d(c_in, c_in, 3, padding=1)), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, spectral_norm(nn.Conv2d(c_in, 1, 1)))

    def forward(
        self,
        frames: Tensor,  # [N, C, H, W] in the codec's space
        sure: Tensor,  # [N, 1, H, W] the hint's confidence, 0 where unknown
    ) -> Tensor:  # [N, 1, H/8, W/8]
        logits: Tensor = self.layers(torch.cat((frames, sure), dim=1))
        return logits


class Critic:
    """Owns the patch critic and its optimizer. Each process of a run has its own."""

    def __init__(self, channels: int, device: torch.device) -> None:
        self.net = channels_last(PatchCritic(channels).to(device))
        self.optimizer = torch.optim.AdamW(
            self.net.parameters(), LEARNING_RATE, BETAS, weight_decay=0.0
        )
        self.steps = 0
        self._history: deque[Sample] = deque(maxlen=HISTORY)

    @property
    def is_warm(self) -> bool:
        return self.steps >= WARM_UP

    def complaint(self, dreamed: Tensor, sure: Tensor) -> Tensor:  # [N, C, H, W], [N, 1, H, W]
        """What the model is to lower: how false its frames look, a scalar."""
        self.net.requires_grad_(False)
        logits = self.net(dreamed, sure)
        self.net.requires_grad_(True)
        return -weighted_mean(logits, sure)

    def learn(self, true: Tensor, dreamed: Tensor, sure: Tensor) -> Tensor:
        """A step of telling true frames from dreamed ones, and one on a batch of the past.

        Returns the loss of the first. Without the past, model and critic chase each other.
        """
        loss = self._step(true, dreamed.detach(), sure)
        self._history.append(tuple(x.detach().half() for x in (true, dreamed, sure)))
        past = self._history[int(torch.randint(len(self._history), ()))]
        self._step(*(x.float() for x in past))
        self.steps += 1
        return loss

    def _step(self, true: Tensor, dreamed: Tensor, sure: Tensor) -> Tensor:
        both = self.net(torch.cat((true, dreamed)), torch.cat((sure, sure)))
        on_true, on_dreamed = both.chunk(2)
        loss = weighted_mean(F.relu(1.0 - on_true), sure)
        loss = loss + weighted_mean(F.relu(1.0 + on_dreamed), sure)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss.detach()


def weighted_mean(
    values: Tensor,  # [N, 1, h, w] per patch
    sure: Tensor,  # [N, 1, H, W]
) -> Tensor:  # []
    """Patches weigh by how little memory is sure of them."""
    height, width = values.shape[-2:]
    unsure = 1.0 - F.adaptive_avg_pool2d(sure, (height, width))
    weight = SURE_WEIGHT + (1.0 - SURE_WEIGHT) * unsure
    return (values * weight).sum() / weight.sum()


def balance(
    ruling: Tensor,  # [] a loss
    other: Tensor,  # [] a loss
    last_layer: Tensor,  # a parameter that both depend on
) -> Tensor:  # []
    """The factor at which the other loss pulls at the last layer as strongly as the ruling one."""
    pulls = [
        torch.autograd.grad(loss, last_layer, retain_graph=True)[0].norm()
        for loss in (ruling, other)
    ]
    return (pulls[0] / (pulls[1] + 1e-8)).clamp(max=MAX_BALANCE).detach()
