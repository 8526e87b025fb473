"""What an import format has to offer, and how one of its episodes becomes one of ours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import accumulate
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from worldsim.camera import Intrinsics
from worldsim.errors import EpisodeError
from worldsim.record.episode_writer import EpisodeWriter
from worldsim.record.format import EpisodeInfo, WorldInfo, software_versions
from worldsim.record.importers.foreign_video import VideoPart, probe_size
from worldsim.record.video import PixelFormat
from worldsim.types import Action, Observation, Pose, StepResult

ImportFormat = Literal["vpt", "lerobot"]

_CLASSES: dict[ImportFormat, tuple[str, str]] = {
    "vpt": ("vpt", "VptImporter"),
    "lerobot": ("lerobot", "LeRobotImporter"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignEpisode:
    """One episode of another format: T+1 frames, the T actions between, and where each was seen.

    `fov_y_deg` is None if the format does not say.
    """

    name: str
    world: WorldInfo
    video: VideoPart
    actions: tuple[Action, ...]
    poses: tuple[Pose, ...]
    rewards: tuple[float, ...]  # of each action
    terminated: bool = False
    task: str | None = None
    fov_y_deg: float | None = None


class Importer(Protocol):
    """Reads a folder of another format. Raises EpisodeError or ActionError for a bad one."""

    def __len__(self) -> int:
        """How many episodes there are."""

    def read(self, number: int) -> ForeignEpisode:
        """Everything of one episode but its pixels."""


def make_importer(name: ImportFormat, folder: Path) -> Importer:
    """A reader of `folder`; BackendError if a library it needs is missing."""
    module, cls = _CLASSES[name]
    importer: Importer = getattr(import_module(f"worldsim.record.importers.{module}"), cls)(folder)
    return importer


def dead_reckoned(actions: tuple[Action, ...]) -> tuple[Pose, ...]:
    """The views of someone who turns as told and never moves: all that actions alone can say."""
    start = Pose(0.0, 0.0, 0.0)
    return tuple(accumulate(actions, lambda p, a: p.turned(a.yaw_deg, a.pitch_deg), initial=start))


def write_foreign(
    episode: ForeignEpisode,
    folder: Path,
    *,
    size: tuple[int, int] | None,  # width, height
    fov_y_deg: float,
    pixel_format: PixelFormat,
) -> None:
    """Write an episode into a new folder, scaled to `size` if that is given."""
    width, height = size or probe_size(episode.video)
    info = EpisodeInfo(
        world=episode.world,
        intrinsics=Intrinsics(width=width, height=height, fov_y_deg=fov_y_deg),
        script=episode.task,
        software=software_versions(),
    )
    writer = EpisodeWriter(folder, info, pixel_format)
    for action, result in _steps(episode, (width, height)):
        writer.append(action, result)
    writer.close(complete=writer.frames == len(episode.poses))
    if writer.frames < len(episode.poses):
        raise EpisodeError(
            f"{len(episode.poses)} frames in the video of {episode.name}",
            f"{writer.frames}",
            "Its video is cut or damaged; leave the episode out.",
        )


def _steps(
    episode: ForeignEpisode, size: tuple[int, int]
) -> Iterator[tuple[Action | None, StepResult]]:
    """Every frame with the action that led to it."""
    no_depth = np.zeros((size[1], size[0]), dtype=np.float32)
    last = len(episode.poses) - 1
    taken = (None, *episode.actions)
    for n, rgb in enumerate(episode.video.frames(size)):
        result = StepResult(Observation(rgb, no_depth, episode.poses[n]))
        if n:
            ended = episode.terminated and n == last
            result = replace(result, reward=episode.rewards[n - 1], terminated=ended)
        yield taken[n], result
