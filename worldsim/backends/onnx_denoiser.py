"""The denoising pass by ONNX Runtime: tensors of any device in, tensors of that device out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worldsim.backends.installation import RUNTIMES, installed, require_provider, require_runtime
from worldsim.backends.onnx_graph import INPUTS, OUTPUTS, tensors_of
from worldsim.model.presets import ModelConfig
from worldsim.model.trunk import Context, FrameKV
from worldsim.model.world_model import FrameInputs, Prediction

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


class OnnxDenoiser:
    """A session over an exported graph; what it returns is float32.

    On a graphics card, inputs and outputs travel through the processor's memory.

    Raises:
        BackendError: if ONNX Runtime is missing, installed twice, or not made for the device.
    """

    name = "onnx"

    def __init__(self, graph: Path, config: ModelConfig, device: torch.device) -> None:
        self._session = open_session(graph, device)
        self._config = config
        self._device = device

    def __call__(self, frames: FrameInputs, context: Context | None, /) -> Prediction:
        worlds, count = frames.sigma.shape
        assert count == 1, "the graph is of one frame"
        context = context or empty_context(self._config, worlds)
        arrays = map(_to_numpy, (*tensors_of(frames), *tensors_of(context)))
        outputs = self._session.run(list(OUTPUTS), dict(zip(INPUTS, arrays, strict=True)))
        clean, tokens, keys, values = (torch.from_numpy(each).to(self._device) for each in outputs)
        return Prediction(clean, tokens, FrameKV(keys, values))


def provider_for(device: torch.device) -> str:
    """What ONNX Runtime calls the device. Raises BackendError if it is missing or cannot use it."""
    require_runtime(installed(RUNTIMES))
    import onnxruntime

    return require_provider(device.type, onnxruntime.get_available_providers())


def open_session(graph: Path, device: torch.device) -> InferenceSession:
    """A session with as many threads as torch uses.

    Its threads do not spin while they wait: the rest of a tick and the display need the cores.
    """
    provider = provider_for(device)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(graph, options, providers=[provider])


def empty_context(config: ModelConfig, worlds: int) -> Context:
    keys = torch.zeros(config.depth, worlds, 0, config.heads, config.head_dim)
    return Context(keys, keys, torch.zeros(worlds, 0, dtype=torch.bool))


def _to_numpy(tensor: Tensor) -> NDArray[np.generic]:
    """bool as it is, every number as float32."""
    plain = tensor if tensor.dtype == torch.bool else tensor.float()
    array: NDArray[np.generic] = plain.contiguous().cpu().numpy()
    return array
