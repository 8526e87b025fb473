"""How close an exported graph comes to torch: passes side by side, and dreams side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from worldsim.backends.agreement import LIMIT, differences
from worldsim.backends.denoiser import Denoiser, TorchDenoiser
from worldsim.backends.onnx_graph import OUTPUTS, example_inputs
from worldsim.engine.engine import WorldEngine
from worldsim.errors import BackendError
from worldsim.evaluate.metrics import psnr
from worldsim.memory.retrieve import MemoryMode
from worldsim.model.checkpoint import Checkpoint
from worldsim.model.trunk import Context
from worldsim.model.world_model import FrameInputs, Prediction
from worldsim.types import Action

EQUAL_DB = 99.0  # told of equal pictures, whose PSNR is infinite
RANDOM_PASSES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """Largest differences of each output (see `differences`), and of two dreams of one walk."""

    random: dict[str, float]
    dreamed: dict[str, float]
    frames: int
    first_psnr_db: float  # of the first dreamed frame
    mean_psnr_db: float
    worst_psnr_db: float
    first_levels: int  # largest difference of the first dreamed frame, of 255

    def require(self) -> None:
        """Raise BackendError if one pass differs by more than LIMIT."""
        worst = max(*self.random.values(), *self.dreamed.values())
        if not worst <= LIMIT:
            raise BackendError(
                f"the graph to agree with torch within {LIMIT:g}",
                f"a difference of {worst:.1e}",
                "Do not use it: export with another version of torch and onnxscript.",
            )


class Witness:
    """A denoiser that compares another one's predictions with those it returns."""

    def __init__(self, denoiser: Denoiser, other: Denoiser) -> None:
        self.name = denoiser.name
        self.worst = dict.fromkeys(OUTPUTS, 0.0)
        self._denoiser, self._other = denoiser, other

    def __call__(self, frames: FrameInputs, context: Context | None, /) -> Prediction:
        prediction = self._denoiser(frames, context)
        for name, found in differences(self._other(frames, context), prediction).items():
            self.worst[name] = max(self.worst[name], found)
        return prediction


@torch.inference_mode()
def compare(checkpoint: Checkpoint, graph: Denoiser, actions: Sequence[Action]) -> Parity:
    """Compare a graph with its model in float32 on the processor.

    On random inputs, on those of a dreamed walk from the default scene, and by that walk itself.
    """
    config = checkpoint.model.config
    random = Witness(TorchDenoiser(checkpoint.model), graph)
    for seed in range(RANDOM_PASSES):
        random(*example_inputs(config, seed=seed))
    dreamed = Witness(TorchDenoiser(checkpoint.model), graph)
    ours, theirs = (dream(checkpoint, each, actions) for each in (graph, dreamed))
    likeness_db = [min(psnr(a, b), EQUAL_DB) for a, b in zip(ours, theirs, strict=True)]
    return Parity(
        random=random.worst,
        dreamed=dreamed.worst,
        frames=len(actions),
        first_psnr_db=likeness_db[0],
        mean_psnr_db=float(np.mean(likeness_db)),
        worst_psnr_db=min(likeness_db),
        first_levels=int(np.abs(ours[0].astype(int) - theirs[0]).max()),
    )


def dream(
    checkpoint: Checkpoint, denoiser: Denoiser, actions: Sequence[Action]
) -> list[NDArray[np.uint8]]:  # each [H, W, 3]
    """The frames of a walk from the default scene."""
    engine = WorldEngine(
        checkpoint,
        device=torch.device("cpu"),
        levels=checkpoint.model.config.sample_levels,
        memory=MemoryMode.FULL,
        denoiser=denoiser,
    )
    engine.reset()
    return [engine.step(action).observation.rgb for action in actions]
