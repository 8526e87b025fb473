"""What a vector environment hands out: arrays of NumPy, or tensors that share their memory."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import Tensor

from worldsim.errors import ConfigError

Output = Literal["numpy", "torch"]


def checked_output(name: str) -> str:
    """Raises ConfigError for an unknown one."""
    if name not in get_args(Output):
        raise ConfigError(
            f"output to be one of {list(get_args(Output))}", repr(name), "Choose one of them."
        )
    return name


def to_tensors(batch: Any, device: torch.device) -> Any:
    """An array, or a dict of them, as tensors; on a CPU they are the same memory."""
    if isinstance(batch, dict):
        return {name: to_tensors(part, device) for name, part in batch.items()}
    return torch.from_numpy(batch).to(device)


def to_arrays(actions: Any) -> Any:
    """A tensor, or a dict of them, as arrays; what is none stays as it is."""
    if isinstance(actions, dict):
        return {name: to_arrays(part) for name, part in actions.items()}
    return actions.numpy(force=True) if isinstance(actions, Tensor) else actions
