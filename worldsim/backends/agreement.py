"""How far two denoisers' predictions lie apart."""

from __future__ import annotations

from worldsim.backends.denoiser import Denoiser
from worldsim.backends.onnx_graph import OUTPUTS, example_inputs, flat
from worldsim.errors import BackendError
from worldsim.model.presets import ModelConfig
from worldsim.model.world_model import Prediction

LIMIT = 1e-3


def differences(ours: Prediction, theirs: Prediction) -> dict[str, float]:
    """The largest difference of each output, as a share of its largest value, or of 1 if smaller.

    Tokens and keys of a trained model reach thousands, where float32 is no finer than 1e-4.
    """
    pairs = zip(OUTPUTS, flat(ours), flat(theirs), strict=True)
    return {
        name: ((a.float() - b.float()).abs().max() / b.float().abs().max().clamp(min=1.0)).item()
        for name, a, b in pairs
    }


def require_agreement(ours: Denoiser, theirs: Denoiser, config: ModelConfig) -> dict[str, float]:
    """The differences on random inputs. Raises BackendError if one exceeds LIMIT."""
    inputs = example_inputs(config)
    found = differences(ours(*inputs), theirs(*inputs))
    if not all(each <= LIMIT for each in found.values()):
        raise BackendError(
            f"{ours.name} to agree with {theirs.name} within {LIMIT:g}",
            ", ".join(f"{name} {each:.1e}" for name, each in found.items()),
            "Use --backend torch, and tell us the versions that `worldsim doctor` prints.",
        )
    return found
