"""Whether ONNX Runtime and the exporter are installed, and ONNX Runtime only once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from importlib import metadata
from importlib.util import find_spec

from worldsim.errors import BackendError

RUNTIMES = ("onnxruntime", "onnxruntime-gpu")
EXPORTERS = ("onnx", "onnxscript")
INSTALL = 'pip install "worldsim-engine[onnx]"'
INSTALL_GPU = 'pip uninstall -y onnxruntime, then pip install "worldsim-engine[onnx-gpu]"'
CLASH_REMEDY = "pip uninstall -y onnxruntime onnxruntime-gpu, then install the one you want"

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


def installed(names: Iterable[str]) -> dict[str, str]:
    """The installed ones among these distributions, with their versions."""
    return {
        found.name: found.version for name in names for found in metadata.distributions(name=name)
    }


def require_runtime(found: Mapping[str, str]) -> None:
    """Raise BackendError unless ONNX Runtime is installed exactly once.

    Both distributions install one module; together the graphics card is not found.
    """
    if not found:
        raise BackendError("ONNX Runtime to be installed", "no onnxruntime", INSTALL)
    if len(found) > 1:
        both = " and ".join(f"{name} {version}" for name, version in found.items())
        raise BackendError(f"one of {' and '.join(RUNTIMES)}", both, CLASH_REMEDY)


def require_provider(device: str, available: Collection[str]) -> str:
    """ONNX Runtime's name for "cpu" or "cuda". Raises BackendError if this build cannot use it."""
    provider = PROVIDERS[device]
    if provider not in available:
        raise BackendError(
            f"ONNX Runtime for {device}", f"one for {', '.join(available)}", INSTALL_GPU
        )
    return provider


def require_exporter() -> None:
    """Raise BackendError unless torch can export to ONNX."""
    missing = [name for name in EXPORTERS if find_spec(name) is None]
    if missing:
        raise BackendError("the ONNX exporter", f"no {' and no '.join(missing)}", INSTALL)
