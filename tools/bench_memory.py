"""Times memory: retrieval in banks of 1,000 and 100,000 keyframes, snapshots, reprojection.

Run as `python -m worldsim.tools.bench_memory`. Prints median and p90 in milliseconds; the numbers
mean something only on an idle machine, so the load is printed beside them.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from worldsim.camera import Intrinsics, pose_matrices
from worldsim.memory.bank import BankConfig, MemoryBank
from worldsim.memory.reproject import Sources, reproject
from worldsim.types import SKY_DEPTH_M, Pose

EYE_M = 1.6


@dataclass(frozen=True, kw_only=True)
class BenchConfig:
    """What is timed."""

    keyframes: tuple[int, ...] = (1_000, 4_000, 100_000)
    queries: int = 200
    threads: int = 2
    seed: int = 0


def ground_depth(pose: Pose, intrinsics: Intrinsics) -> NDArray[np.float32]:  # [H, W] metres
    """A flat, endless ground below the eye, and the sky above it."""
    row = (np.arange(intrinsics.height) + 0.5 - intrinsics.height / 2) / intrinsics.focal_px
    pitch = np.radians(pose.pitch_deg)
    down = row * np.cos(pitch) + np.sin(pitch)
    depth = np.where(down > 1e-2, pose.y / np.maximum(down, 1e-2), SKY_DEPTH_M)
    return np.repeat(depth.astype(np.float32)[:, None], intrinsics.width, axis=1)


def walk(count: int, seed: int) -> list[Pose]:
    """A random walk that wanders off and turns now and then."""
    rng = np.random.default_rng(seed)
    yaw = np.cumsum(rng.normal(0, 20, count))
    x = np.cumsum(np.sin(np.radians(yaw)))
    z = np.cumsum(-np.cos(np.radians(yaw)))
    pitch = rng.uniform(0, 30, count)
    return [Pose(*row) for row in np.stack((x, np.full(count, EYE_M), z, yaw, pitch), 1).tolist()]


def filled_bank(count: int, seed: int, intrinsics: Intrinsics) -> tuple[MemoryBank, list[Pose]]:
    """A bank that admits everything."""
    config = BankConfig(max_bytes=10**12, novelty=0.0, min_gap=1)
    bank = MemoryBank(intrinsics, config)
    poses = walk(count, seed)
    black = np.zeros((intrinsics.height, intrinsics.width, 3), np.uint8)
    for frame, pose in enumerate(poses):
        bank.insert(black, ground_depth(pose, intrinsics), pose, frame)
    return bank, poses


def timed(call: Callable[[int], object], repeats: int) -> tuple[float, float]:
    """Median and p90 of some calls, in milliseconds."""
    spent = []
    for i in range(repeats):
        start = time.perf_counter()
        call(i)
        spent.append((time.perf_counter() - start) * 1e3)
    median, p90 = np.percentile(spent, (50, 90))
    return float(median), float(p90)


def random_sources(batch: int, count: int, intrinsics: Intrinsics) -> tuple[Sources, torch.Tensor]:
    """Views of the flat ground from a short walk, and the pose that comes after it."""
    poses = walk(count + 1, seed=1)
    depth = np.stack([ground_depth(pose, intrinsics) for pose in poses[:count]])
    matrices = torch.from_numpy(pose_matrices(poses)).repeat(batch, 1, 1, 1)
    sources = Sources(
        torch.rand(batch, count, 3, intrinsics.height, intrinsics.width) * 2 - 1,
        torch.from_numpy(depth).repeat(batch, 1, 1, 1),
        matrices[:, :count].contiguous(),
        torch.ones(batch, count),
        torch.arange(count, 0, -1.0).repeat(batch, 1),
        torch.ones(batch, count, dtype=torch.bool),
    )
    return sources, matrices[:, count].contiguous()


def bank_rows(
    count: int, config: BenchConfig, intrinsics: Intrinsics
) -> list[tuple[str, tuple[float, float]]]:
    bank, poses = filled_bank(count, config.seed, intrinsics)
    queries = [poses[i] for i in np.random.default_rng(1).integers(0, count, config.queries)]
    state = bank.snapshot()
    return [
        (
            f"retrieve 4 of {count:,}",
            timed(lambda i: bank.retrieve(queries[i], count=4), config.queries),
        ),
        (f"snapshot {count:,}", timed(lambda _: bank.snapshot(), 20)),
        (f"restore {count:,}", timed(lambda _: bank.restore(state), 20)),
    ]


def reproject_row(
    batch: int, count: int, repeats: int, intrinsics: Intrinsics
) -> tuple[str, tuple[float, float]]:
    sources, target = random_sources(batch, count, intrinsics)
    spent = timed(lambda _: reproject(sources, target, intrinsics), repeats)
    return f"reproject B={batch} K={count}", spent


def main(config: BenchConfig) -> None:
    torch.set_num_threads(config.threads)
    intrinsics = Intrinsics()
    table = Table("what", "median ms", "p90 ms")
    rows = [reproject_row(1, 5, 50, intrinsics), reproject_row(32, 4, 5, intrinsics)]
    for count in config.keyframes:
        rows += bank_rows(count, config, intrinsics)
    for name, (median, p90) in rows:
        table.add_row(name, f"{median:.2f}", f"{p90:.2f}")
    load = os.getloadavg()[0]
    about = f"{platform.processor() or platform.machine()}, torch {torch.__version__}"
    Console().print(f"{about}, {config.threads} threads, load {load:.1f}", table)


if __name__ == "__main__":
    main(tyro.cli(BenchConfig))
