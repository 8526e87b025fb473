"""Finds the recordings in folders, and says of each that cannot be used why not."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from worldsim.camera import Intrinsics
from worldsim.errors import ConfigError, EpisodeError, WorldsimError
from worldsim.record.dataset import METADATA_NAME
from worldsim.record.format import INFO_NAME, TICKS_NAME, VIDEO_NAME
from worldsim.train.framing import Framing
from worldsim.train.recording import Recording, open_episode, open_vpt

SUFFIXES = (".json", ".jsonl", ".mp4")
LISTED = 20  # recordings that an error message names

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that looks like a recording, and how to open it."""

    path: Path
    open: Callable[[Path], Recording]


def find_recordings(
    folders: Sequence[Path], camera: Intrinsics, *, strict: bool, vpt_fov_y_deg: float
) -> tuple[Recording, ...]:
    """The usable recordings at any depth of the folders, in the order of their names.

    Every file is checked, but no frame decoded. What cannot be used is skipped with a warning
    that names it.

    Args:
        camera: the model's, which no recording may see less than.
        strict: refuse them all if one cannot be used.
        vpt_fov_y_deg: vertical field of view of VPT recordings.

    Raises:
        ConfigError: if a folder is missing, nothing usable is left, or `strict` finds damage.
    """
    found: list[Recording] = []
    problems: list[str] = []
    for candidate in _candidates(folders, vpt_fov_y_deg):
        try:
            recording = candidate.open(candidate.path)
            Framing(recording.intrinsics, camera).require_enough(str(recording.video))
            found.append(recording)
        except WorldsimError as error:
            problems.append(f"{candidate.path}: {error}")
            if not strict:
                logger.warning("skipped %s: %s", candidate.path, error)
    if not found or (strict and problems):
        raise _unusable(folders, problems)
    for note, count in Counter(note for each in found for note in each.notes).items():
        logger.warning("%d of %d recordings: %s", count, len(found), note)
    return tuple(found)


def _candidates(folders: Sequence[Path], vpt_fov_y_deg: float) -> Iterator[Candidate]:
    as_vpt = partial(open_vpt, fov_y_deg=vpt_fov_y_deg)
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError("a folder of recordings", f"{str(folder)!r}", "Check --recordings.")
        files = sorted(path for path in folder.rglob("*.*") if path.suffix in SUFFIXES)
        own = sorted({path.parent for path in files if path.name in (INFO_NAME, TICKS_NAME)})
        yield from (Candidate(episode, open_episode) for episode in own)
        lines = {path for path in files if path.suffix == ".jsonl"}
        named = {path for path in lines if path.name not in (TICKS_NAME, METADATA_NAME)}
        yield from (Candidate(path, as_vpt) for path in sorted(named))
        for path in files:
            alone = path.suffix == ".mp4" and path.with_suffix(".jsonl") not in lines
            if alone and not (path.name == VIDEO_NAME and path.parent in own):
                yield Candidate(path, _open_silent)


def _open_silent(video: Path) -> Recording:
    raise EpisodeError(
        f"actions in {video.with_suffix('.jsonl')}",
        "a video without",
        "Put them beside it, or take the video away.",
    )


def _unusable(folders: Sequence[Path], problems: Sequence[str]) -> ConfigError:
    more = [f"and {len(problems) - LISTED} more"] if len(problems) > LISTED else []
    shown = [*problems[:LISTED], *more] or ["no recordings at all"]
    return ConfigError(
        f"recordings to train on in {', '.join(map(str, folders))}",
        "\n  ".join(["", *shown]).rstrip(),
        "\nRecord with `worldsim record --depth`, and mend or remove what is named.",
    )
