"""Muon for hidden matrices and kernels, AdamW for the rest.

Muon orthogonalises each momentum matrix, so that all of its directions learn at the same pace.
Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor, nn

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # the quintic of the source, tuned for few steps
NEWTON_SCHULZ_STEPS = 5
MUON_RATIO = 20.0  # Muon's learning rate over AdamW's
ADAM_BETAS = (0.9, 0.98)
# First and last layers, embeddings and heads: not hidden, so AdamW's.
EDGE_LAYERS = (
    "stem",
    "out",
    "recall_tokens",
    "conditioner",
    "stem_rays",
    "token_rays",
    "pose_head",
    "event_head",
    "level",
)


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised by Newton-Schulz iterations; kernels count as flat matrices."""

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One update of every parameter that has a gradient."""
        assert closure is None, "Muon takes no closure"
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self._update(p, p.grad, group)
        return None

    def _update(self, p: nn.Parameter, grad: Tensor, group: dict[str, Any]) -> None:
        state = self.state[p]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(grad)
        momentum = state["momentum"].lerp_(grad, 1.0 - group["momentum"])
        nesterov = grad.lerp(momentum, group["momentum"])
        direction = orthogonalised(nesterov.flatten(1)).view_as(p)
        p.mul_(1.0 - group["lr"] * group["weight_decay"])
        p.add_(direction, alpha=-group["lr"] * update_scale(p))


def orthogonalised(
    matrix: Tensor,  # [m, n]
) -> Tensor:  # [m, n] float32, singular values near 1
    """The nearest orthogonal matrix, roughly: odd polynomials push singular values towards 1."""
    a, b, c = NEWTON_SCHULZ
    x = matrix.bfloat16()
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / (x.norm() + 1e-7)
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.T if tall else x).to(matrix.dtype)


def update_scale(p: Tensor) -> float:
    """Keeps the update's root mean square independent of a matrix's shape."""
    flat = p.flatten(1)
    return float(max(1.0, flat.shape[0] / flat.shape[1])) ** 0.5


def make_optimizers(
    model: nn.Module, learning_rate: float, weight_decay: float
) -> list[torch.optim.Optimizer]:
    """Muon for the hidden matrices at 20 times the rate, AdamW for edges, norms and biases."""
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    hidden = [p for name, p in named if is_hidden(name, p)]
    edges = [p for name, p in named if not is_hidden(name, p)]
    optimizers: list[torch.optim.Optimizer] = []
    if hidden:
        rate = MUON_RATIO * learning_rate
        optimizers.append(Muon(hidden, lr=rate, weight_decay=weight_decay))
    if edges:
        optimizers.append(torch.optim.AdamW(edges, learning_rate, ADAM_BETAS, weight_decay=0.0))
    return optimizers


def is_hidden(name: str, p: nn.Parameter) -> bool:
    layer, *_ = name.removeprefix("outpainter.").removeprefix("compositor.").split(".")
    return p.ndim > 1 and layer not in EDGE_LAYERS and not name.endswith("modulation_offset")


def scale_learning_rates(
    optimizers: list[torch.optim.Optimizer], learning_rate: float, factor: float
) -> None:
    """Set every rate to its base times a schedule's factor."""
    for optimizer in optimizers:
        base = learning_rate * (MUON_RATIO if isinstance(optimizer, Muon) else 1.0)
        for group in optimizer.param_groups:
            group["lr"] = base * factor
