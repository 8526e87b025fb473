"""`worldsim replay`: run an episode's actions again and compare every frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from tyro.conf import Positional

from worldsim.errors import CheckpointError, EpisodeError
from worldsim.record.episode import Episode
from worldsim.record.format import WorldInfo, frame_hash, software_versions
from worldsim.record.worlds import (
    BackendName,
    MakeWorld,
    MemoryMode,
    RendererName,
    SceneWorld,
    WorldConfig,
    WorldKind,
    make_world,
)
from worldsim.types import TICK_HZ


@dataclass(frozen=True, kw_only=True)
class ReplayConfig:
    """Run a recorded episode again in the same world and verify every frame, bit for bit."""

    episode: Positional[Path]
    """The folder that `worldsim record` wrote."""
    allow_other_weights: bool = False
    """Replay even if the dream's weights, or the version of the real world, have changed."""
    device: str = "auto"
    """Where the dream runs."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The first frame that came out differently."""

    frame: int
    recorded_hash: str
    replayed_hash: str
    replayed: NDArray[np.uint8]  # [H, W, 3]


def run(config: ReplayConfig, *, make: MakeWorld = make_world) -> int:
    """Exit code 0 if every frame agrees, 1 at the first that does not.

    Raises EpisodeError if the episode cannot be replayed, CheckpointError if the weights
    differ from the recorded ones and that is not allowed.
    """
    episode = Episode.open(config.episode)
    require_start(episode)
    made = make(recorded_world(episode.info.world, config.device))
    try:
        if not config.allow_other_weights:
            require_version(episode, made.info)
        mismatch = _verify(made.world, episode)
    finally:
        made.world.close()
    console = Console()
    if mismatch is None:
        console.print(f"all {len(episode)} frames of {config.episode} agree", soft_wrap=True)
        return 0
    console.print(describe(mismatch, episode), soft_wrap=True)
    return 1


def find_mismatch(world: SceneWorld, episode: Episode) -> Iterator[Mismatch | None]:
    """Replay frame by frame: None for each that agrees; ends after the first that does not."""
    info = episode.info.world
    seen = world.reset(seed=info.seed, scene=info.scene)
    for tick in episode.ticks:
        now = frame_hash(seen.rgb)
        if now != tick.frame_hash:
            yield Mismatch(tick.tick, tick.frame_hash, now, seen.rgb.copy())
            return
        yield None
        if tick.action is not None:
            seen = world.step(tick.action).observation


def describe(mismatch: Mismatch, episode: Episode) -> str:
    """How far the first differing frame is off, and what may be the cause."""
    n = mismatch.frame
    recorded = next(episode.frames(n, n + 1)).astype(np.int16)
    off = float(np.abs(recorded - mismatch.replayed).mean())
    lines = [
        f"frame {n} of {len(episode)} ({n / TICK_HZ:.2f} s) is the first that differs: "
        f"hash {mismatch.recorded_hash} recorded, {mismatch.replayed_hash} replayed.",
        f"It is {off:.1f} of 255 levels off the recorded video on average "
        "(compression alone: below 1 in yuv444p, a few in yuv420p).",
    ]
    now = software_versions()
    changed = [
        f"{name} {then} then, {now.get(name, 'none')} now"
        for name, then in episode.info.software.items()
        if now.get(name) != then
    ]
    lines.append("Changed since: " + "; ".join(changed) if changed else "Same software versions.")
    return "\n".join(lines)


def _verify(world: SceneWorld, episode: Episode) -> Mismatch | None:
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("replaying", total=len(episode))
        for mismatch in find_mismatch(world, episode):
            if mismatch is not None:
                return mismatch
            progress.advance(bar)
    return None


def recorded_world(info: WorldInfo, device: str) -> WorldConfig:
    """The options of the world that an episode was recorded in."""
    fallback = WorldConfig()
    return WorldConfig(
        kind=cast(WorldKind, info.kind),
        checkpoint=info.checkpoint or fallback.checkpoint,
        steps=info.steps or fallback.steps,
        memory=cast(MemoryMode, info.memory or fallback.memory),
        backend=cast(BackendName, info.backend or fallback.backend),
        renderer=cast(RendererName, info.renderer or fallback.renderer),
        device=device,
    )


def require_start(episode: Episode) -> None:
    """EpisodeError unless the episode begins where a world can be put again."""
    if not episode.ticks:
        raise EpisodeError(
            f"frames in {episode.folder}", "none", "The recorder was killed at once; record again."
        )
    if episode.info.world.seed is None:
        raise EpisodeError(
            f"{episode.folder} to begin at a reset to a seed",
            "a recording that began in the middle of a session, or in a picture",
            "Only recordings with a seed can be replayed.",
        )


def require_version(episode: Episode, present: WorldInfo) -> None:
    """CheckpointError or EpisodeError unless the world at hand is the recorded one."""
    recorded = episode.info.world
    if recorded.version == present.version:
        return
    if recorded.kind == "dream":
        raise CheckpointError(
            f"the weights it was recorded with, hash {recorded.version}",
            f"checkpoint {recorded.checkpoint!r} with hash {present.version}",
            "Restore that checkpoint, or pass --allow-other-weights.",
        )
    recorder = episode.info.software.get("worldsim", "that recorded it")
    raise EpisodeError(
        f"the real world of version {recorded.version}",
        f"version {present.version}",
        f"Install worldsim {recorder}, or pass --allow-other-weights.",
    )
