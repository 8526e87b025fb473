"""What `episode.json` and a line of `actions.jsonl` say, to and from bytes.

`worldsim.record.episode` describes the whole folder.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from numpy.typing import NDArray

import worldsim
from worldsim import actions as action_schema
from worldsim.backends.installation import RUNTIMES, installed
from worldsim.camera import Intrinsics
from worldsim.errors import ActionError, EpisodeError, WorldsimError
from worldsim.record.vpt import to_vpt
from worldsim.types import TICK_HZ, Action, Pose

FORMAT = "worldsim-episode"
FORMAT_VERSION = 1
INFO_NAME, TICKS_NAME, VIDEO_NAME, DEPTH_NAME = (
    "episode.json",
    "actions.jsonl",
    "video.mp4",
    "depth",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldInfo:
    """Which world an episode comes from, and where in it frame 0 is.

    `version` is a dream's model hash, or the real world's WORLD_VERSION. Checkpoint, denoising
    steps, memory mode and backend belong to a dream, the renderer to the real world. `seed` is
    None if the recording did not begin at a reset to one; such an episode cannot be replayed.
    """

    kind: str
    version: str
    seed: int | None = None
    scene: str | None = None
    checkpoint: str | None = None
    steps: int | None = None
    memory: str | None = None
    backend: str | None = None
    renderer: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeInfo:
    """What `episode.json` says. Counts are None until the episode is complete."""

    world: WorldInfo
    intrinsics: Intrinsics
    codec: str = ""
    pixel_format: str = "yuv444p"
    depth: bool = False
    script: str | None = None
    software: Mapping[str, str]
    frames: int | None = None

    @property
    def complete(self) -> bool:
        return self.frames is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """One line of `actions.jsonl`: frame t, and the action taken at it (None at the last)."""

    tick: int
    pose: Pose
    frame_hash: str
    reward: float = 0.0
    terminated: bool = False
    action: Action | None = None


def frame_hash(
    rgb: NDArray[np.uint8],  # [H, W, 3]
) -> str:
    """Sixteen hex digits of a frame's pixels."""
    return hashlib.blake2b(np.ascontiguousarray(rgb).data, digest_size=8).hexdigest()


def software_versions() -> dict[str, str]:
    """The versions that a frame's exact pixels may depend on."""
    return {
        "worldsim": worldsim.__version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "av": av.__version__,
        "platform": platform.platform(),
        **installed(RUNTIMES),
    }


def encode_info(info: EpisodeInfo) -> bytes:
    """The content of `episode.json`."""
    record = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "complete": info.complete,
        "frames": info.frames,
        "ticks": None if info.frames is None else max(info.frames - 1, 0),
        "fps": TICK_HZ,
        "world": asdict(info.world),
        "intrinsics": asdict(info.intrinsics),
        "video": {"codec": info.codec, "pixel_format": info.pixel_format},
        "depth": info.depth,
        "script": info.script,
        "action_schema": {
            "version": action_schema.SCHEMA_VERSION,
            "hash": action_schema.schema_hash(),
            "names": list(action_schema.SCHEMA),
        },
        "software": dict(info.software),
    }
    return (json.dumps(record, indent=2) + "\n").encode()


def read_info(folder: Path) -> EpisodeInfo:
    """Parse `episode.json`; EpisodeError or ActionError if it is not ours to read."""
    path = folder / INFO_NAME
    try:
        record = json.loads(path.read_bytes())
    except OSError as error:
        raise EpisodeError(
            f"an episode in {folder}",
            f"no readable {INFO_NAME} ({error.strerror})",
            "Give the folder that `worldsim record` wrote.",
        ) from error
    except ValueError as error:
        raise EpisodeError(f"JSON in {path}", str(error), "The file is damaged.") from error
    _require_format(record, path)
    try:
        return _decode_info(record, path)
    except (KeyError, TypeError, AttributeError) as error:
        raise EpisodeError(
            f"every field of episode format {FORMAT_VERSION} in {path}",
            f"{type(error).__name__} {error}",
            "The file is damaged; record the episode again.",
        ) from error


def _require_format(record: Any, path: Path) -> None:
    found = (record.get("format"), record.get("version")) if isinstance(record, dict) else None
    if found != (FORMAT, FORMAT_VERSION):
        raise EpisodeError(
            f"{FORMAT} version {FORMAT_VERSION} in {path}",
            repr(found),
            "Open it with the version of worldsim that recorded it.",
        )


def _decode_info(record: dict[str, Any], path: Path) -> EpisodeInfo:
    _require_schema(record["action_schema"], path)
    _require_rate(record["fps"], path)
    known = {field.name for field in fields(WorldInfo)}
    return EpisodeInfo(
        world=WorldInfo(**{k: v for k, v in record["world"].items() if k in known}),
        intrinsics=Intrinsics(**record["intrinsics"]),
        codec=record["video"]["codec"],
        pixel_format=record["video"]["pixel_format"],
        depth=record["depth"],
        script=record["script"],
        software=record["software"],
        frames=record["frames"] if record["complete"] else None,
    )


def _require_schema(schema: Mapping[str, Any], path: Path) -> None:
    """The same names in the same order, and the same meaning, which only the hash tells."""
    action_schema.require_schema(schema["names"], str(path))
    if schema["hash"] != action_schema.schema_hash():
        raise ActionError(
            f"the action schema of hash {action_schema.schema_hash()}",
            f"hash {schema['hash']} (version {schema['version']}) in {path}",
            "Use files made by this version of worldsim, or convert them.",
        )


def _require_rate(fps: object, path: Path) -> None:
    if fps != TICK_HZ:
        raise EpisodeError(
            f"{TICK_HZ} frames a second in {path}",
            repr(fps),
            f"A tick is 1/{TICK_HZ} s: record it again at that rate.",
        )


def encode_tick(tick: Tick, previous: Action) -> bytes:
    """One line of `actions.jsonl`. `previous` is the action before, for newly pressed keys."""
    held = tick.action or Action()
    record = {
        "tick": tick.tick,
        **to_vpt(held, previous),
        "action": None if tick.action is None else _plain(action_schema.to_record(tick.action)),
        "pose": {name: float(value) for name, value in asdict(tick.pose).items()},
        "frame_hash": tick.frame_hash,
        "reward": float(tick.reward),
        "terminated": bool(tick.terminated),
    }
    return (json.dumps(record, separators=(",", ":")) + "\n").encode()


def _plain(record: Mapping[str, Any]) -> dict[str, bool | float]:
    """NumPy's scalars as Python's: JSON knows no others."""
    camera = action_schema.CAMERA
    return {k: float(v) if k in camera else bool(v) for k, v in record.items()}


def decode_tick(line: bytes, number: int, path: Path) -> Tick:
    """The inverse of `encode_tick` for line `number` (from 0) of `path`."""
    try:
        record = json.loads(line)
        action = record["action"]
        tick = Tick(
            tick=record["tick"],
            pose=Pose(**record["pose"]),
            frame_hash=record["frame_hash"],
            reward=record["reward"],
            terminated=record["terminated"],
            action=None if action is None else action_schema.from_record(action),
        )
    except (ValueError, KeyError, TypeError, WorldsimError) as error:
        raise _damaged_line(number, path, f"{type(error).__name__}: {error}") from error
    if tick.tick != number:
        raise _damaged_line(number, path, f"tick {tick.tick!r}")
    return tick


def _damaged_line(number: int, path: Path, got: str) -> EpisodeError:
    return EpisodeError(
        f"tick {number} on line {number + 1} of {path}",
        got,
        "The file is damaged; record the episode again.",
    )
