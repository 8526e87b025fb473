"""Episodes made by worker processes, kept in a bounded pool; rendered ones are never stored."""

from __future__ import annotations

import multiprocessing as mp
import os
import queue
import signal
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from functools import cached_property
from itertools import islice, pairwise
from multiprocessing.queues import Queue
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from worldsim.actions import to_vector
from worldsim.camera import Intrinsics, pose_matrices
from worldsim.envs.blocks.events import Happened, advance_watched
from worldsim.envs.blocks.physics import Body
from worldsim.envs.blocks.seeker import seek, strew_gems
from worldsim.envs.blocks.spawn import find_afar
from worldsim.envs.blocks.world import BlockWorld
from worldsim.errors import ConfigError, WorldsimError
from worldsim.model.heads import EVENTS
from worldsim.train.behaviour import behave
from worldsim.types import Action, Observation, Pose

MAX_TRAINING_SEED = 1_000_000  # suites use 5,000,000 and up
MOST_UNDRAWN = 60  # ticks that a seeker is on the way before its episode begins
HELD_OUT_TICKS = 63  # of the walks that training never sees
AFAR_M = (80.0, 500.0)  # from the origin: out of sight of the beacon


@dataclass(frozen=True, slots=True)
class Origin:
    """What an episode was made of: a seed of the block world, or frames of a recording."""

    seed: int | None = None
    file: str | None = None
    first_frame: int = 0  # of the file


@dataclass(frozen=True, slots=True)
class Dream:
    """What a model dreamed along an episode's path, after being shown its first frames."""

    rgb: NDArray[np.uint8]  # [T+1, H, W, 3] the first `real` frames are the true ones
    depth: NDArray[np.float16]  # [T+1, H, W] metres
    witnessed: NDArray[np.bool_]  # [T+1, H, W] true surfaces that the first frames had shown
    real: int


