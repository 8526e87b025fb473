"""Complete snapshots of a dreamed world: kept in memory, or written to one file."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worldsim.engine.assemble import Dreamer
from worldsim.engine.dream_world import DreamWorld, Look, Taken
from worldsim.engine.kv_cache import CacheState, KVCache
from worldsim.errors import OutputError, StateError
from worldsim.memory.bank import BankState, MemoryBank
from worldsim.memory.bank_arrays import from_arrays, to_arrays
from worldsim.memory.keyframe import Keyframe
from worldsim.types import Observation, Pose

FORMAT = "worldsim-state"
FORMAT_VERSION = 8
MEMORY_PREFIX, IMAGINED_PREFIX, LOOK_PREFIX = "memory.", "imagined.", "look."
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
DAMAGED = (  # what NumPy, zipfile and json raise for bytes that are not what they should be
    ValueError, KeyError, TypeError, OSError, EOFError, RuntimeError, zipfile.BadZipFile,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class EngineState:
    """Everything that a dream's future depends on, besides the weights."""

    model_hash: str
    seed: int
    frame: int
    observation: Observation
    left: Observation
    is_real: bool
    move: tuple[float, float, float]
    anchor: tuple[float, float, float]
    tokens: Tensor  # [S, D]
    cache: CacheState
    memory: BankState
    horizon: tuple[float, float, float]
    horizon_frame: int
    has_cells: bool
    imagined: Keyframe | None
    look: Look | None
    taken: tuple[Taken, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of its own; memory's keyframes and cells are shared with the running dream."""
        seen = self.observation.rgb.nbytes + self.observation.depth.nbytes
        seen += 0 if self.left is self.observation else self.left.depth.nbytes
        tensors = (self.tokens, self.cache.keys, self.cache.values)
        seen += 0 if self.imagined is None else self.imagined.nbytes
        seen += 0 if self.look is None else self.look.nbytes
        return seen + sum(tensor.nbytes for tensor in tensors) + self.memory.table_nbytes

    def nbytes_beyond(self, later: EngineState) -> int:
        """Bytes that only this state keeps alive once the dream has gone on to a later one."""
        return self.memory.nbytes_beyond(later.memory)

    def to_bytes(self) -> bytes:
        """One self-contained NumPy archive; no pickle."""
        header = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "model_hash": self.model_hash,
            "seed": self.seed,
            "frame": self.frame,
            "pose": _numbers(self.observation.pose),
            "is_real": self.is_real,
            "move": list(self.move),
            "anchor": list(self.anchor),
            "horizon": list(self.horizon),
            "horizon_frame": self.horizon_frame,
            "has_cells": self.has_cells,
            "imagined": self.imagined and _place(self.imagined),
            "look": self.look and _begin(self.look),
            "taken": [astuple(taken) for taken in self.taken],
            "order": list(self.cache.order),
            "dtype": str(self.tokens.dtype).removeprefix("torch."),
        }
        arrays: dict[str, Any] = {
            "header": np.frombuffer(json.dumps(header).encode(), dtype=np.uint8),
            "rgb": self.observation.rgb,
            "depth": self.observation.depth,
            "left": self.left.depth,
            "tokens": _to_numpy(self.tokens),
            "keys": _to_numpy(self.cache.keys),
            "values": _to_numpy(self.cache.values),
            **{MEMORY_PREFIX + k: v for k, v in to_arrays(self.memory).items()},
        }
        if self.imagined is not None:
            arrays |= {IMAGINED_PREFIX + "rgb": self.imagined.rgb}
            arrays |= {IMAGINED_PREFIX + "depth": self.imagined.depth}
        if self.look is not None:
            arrays |= {LOOK_PREFIX + k: v.cpu().numpy() for k, v in self.look.tensors.items()}
        stream = io.BytesIO()
        np.savez(stream, **arrays)
        return stream.getvalue()

    @staticmethod
    def from_bytes(data: bytes) -> EngineState:
        """The inverse of `to_bytes`. Raises StateError for damaged or foreign data."""
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            header = json.loads(arrays["header"].tobytes())
            if header["format"] != FORMAT or header["version"] != FORMAT_VERSION:
                raise ValueError(f"format {header['format']!r} version {header['version']!r}")
            return _from_arrays(header, arrays)
        except DAMAGED as error:
            raise StateError(
                f"a {FORMAT} of version {FORMAT_VERSION}",
                f"{len(data)} bytes that do not hold one ({error})",
                "Use a state saved by this version of worldsim.",
            ) from error

    def save(self, path: Path) -> None:
        """Write the state to one file, in one rename."""
        part = path.with_name(f".{path.name}.part")
        try:
            part.write_bytes(self.to_bytes())
            part.replace(path)
        except OSError as error:
            raise OutputError(
                f"to write {str(path)!r}", f"{error}", "Choose a folder that exists."
            ) from error

    @staticmethod
    def load(path: Path) -> EngineState:
        """Read a state from a file. Raises StateError if there is none."""
        try:
            data = path.read_bytes()
        except OSError as error:
            raise StateError("a saved state", f"{error}", "Check the path.") from error
        return EngineState.from_bytes(data)


