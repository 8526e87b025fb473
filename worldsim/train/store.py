"""Training state on disk: written atomically, resumed, loaded without pickled code."""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from worldsim.errors import CheckpointError
from worldsim.model.checkpoint import with_all_parts
from worldsim.record.output import replace_file
from worldsim.train.data import Episode
from worldsim.train.ema import Ema

STATE_NAME = "state.pt"


@dataclass(slots=True)
class Progress:
    """How far a run has come."""

    step: int = 0
    seconds: float = 0.0


def save_state(
    folder: Path,
    model: nn.Module,
    ema: Ema[Any],
    optimizers: list[torch.optim.Optimizer],
    progress: Progress,
) -> None:
    """Replace the folder's state in one rename: a kill leaves the old one or the new one."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{STATE_NAME}.part"
    state = {
        "model": model.state_dict(),
        "ema": ema.model.state_dict(),
        "ema_updates": ema.updates,
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
        "progress": asdict(progress),
    }
    torch.save(state, part)
    part.replace(folder / STATE_NAME)


def save_divergence(path: Path, figures: dict[str, float], drawn: Sequence[Episode]) -> None:
    """Write down what a step that failed was made of. Figures as text, for JSON knows no nan."""
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {
        **{name: f"{value:g}" for name, value in figures.items()},
        "episodes": [asdict(episode.origin) for episode in drawn],
    }
    replace_file(path, (json.dumps(record, indent=2) + "\n").encode())


def load_state(
    folder: Path,
    model: nn.Module,
    ema: Ema[Any],
    optimizers: list[torch.optim.Optimizer],
) -> Progress | None:
    """Fill model, average and optimizers from a folder; None if it holds no state yet.

    A state from before there was an event head leaves the model's own as it is.
    """
    path = folder / STATE_NAME
    if not path.is_file():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        model.load_state_dict(with_all_parts(state["model"], model.state_dict()))
        ema.model.load_state_dict(with_all_parts(state["ema"], ema.model.state_dict()))
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
    except (RuntimeError, ValueError, KeyError, EOFError, pickle.UnpicklingError) as error:
        raise CheckpointError(
            "a training state of the same preset",
            f"{path}: {error}",
            "Choose another --out, or delete the folder to start again.",
        ) from error
    ema.updates = int(state["ema_updates"])
    return Progress(**state["progress"])
