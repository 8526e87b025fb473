"""How fast the block world is drawn: `python -m worldsim.tools.bench_render`.

Prints the machine, versions and commit, then median and 90th percentile of the time per frame.
Before it measures, it checks that the renderer draws the same picture as the torch reference.
"""

from __future__ import annotations

import platform
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro
from rich.console import Console
from rich.table import Table

from worldsim.camera import Intrinsics
from worldsim.envs.blocks.renderers.frames import DEFAULT_DAY, Frames, Renderer
from worldsim.envs.blocks.renderers.gl import GLRenderer
from worldsim.envs.blocks.renderers.torch_renderer import TorchRenderer
from worldsim.envs.blocks.renderers.volume import make_volume
from worldsim.envs.blocks.voxels import VoxelWindow
from worldsim.envs.blocks.world import SCENES, BlockWorld
from worldsim.errors import BackendError, ConfigError
from worldsim.types import Action, Pose


@dataclass(frozen=True, kw_only=True)
class BenchRenderConfig:
    """What to measure."""

    renderers: tuple[str, ...] = ("gl", "torch")
    batches: tuple[int, ...] = (1, 16)
    supersamples: tuple[int, ...] = (2, 1)
    frames: int = 160  # of each measurement on gl; a tenth of that on torch
    width: int = 128
    height: int = 80

    def __post_init__(self) -> None:
        if self.frames < 20 or not set(self.renderers) <= {"gl", "torch"}:
            raise ConfigError(
                "at least 20 frames, and renderers gl or torch",
                f"{self.frames} frames, {self.renderers}",
                "Correct the settings.",
            )


@dataclass(frozen=True)
class _Views:
    windows: list[VoxelWindow]
    poses: list[Pose]

    def render(self, renderer: Renderer, start: int, count: int, camera: Intrinsics) -> Frames:
        picked = [(start + i) % len(self.poses) for i in range(count)]
        windows = [self.windows[i] for i in picked]
        poses = [self.poses[i] for i in picked]
        return renderer.render(windows, poses, [DEFAULT_DAY] * count, camera)


def main(argv: Sequence[str] | None = None) -> int:
    config = tyro.cli(BenchRenderConfig, args=argv, description=__doc__)
    console = Console()
    console.print(_machine())
    views, camera = _views(), Intrinsics(width=config.width, height=config.height)
    table = Table("renderer", "rays/pixel", "batch", "median ms", "p90 ms", "frames/s")
    for name in config.renderers:
        for supersample in config.supersamples:
            renderer = _make(name, supersample)
            _require_the_same_picture(renderer, views, camera, supersample)
            for batch in config.batches:
                total = config.frames if name == "gl" else max(config.frames // 10, batch)
                median, p90 = _frame_ms(renderer, views, camera, batch, total)
                row = (f"{median:.2f}", f"{p90:.2f}", f"{1000 / median:.0f}")
                table.add_row(name, str(supersample**2), str(batch), *row)
            renderer.close()
    console.print(table)
    console.print(f"a new window is prepared in {_volume_ms(views):.1f} ms")
    return 0


def _views() -> _Views:
    """Places along short walks in every scene."""
    windows, poses = [], []
    for scene in SCENES:
        world = BlockWorld()
        world.prepare(seed=11, scene=scene)
        for _ in range(4):
            for _ in range(6):
                world.advance(Action(forward=True, yaw_deg=4.0))
            poses.append(world.pose)
            windows.append(world.voxels.window(world.pose.x, world.pose.z))
    return _Views(windows, poses)


def _make(name: str, supersample: int) -> Renderer:
    if name == "gl":
        return GLRenderer(supersample=supersample)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return TorchRenderer(device, supersample=supersample)


def _require_the_same_picture(
    renderer: Renderer, views: _Views, camera: Intrinsics, supersample: int
) -> None:
    """A number from a renderer that draws something else is worth nothing."""
    reference = TorchRenderer("cpu", supersample=supersample)
    ours, theirs = (views.render(each, 0, 2, camera) for each in (renderer, reference))
    difference = np.abs(ours.rgb.astype(int) - theirs.rgb).mean()
    same_depth = (np.abs(ours.depth - theirs.depth) < 0.01).mean()
    if difference >= 2.0 or same_depth <= 0.99:
        raise BackendError(
            "the picture of the torch reference",
            f"a difference of {difference:.1f} levels, {same_depth:.1%} of depths equal",
            "Run tests/test_renderers.py on this machine before measuring.",
        )


def _frame_ms(
    renderer: Renderer, views: _Views, camera: Intrinsics, batch: int, total: int
) -> tuple[float, float]:  # median and 90th percentile
    views.render(renderer, 0, batch, camera)
    times = []
    for start in range(0, max(total, 3 * batch), batch):
        begin = time.perf_counter()
        views.render(renderer, start, batch, camera)
        times.append((time.perf_counter() - begin) * 1000 / batch)
    return float(np.median(times)), float(np.percentile(times, 90))


def _volume_ms(views: _Views) -> float:
    times = []
    for window in views.windows:
        begin = time.perf_counter()
        make_volume(window)
        times.append((time.perf_counter() - begin) * 1000)
    return float(np.median(times))


def _machine() -> str:
    """One line: what was measured, and where."""
    here = Path(__file__).parent
    git = ["git", "-C", str(here), "rev-parse", "--short", "HEAD"]
    try:
        commit = subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        commit = "unknown"
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    system = f"{platform.system()} {platform.machine()}, {torch.get_num_threads()} threads, {gpu}"
    versions = f"python {platform.python_version()}, torch {torch.__version__}"
    return f"{system}; {versions}; commit {commit}"


if __name__ == "__main__":
    raise SystemExit(main())
