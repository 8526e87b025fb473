"""What holds for every test: which copy of worldsim is tested, and how hypothesis runs."""

from __future__ import annotations

import filecmp
import os
from pathlib import Path

import hypothesis
import pytest
import torch

import worldsim
from worldsim.types import Observation

# Tests are small: two threads would stall one another whenever the cores are busy.
os.environ.setdefault("OMP_NUM_THREADS", "1")  # for processes that tests start
torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # before anything imports triton

ROOT = Path(__file__).parents[1]
FOLDERS = {"worldsim": ".", "kernels": "kernels", "envs": "envs", "tools": "tools"}

hypothesis.settings.register_profile(
    "worldsim", deadline=None, derandomize=True, max_examples=50, database=None
)
hypothesis.settings.load_profile("worldsim")


def pytest_sessionstart() -> None:
    """Refuse to test an installed copy that is not the code beside these tests."""
    installed = Path(worldsim.__file__).parent
    if installed.parent == ROOT:
        return
    stale = [
        str(source.relative_to(ROOT))
        for folder, inside in FOLDERS.items()
        for source in sorted((ROOT / folder).rglob("*.py"))
        if not _same(source, installed / inside / source.relative_to(ROOT / folder))
    ]
    if stale:
        pytest.exit(
            f"expected the installed worldsim to be this checkout's; got {installed}, where "
            f"{len(stale)} files differ, among them {stale[0]}. "
            'Run `pip install ".[dev]"` again, or `pip install -e ".[dev]"` once.',
            returncode=pytest.ExitCode.USAGE_ERROR,
        )


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the smallest preset, untrained, whose dreams are quick and repeatable."""
    import torch

    from worldsim.model.checkpoint import save_checkpoint
    from worldsim.model.presets import preset
    from worldsim.model.world_model import WorldModel

    folder = tmp_path_factory.mktemp("tiny")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_checkpoint(WorldModel(preset("tiny")), folder, training={})
    return folder


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Observation]]:
    """An episode of a plane world, and what was seen; tests damage only copies of it."""
    from recordings import record

    folder = tmp_path_factory.mktemp("recorded") / "episode_00000"
    return folder, record(folder)


@pytest.fixture(scope="session")
def recorded_vpt(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Observation]]:
    """The same walk as VPT's pair of files, of which this is the lines."""
    from recordings import record_vpt

    path = tmp_path_factory.mktemp("vpt") / "player-1.jsonl"
    return path, record_vpt(path)


def _same(source: Path, installed: Path) -> bool:
    return installed.is_file() and filecmp.cmp(source, installed, shallow=False)


@pytest.fixture
def noise_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights dream specks, which memory would turn away."""
    monkeypatch.setattr("worldsim.engine.dream_world.is_torn", lambda _: False)
