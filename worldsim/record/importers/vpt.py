"""VPT and BASALT recordings: `NAME.mp4` and `NAME.jsonl`, one line a frame, 20 a second.

Line t is frame t and what the player did at it. While a menu is open, the mouse moves a cursor:
nothing is taken for an action then. In some recordings `attack` is stuck from the first line
until it is pressed for the first time; it is let go there, as VPT's own loader does.

Positions are Minecraft's, of the feet: x east, y up, z south; yaw 0 looks south. Lines without
them give the views of someone who turns and never moves.
Source: openai/Video-Pre-Training, `data_loader.py` and `run_inverse_dynamics_model.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from worldsim.errors import ActionError, EpisodeError
from worldsim.record.format import WorldInfo
from worldsim.record.importers.foreign_video import VideoPart
from worldsim.record.importers.importer import ForeignEpisode, dead_reckoned
from worldsim.record.video import count_frames
from worldsim.record.vpt import MOUSE_BUTTONS, from_vpt, pose_from_vpt
from worldsim.types import Action, Pose

FOV_Y_DEG = 70.0  # Minecraft's "normal", which the recorders used
_ATTACK = MOUSE_BUTTONS["attack"]
_PLACE = ("xpos", "ypos", "zpos", "yaw", "pitch")


class VptImporter:
    """See the module."""

    def __init__(self, folder: Path) -> None:
        self._names = sorted(path for path in folder.glob("*.mp4") if _lines_of(path).exists())
        if not self._names:
            raise EpisodeError(
                f"NAME.mp4 beside NAME.jsonl in {folder}",
                "no such pair",
                "Give the folder of a VPT or BASALT data set.",
            )

    def __len__(self) -> int:
        return len(self._names)

    def read(self, number: int) -> ForeignEpisode:
        path = self._names[number]
        records = _read_lines(_lines_of(path))
        count = min(len(records), count_frames(path))
        if count < 1:
            raise EpisodeError(f"frames in {path}", "none", "Leave the recording out.")
        records = records[:count]
        actions = tuple(_actions(records, _lines_of(path)))[:-1]
        return ForeignEpisode(
            name=path.name,
            world=WorldInfo(kind="vpt", version=path.stem),
            video=VideoPart(path, 0.0, count),
            actions=actions,
            poses=_poses(records) or dead_reckoned(actions),
            rewards=(0.0,) * len(actions),
            fov_y_deg=FOV_Y_DEG,
        )


def _lines_of(video: Path) -> Path:
    return video.with_suffix(".jsonl")


def _read_lines(path: Path) -> list[dict[str, Any]]:
    try:
        records = [json.loads(line) for line in path.read_bytes().splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise EpisodeError(
            f"a JSON record a line in {path}", str(error), "Leave the recording out."
        ) from error
    return records


def _actions(records: Sequence[dict[str, Any]], path: Path) -> Iterator[Action]:
    stuck = False
    for number, record in enumerate(records):
        try:
            pressed = record["mouse"]["newButtons"]
            stuck = pressed == [_ATTACK] if number == 0 else stuck and _ATTACK not in pressed
            yield from_vpt(record, ignored=(_ATTACK,) if stuck else ())
        except (KeyError, TypeError, AttributeError, ValueError, ActionError) as error:
            raise EpisodeError(
                f"the fields of VPT on line {number + 1} of {path}",
                f"{type(error).__name__}: {error}",
                "Leave the recording out.",
            ) from error


def _poses(records: Sequence[dict[str, Any]]) -> tuple[Pose, ...] | None:
    """The eyes' poses by the game's own fields; None where it did not write them."""
    game = [{name: record[name] for name in _PLACE if name in record} for record in records]
    poses = [pose_from_vpt(place) if len(place) == len(_PLACE) else None for place in game]
    known = tuple(pose for pose in poses if pose is not None)
    return known if len(known) == len(records) else None
