"""The saved state of an environment: its world, its random numbers and its last frame."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from worldsim.errors import StateError
from worldsim.types import Pose

FORMAT = "worldsim-env-2"
_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvState:
    """Everything that decides an environment's next frames.

    The last frame is part of it, so that restoring shows the very pixels that were saved
    without asking the world to make them again.
    """

    env: str  # the class that wrote it
    world: bytes
    world_seed: int
    random_state: dict[str, object]  # of np_random's bit generator
    rgb: NDArray[np.uint8]  # [H, W, 3]
    depth: NDArray[np.float32]  # [H, W] metres
    pose: Pose
    ended: bool  # the episode is over

    def to_bytes(self) -> bytes:
        """An npz archive, whose checksums find damage; the layout is private."""
        header = {
            "format": FORMAT,
            "env": self.env,
            "world_seed": self.world_seed,
            "random_state": self.random_state,
            "pose": astuple(self.pose),
            "ended": self.ended,
        }
        buffer = io.BytesIO()
        np.savez(
            buffer,
            header=np.array(json.dumps(header)),
            world=np.frombuffer(self.world, dtype=np.uint8),
            rgb=self.rgb,
            depth=self.depth,
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes, *, env: str) -> EnvState:
        """The inverse of `to_bytes`.

        Raises:
            StateError: `data` is damaged, of another version, or of another environment than `env`.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as archive:
                header = json.loads(str(archive["header"]))
                world, rgb = archive["world"].tobytes(), archive["rgb"]
                depth = archive["depth"]
        except (zipfile.BadZipFile, ValueError, KeyError, EOFError) as error:
            raise StateError(
                f"a state saved by {env}.get_state()",
                f"{len(data)} bytes that cannot be read ({error})",
                "Save the state again; this one is damaged or of another kind.",
            ) from error
        if (header["format"], header["env"]) != (FORMAT, env):
            raise StateError(
                f"a {FORMAT} state of {env}",
                f"a {header['format']} state of {header['env']}",
                "Restore it in the environment and the version that saved it.",
            )
        return cls(
            env=header["env"],
            world=world,
            world_seed=header["world_seed"],
            random_state=header["random_state"],
            rgb=rgb,
            depth=depth,
            pose=Pose(*header["pose"]),
            ended=header["ended"],
        )


def joined(head: bytes, tail: bytes) -> bytes:
    """Two states as one."""
    return _LENGTH.pack(len(head)) + head + tail


def parted(state: bytes) -> tuple[bytes, bytes]:
    """The inverse of `joined`. StateError if it cannot be."""
    if len(state) < _LENGTH.size:
        raise StateError(f"at least {_LENGTH.size} bytes", f"{len(state)}", "Save the state again.")
    middle = _LENGTH.size + int(_LENGTH.unpack_from(state)[0])
    return state[_LENGTH.size : middle], state[middle:]
