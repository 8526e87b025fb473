"""Who runs a kernel: Triton, or the reference in plain torch."""

from __future__ import annotations

import logging
from typing import Literal

import torch

from worldsim.errors import BackendError

try:
    import triton
    import triton.language as tl
except ImportError:  # the reference serves machines without Triton
    triton = tl = None

__all__ = ["Implementation", "tl", "triton", "use_triton"]

Implementation = Literal["auto", "torch", "triton"]
_log = logging.getLogger(__name__)


def use_triton(kernel: str, device: torch.device, implementation: Implementation) -> bool:
    """The one place that decides who runs the kernel of this name, and logs it.

    Raises BackendError where Triton is asked for and is not installed.
    """
    if implementation == "triton" and triton is None:
        raise BackendError("Triton to be installed", "no module triton", "pip install triton")
    chosen = implementation == "triton"
    if implementation == "auto":
        chosen = triton is not None and device.type == "cuda"
    _log.debug("%s: %s on %s (%s)", kernel, "triton" if chosen else "torch", device, implementation)
    return chosen