@dataclass(frozen=True)
class Episode:
    """T+1 frames and T actions of one walk in a true world, and what was dreamed of it."""

    rgb: NDArray[np.uint8]  # [T+1, H, W, 3]
    depth: NDArray[np.float16]  # [T+1, H, W] metres
    poses: tuple[Pose, ...]  # T+1
    actions: NDArray[np.float32]  # [T, VECTOR_SIZE]
    moves: NDArray[np.float32]  # [T, 3] metres right, up, forward of the yaw after the action
    dream: Dream | None = None
    origin: Origin = Origin()
    events: NDArray[np.bool_] | None = None  # [T, len(EVENTS)] of each action; None is none at all

    def __len__(self) -> int:
        return len(self.rgb)

    @cached_property
    def world_from_camera(self) -> NDArray[np.float32]:  # [T+1, 4, 4]
        return pose_matrices(self.poses)

    @cached_property
    def pitch_deg(self) -> NDArray[np.float32]:  # [T+1]
        return np.array([pose.pitch_deg for pose in self.poses], dtype=np.float32)

    @cached_property
    def happened(self) -> NDArray[np.bool_]:  # [T, len(EVENTS)]
        """Which of EVENTS each action brought."""
        if self.events is None:
            return np.zeros((len(self.actions), len(EVENTS)), dtype=np.bool_)
        return self.events

    def observation(self, t: int) -> Observation:
        """The true frame t."""
        return Observation(self.rgb[t], self.depth[t].astype(np.float32), self.poses[t])


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkMix:
    """Which share of the episodes of a block world is of which kind."""

    afar_share: float = 0.0
    """Begin far from the start, which is flat, open, and in sight of the world's only beacon."""
    seek_share: float = 0.0
    """Walk to gems and to the beacon, and so see them from nearby."""
    strewn_gems: int = 0
    """Gems laid around such a walk's start, for events to be frequent."""

    def __post_init__(self) -> None:
        shares = (self.afar_share, self.seek_share)
        if not all(0 <= share <= 1 for share in shares) or self.strewn_gems < 0:
            raise ConfigError(
                "shares from 0 to 1, and no negative number of gems",
                f"afar_share={self.afar_share}, seek_share={self.seek_share}, "
                f"strewn_gems={self.strewn_gems}",
                "Correct the mix of walks.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class DataConfig:
    """Where episodes come from and how many are kept."""

    ticks: int = 95
    pool: int = 320  # episodes kept in memory
    first: int = 48  # episodes to wait for before training starts
    renderer: str = "auto"
    seed: int = 0
    mix: WalkMix = WalkMix()  # of the episodes in the block world

    def __post_init__(self) -> None:
        if not 0 < self.first <= self.pool or self.ticks < 32:
            raise ConfigError(
                "0 < first <= pool and ticks >= 32",
                f"first={self.first}, pool={self.pool}, ticks={self.ticks}",
                "Correct the data configuration.",
            )


def render_episode(
    world: BlockWorld,
    seed: int,
    ticks: int,
    mix: WalkMix = WalkMix(),
) -> Episode:
    """Walk `ticks` ticks from a seed, and then draw all frames in one batch."""
    world.prepare(seed=seed)
    walk = _walk(world, seed, mix)
    sights, actions, events = [world.sight(world.pose)], list[Action](), list[Happened]()
    for action in islice(walk, ticks):
        events.append(advance_watched(world, action))
        sights.append(world.sight(world.pose))
        actions.append(action)
    frames = world.draw(sights)
    poses = [sight.pose for sight in sights]
    return Episode(
        frames.rgb,
        frames.depth.astype(np.float16),
        tuple(poses),
        np.stack([to_vector(a) for a in actions]),
        moves_between(poses),
        events=np.array([astuple(event) for event in events]),
        origin=Origin(seed=seed),
    )


def moves_between(poses: Sequence[Pose]) -> NDArray[np.float32]:  # [T, 3] of T+1 poses
    """Metres right, up and forward of the yaw after each action."""
    return np.array([b.displacement_from(a) for a, b in pairwise(poses)], np.float32)


def _walk(world: BlockWorld, seed: int, mix: WalkMix) -> Iterator[Action]:
    """A behaviour, here or afar, or a search for gems and the beacon that began a while ago."""
    rng = np.random.default_rng((seed, 1))
    kind = rng.random()
    if kind < mix.seek_share:
        return _search(world, rng, mix.strewn_gems)
    if kind < mix.seek_share + (1.0 - mix.seek_share) * mix.afar_share:
        _set_off_afar(world, rng)
    return behave(np.random.default_rng(seed))


def _search(world: BlockWorld, rng: np.random.Generator, gems: int) -> Iterator[Action]:
    strew_gems(world, rng, gems)
    search = seek(world, rng)
    for action in islice(search, int(rng.integers(MOST_UNDRAWN))):
        world.advance(action)
    return search


def _set_off_afar(world: BlockWorld, rng: np.random.Generator) -> None:
    """Put the body far from the start, facing anywhere; where all is water it stays."""
    feet = find_afar(world.voxels, rng, AFAR_M)
    if feet is not None:
        world.body = Body(*feet, yaw_deg=float(rng.uniform(-180.0, 180.0)))


def training_seeds(seed: int, worker: int) -> Iterator[int]:
    """An endless shuffled stream of world seeds below MAX_TRAINING_SEED."""
    rng = np.random.default_rng((seed, worker))
    while True:
        yield int(rng.integers(MAX_TRAINING_SEED))


class EpisodeSource(Protocol):
    """What episodes are made of. It is pickled and sent to the processes that make them."""

    def stream(
        self, config: DataConfig, intrinsics: Intrinsics, worker: int, workers: int
    ) -> Iterator[Episode]:
        """An endless stream, repeated by `config.seed`, another one for each worker."""

    def held_out(self, config: DataConfig, intrinsics: Intrinsics, count: int) -> list[Episode]:
        """At most `count` episodes that are in no stream, the same ones at every call."""


@dataclass(frozen=True, slots=True)
class BlockWalks:
    """Walks in the block world, rendered on the fly."""

    def stream(
        self,
        config: DataConfig,
        intrinsics: Intrinsics,
        worker: int,
        workers: int,  # noqa: ARG002 - sources share one signature
    ) -> Iterator[Episode]:
        world = BlockWorld(intrinsics, renderer=config.renderer)
        for seed in training_seeds(config.seed, worker):
            yield render_episode(world, seed, config.ticks, config.mix)

    def held_out(self, config: DataConfig, intrinsics: Intrinsics, count: int) -> list[Episode]:
        world = BlockWorld(intrinsics, renderer=config.renderer)
        seeds = range(MAX_TRAINING_SEED, MAX_TRAINING_SEED + count)
        episodes = [render_episode(world, seed, HELD_OUT_TICKS) for seed in seeds]
        world.close()
        return episodes


class EpisodePool:
    """A bounded set of recent episodes, refilled by background processes.

    The owner calls `refresh` between steps; workers work only as fast as episodes are taken. What
    a worker cannot go on from, `refresh` raises as its WorldsimError.
    """

    def __init__(
        self,
        config: DataConfig,
        intrinsics: Intrinsics,
        workers: int,
        source: EpisodeSource = BlockWalks(),
    ) -> None:
        context = mp.get_context("spawn")
        self.config = config
        self.episodes: list[Episode] = []
        self.rendered = 0
        self._queue: Queue[Episode | WorldsimError] = context.Queue(maxsize=4)
        self._workers = [
            context.Process(
                target=_supply,
                args=(self._queue, source, config, intrinsics, index, workers),
                daemon=True,
                name=f"worldsim-episodes-{index}",
            )
            for index in range(workers)
        ]
        for worker in self._workers:
            worker.start()

    def refresh(self, *, wait: bool = False) -> bool:
        """Take one episode if there is one (or wait for it); the oldest gives way."""
        episode = self._take()
        while wait and episode is None:
            episode = self._take(timeout_s=1.0)
        if episode is None:
            return False
        if len(self.episodes) < self.config.pool:
            self.episodes.append(episode)
        else:
            self.episodes[self.rendered % self.config.pool] = episode
        self.rendered += 1
        return True

    def _take(self, timeout_s: float | None = None) -> Episode | None:
        try:
            made = self._queue.get(timeout=timeout_s, block=timeout_s is not None)
        except queue.Empty:
            if not all(worker.is_alive() for worker in self._workers):
                raise RuntimeError(
                    "the episode workers stopped; see their messages above"
                ) from None
            return None
        if isinstance(made, WorldsimError):
            raise made
        return made

    def close(self) -> None:
        for worker in self._workers:
            worker.terminate()
            worker.join()


def _supply(
    out: Queue[Episode | WorldsimError],
    source: EpisodeSource,
    config: DataConfig,
    intrinsics: Intrinsics,
    index: int,
    workers: int,
) -> None:
    os.nice(5)  # making episodes gives way to training
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this process
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = os.getppid()
    try:
        for episode in source.stream(config, intrinsics, index, workers):
            if not _put(out, episode, parent):
                return
    except WorldsimError as error:
        _put(out, error, parent)


def _put(out: Queue[Episode | WorldsimError], made: Episode | WorldsimError, parent: int) -> bool:
    """Wait for a place in the queue; False for an orphan, which stops."""
    while os.getppid() == parent:
        try:
            out.put(made, timeout=5.0)
        except queue.Full:
            continue
        return True
    return False
