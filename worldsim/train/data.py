"""Episodes rendered on the fly by worker processes, kept in a bounded pool, never stored."""

from __future__ import annotations

import multiprocessing as mp
import os
import queue
import signal
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from functools import cached_property
from itertools import islice, pairwise
from multiprocessing.queues import Queue

import numpy as np
from numpy.typing import NDArray

from worldsim.actions import to_vector
from worldsim.camera import Intrinsics, pose_matrices
from worldsim.envs.blocks.events import Happened, advance_watched
from worldsim.envs.blocks.seeker import seek, strew_gems
from worldsim.envs.blocks.world import BlockWorld
from worldsim.errors import ConfigError
from worldsim.model.heads import EVENTS
from worldsim.train.behaviour import behave
from worldsim.types import Action, Observation, Pose

MAX_TRAINING_SEED = 1_000_000  # suites use 5,000,000 and up
MOST_UNDRAWN = 60  # ticks that a seeker is on the way before its episode begins


@dataclass(frozen=True, slots=True)
class Dream:
    """What a model dreamed along an episode's path, after being shown its first frames."""

    rgb: NDArray[np.uint8]  # [T+1, H, W, 3] the first `real` frames are the true ones
    depth: NDArray[np.float16]  # [T+1, H, W] metres
    witnessed: NDArray[np.bool_]  # [T+1, H, W] true surfaces that the first frames had shown
    real: int


@dataclass(frozen=True)
class Episode:
    """T+1 frames and T actions of one walk in the true world, and what was dreamed of it."""

    rgb: NDArray[np.uint8]  # [T+1, H, W, 3]
    depth: NDArray[np.float16]  # [T+1, H, W] metres
    poses: tuple[Pose, ...]  # T+1
    actions: NDArray[np.float32]  # [T, VECTOR_SIZE]
    moves: NDArray[np.float32]  # [T, 3] metres right, up, forward of the yaw after the action
    dream: Dream | None = None
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
class DataConfig:
    """Where episodes come from and how many are kept."""

    ticks: int = 95
    pool: int = 320  # episodes kept in memory
    first: int = 48  # episodes to wait for before training starts
    renderer: str = "auto"
    seed: int = 0
    seek_share: float = 0.0  # episodes that walk to gems and the beacon, where events are frequent

    def __post_init__(self) -> None:
        if not 0 < self.first <= self.pool or self.ticks < 32 or not 0 <= self.seek_share <= 1:
            raise ConfigError(
                "0 < first <= pool, ticks >= 32 and a seek_share from 0 to 1",
                f"first={self.first}, pool={self.pool}, ticks={self.ticks}, "
                f"seek_share={self.seek_share}",
                "Correct the data configuration.",
            )


def render_episode(world: BlockWorld, seed: int, ticks: int, seek_share: float = 0.0) -> Episode:
    """Walk `ticks` ticks from a seed, and then draw all frames in one batch."""
    world.prepare(seed=seed)
    walk = _walk(world, seed, seek_share)
    sights, actions, events = [world.sight(world.pose)], list[Action](), list[Happened]()
    for action in islice(walk, ticks):
        events.append(advance_watched(world, action))
        sights.append(world.sight(world.pose))
        actions.append(action)
    frames = world.draw(sights)
    poses = [sight.pose for sight in sights]
    moves = np.array([b.displacement_from(a) for a, b in pairwise(poses)], np.float32)
    return Episode(
        frames.rgb,
        frames.depth.astype(np.float16),
        tuple(poses),
        np.stack([to_vector(a) for a in actions]),
        moves,
        events=np.array([astuple(event) for event in events]),
    )


def _walk(world: BlockWorld, seed: int, seek_share: float) -> Iterator[Action]:
    """A behaviour, or a search for gems and the beacon that has been going on for a while."""
    rng = np.random.default_rng((seed, 1))
    if rng.random() >= seek_share:
        return behave(np.random.default_rng(seed))
    strew_gems(world, rng)
    search = seek(world, rng)
    for action in islice(search, int(rng.integers(MOST_UNDRAWN))):
        world.advance(action)
    return search


def training_seeds(seed: int, worker: int) -> Iterator[int]:
    """An endless shuffled stream of world seeds below MAX_TRAINING_SEED."""
    rng = np.random.default_rng((seed, worker))
    while True:
        yield int(rng.integers(MAX_TRAINING_SEED))


class EpisodePool:
    """A bounded set of recent episodes, refilled by background processes.

    The owner calls `refresh` between steps; workers render only as fast as episodes are taken.
    """

    def __init__(self, config: DataConfig, intrinsics: Intrinsics, workers: int) -> None:
        context = mp.get_context("spawn")
        self.config = config
        self.episodes: list[Episode] = []
        self.rendered = 0
        self._queue: Queue[Episode] = context.Queue(maxsize=4)
        self._workers = [
            context.Process(
                target=_render_forever,
                args=(self._queue, config, intrinsics, index),
                daemon=True,
                name=f"worldsim-render-{index}",
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
            return self._queue.get(timeout=timeout_s, block=timeout_s is not None)
        except queue.Empty:
            if not all(worker.is_alive() for worker in self._workers):
                raise RuntimeError("the render workers stopped; see their messages above") from None
            return None

    def close(self) -> None:
        for worker in self._workers:
            worker.terminate()
            worker.join()


def _render_forever(
    out: Queue[Episode], config: DataConfig, intrinsics: Intrinsics, index: int
) -> None:
    os.nice(5)  # drawing gives way to training
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this process
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = os.getppid()
    world = BlockWorld(intrinsics, renderer=config.renderer)
    for seed in training_seeds(config.seed, index):
        episode = render_episode(world, seed, config.ticks, config.seek_share)
        while os.getppid() == parent:  # an orphan stops
            try:
                out.put(episode, timeout=5.0)
                break
            except queue.Full:
                continue
        else:
            return
