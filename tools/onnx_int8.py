"""An exported graph with the convolutions of its stages in 8 bits, by ONNX Runtime's quantiser.

Weights are scaled per output channel, activations per tensor, by the extremes that occur after the
true frames of the shipped scenes. The first and the last convolution, which touch the picture, and
the transformer stay in float32. On x86 processors without VNNI, sums of 8-bit products saturate.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from worldsim.backends.denoiser import Denoiser, TorchDenoiser
from worldsim.backends.onnx_graph import INPUTS, tensors_of
from worldsim.engine.engine import WorldEngine
from worldsim.engine.start import scene_names
from worldsim.errors import ConfigError
from worldsim.memory.retrieve import MemoryMode
from worldsim.model.checkpoint import Checkpoint
from worldsim.model.trunk import Context
from worldsim.model.world_model import FrameInputs, Prediction
from worldsim.types import Action

STAGES = tuple(f"model.{name}." for name in ("down_stages", "downs", "up_stages", "ups"))
DREAMED = (Action(forward=True), Action(forward=True, yaw_deg=8.0), Action(pitch_deg=6.0))

Feeds = dict[str, NDArray[np.generic]]


class Recorder:
    """A denoiser that keeps what it was given, as a graph's inputs."""

    def __init__(self, denoiser: Denoiser) -> None:
        self.name = denoiser.name
        self.passes: list[Feeds] = []
        self._denoiser = denoiser

    def __call__(self, frames: FrameInputs, context: Context | None, /) -> Prediction:
        if context is not None:
            tensors = (*tensors_of(frames), *tensors_of(context))
            self.passes.append({n: t.numpy() for n, t in zip(INPUTS, tensors, strict=True)})
        return self._denoiser(frames, context)


class Reader:
    """Passes, one by one, as the quantiser asks for them."""

    def __init__(self, passes: list[Feeds]) -> None:
        self._rest = iter(passes)

    def get_next(self) -> Feeds | None:
        return next(self._rest, None)


@torch.inference_mode()
def recorded_passes(checkpoint: Checkpoint) -> list[Feeds]:
    """What the model is given while it is shown each scene's true frames and dreams on a little."""
    recorder = Recorder(TorchDenoiser(checkpoint.model))
    engine = WorldEngine(
        checkpoint,
        device=torch.device("cpu"),
        levels=checkpoint.model.config.sample_levels,
        memory=MemoryMode.FULL,
        denoiser=recorder,
    )
    for scene in scene_names():
        engine.reset(scene=scene)
        for action in DREAMED:
            engine.step(action)
    return recorder.passes


def quantise(graph: Path, quantised: Path, passes: list[Feeds]) -> None:
    """Write the graph with its stages in 8 bits, calibrated by some passes.

    Raises ConfigError if the model has no convolutional stages.
    """
    from onnxruntime.quantization import QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    inferred = quantised.with_suffix(".inferred.onnx")
    quant_pre_process(graph, inferred, skip_symbolic_shape=True)
    quantize_static(
        inferred,
        quantised,
        Reader(passes),
        op_types_to_quantize=["Conv"],
        nodes_to_quantize=stage_convolutions(inferred),
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    inferred.unlink()


def stage_convolutions(graph: Path) -> list[str]:
    """The names of the nodes whose weights belong to the convolutional stages."""
    import onnx

    nodes = onnx.load(graph, load_external_data=False).graph.node
    found = [n.name for n in nodes if n.op_type == "Conv" and n.input[1].startswith(STAGES)]
    if not found:
        raise ConfigError("a model with convolutional stages", "one without", "Leave out --int8.")
    return found