def capture(world: DreamWorld, model_hash: str) -> EngineState:
    """A snapshot of a world; its frames are shared, its buffers copied."""
    return EngineState(
        model_hash=model_hash,
        seed=world.seed,
        frame=world.frame,
        observation=world.observation,
        left=world.left,
        is_real=world.is_real,
        move=world.move,
        anchor=world.anchor,
        tokens=world.tokens,
        cache=world.cache.state(),
        memory=world.memory.snapshot(),
        horizon=world.horizon,
        horizon_frame=world.horizon_frame,
        has_cells=world.has_cells,
        imagined=world.imagined,
        look=world.look,
        taken=world.taken,
    )


def revive(state: EngineState, dreamer: Dreamer) -> DreamWorld:
    """A new world that continues from a snapshot."""
    config, weight = dreamer.model.config, dreamer.model.stem.weight
    cache = KVCache(config, weight.dtype, weight.device)
    cache.load(state.cache)
    memory = MemoryBank(config.intrinsics)
    memory.restore(state.memory)
    return DreamWorld(
        seed=state.seed,
        frame=state.frame,
        observation=state.observation,
        left=state.left,
        is_real=state.is_real,
        move=state.move,
        anchor=state.anchor,
        tokens=state.tokens.to(weight.device, weight.dtype),
        cache=cache,
        memory=memory,
        horizon=state.horizon,
        horizon_frame=state.horizon_frame,
        has_cells=state.has_cells,
        imagined=state.imagined,
        look=state.look and state.look.to(weight.device),
        taken=state.taken,
    )


def _from_arrays(header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> EngineState:
    dtype = DTYPES[str(header["dtype"])]
    keys, values, tokens = (_to_torch(arrays[name], dtype) for name in ("keys", "values", "tokens"))
    right, up, forward = header["move"]
    x, y, z = header["anchor"]
    from_x, from_y, from_z = header["horizon"]
    rgb, pose = arrays["rgb"], Pose(*header["pose"])
    return EngineState(
        model_hash=str(header["model_hash"]),
        seed=int(header["seed"]),
        frame=int(header["frame"]),
        observation=Observation(rgb, arrays["depth"], pose),
        left=Observation(rgb, arrays["left"], pose),
        is_real=bool(header["is_real"]),
        move=(right, up, forward),
        anchor=(x, y, z),
        tokens=tokens,
        cache=CacheState(keys, values, tuple(header["order"])),
        memory=from_arrays(_under(MEMORY_PREFIX, arrays)),
        horizon=(from_x, from_y, from_z),
        horizon_frame=int(header["horizon_frame"]),
        has_cells=bool(header["has_cells"]),
        imagined=_imagined(header["imagined"], arrays),
        look=_look(header.get("look"), arrays),
        taken=tuple(_taken(*place) for place in header["taken"]),
    )


def _place(imagined: Keyframe) -> dict[str, Any]:
    return {
        "pose": _numbers(imagined.pose), "frame": imagined.frame, "trust": imagined.trust,
    }  # fmt: skip


def _begin(look: Look) -> dict[str, Any]:
    return {"pose": _numbers(look.pose), "frame": look.frame, "taken": look.taken}


def _taken(frame: int, low: list[float], high: list[float]) -> Taken:
    (x0, y0, z0), (x1, y1, z1) = low, high
    return Taken(int(frame), (x0, y0, z0), (x1, y1, z1))


def _numbers(pose: Pose) -> list[float]:
    return [pose.x, pose.y, pose.z, pose.yaw_deg, pose.pitch_deg]


def _imagined(place: dict[str, Any] | None, arrays: dict[str, NDArray[Any]]) -> Keyframe | None:
    if place is None:
        return None
    rgb, depth = (arrays[IMAGINED_PREFIX + name] for name in ("rgb", "depth"))
    return Keyframe(rgb, depth, Pose(*place["pose"]), int(place["frame"]), float(place["trust"]))


def _look(begin: dict[str, Any] | None, arrays: dict[str, NDArray[Any]]) -> Look | None:
    if begin is None:
        return None
    tensors = {k: torch.from_numpy(v) for k, v in _under(LOOK_PREFIX, arrays).items()}
    return Look(Pose(*begin["pose"]), int(begin["frame"]), **tensors, taken=int(begin["taken"]))


def _under(prefix: str, arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The arrays whose names begin so, without it."""
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}


def _to_numpy(tensor: Tensor) -> NDArray[np.generic]:
    """NumPy has no bfloat16: its bits travel as 16-bit integers."""
    tensor = tensor.cpu().contiguous()
    array: NDArray[np.generic] = (
        tensor.view(torch.int16) if tensor.dtype == torch.bfloat16 else tensor
    ).numpy()
    return array


def _to_torch(array: NDArray[np.generic], dtype: torch.dtype) -> Tensor:
    tensor = torch.from_numpy(array.copy())
    return tensor.view(torch.bfloat16) if dtype == torch.bfloat16 else tensor.to(dtype)
