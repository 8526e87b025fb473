"""What needs nobody else's package, but belongs to the list."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

import worldsim
from worldsim.errors import BackendError
from worldsim.types import Action


def weights_round_trip(folder: Path) -> str:
    """The default weights, saved to a folder and loaded from it, dream the same, offline."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    from worldsim.engine.engine import WorldEngine
    from worldsim.model.checkpoint import load_checkpoint, save_checkpoint

    loaded = load_checkpoint("default")
    save_checkpoint(loaded.model, folder / "copy", training=loaded.training)
    frames = []
    for place in ("default", folder / "copy"):
        engine = WorldEngine.from_pretrained(place, device="cpu")
        engine.reset(scene="meadow", seed=0)
        frames.append(engine.step(Action(forward=True)).observation.rgb)
    ours, theirs = frames
    assert np.array_equal(ours, theirs), "the copy dreams otherwise"
    return f"{sum(p.numel() for p in loaded.model.parameters()) / 1e6:.1f} M parameters"


def virtual_gamepad(_: Path) -> str:
    """A gamepad that SDL invents plays the whole game: the checkout's test of it."""
    test = Path(worldsim.__file__).parents[1] / "tests" / "test_pads.py"
    if not test.exists():
        raise BackendError("a checkout with tests", str(test.parent), "Clone the repository.")
    command = [sys.executable, "-m", "pytest", str(test)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=test.parents[1], check=False)
    last = done.stdout.strip().splitlines()[-1]
    assert done.returncode == 0, done.stdout
    return last
