"""The state of one dreamed world, and how it changes when a frame arrives."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worldsim.engine.hints import TRUST_DREAM, TRUST_REAL, TRUST_TOUCHED
from worldsim.engine.kv_cache import KVCache
from worldsim.engine.specks import is_torn
from worldsim.memory.bank import MemoryBank
from worldsim.memory.holes import emptied, without
from worldsim.memory.keyframe import Keyframe
from worldsim.types import Action, Observation, Pose

ANCHOR_REACH_M = 6.0  # a camera farther from its anchor than this gets a new one
FACING_M = 0.8  # half of a view is nearer: the face is against something
TELEPORT_M = 4.0  # no walk moves this far in one tick
STILL = (0.0, 0.0, 0.0)
MOST_TAKEN = 32  # places; older ones are far away


@dataclass(frozen=True, slots=True)
class Taken:
    """The cells that a body touched when it took something: what was seen in them is gone."""

    frame: int
    low: tuple[float, float, float]  # corner, world, metres
    high: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Look:
    """A look ahead, between two of its steps."""

    pose: Pose  # of the view
    frame: int  # the one that was to be dreamed when the look began
    hint: Tensor  # [1, 4, H/2, W/2] what memory and earlier looks show there, whole
    confidence: Tensor  # [1, 1, H/2, W/2]
    elsewhere: Tensor  # [1, 4, h, w] the last frame before the look began
    noisy: Tensor  # [1, 4, h, w] as far as it is imagined
    taken: int = 0  # steps

    @property
    def tensors(self) -> dict[str, Tensor]:
        names = ("hint", "confidence", "elsewhere", "noisy")
        return {name: getattr(self, name) for name in names}

    @property
    def nbytes(self) -> int:
        return sum(tensor.nbytes for tensor in self.tensors.values())

    def to(self, device: torch.device) -> Look:
        moved: dict[str, Any] = {name: part.to(device) for name, part in self.tensors.items()}
        return replace(self, **moved)


@dataclass(slots=True)
class DreamWorld:
    """The whole state of one dreamed world.

    Frames arrive by the functions of this file; `dream` adds what it computed of them, and
    `imagine` alone writes what is imagined ahead.
    """

    seed: int
    frame: int
    observation: Observation
    left: Observation  # of it, what serves as a source: holes where it was guessed, or is taken
    is_real: bool  # whether the last frame was shown to the dream, not dreamed
    move: tuple[float, float, float]  # last displacement: right, up, forward; metres
    anchor: tuple[float, float, float]  # origin of the rays, metres
    tokens: Tensor  # [S, D] trunk tokens of the last frame, for the heads
    cache: KVCache
    memory: MemoryBank
    horizon: tuple[float, float, float]  # from where the sky was last seen or imagined, metres
    horizon_frame: int = 0  # and when
    has_cells: bool = False  # whether its surfaces lie on whole metres
    imagined: Keyframe | None = None  # ahead of the frame; not in memory, for nobody has seen it
    look: Look | None = None  # that is being taken
    taken: tuple[Taken, ...] = ()  # the last of them, oldest first
    recalled: tuple[Keyframe, ...] = ()  # what the last frame was dreamed from, best first


def prepare_move(world: DreamWorld, target: Pose) -> None:
    """Renew the anchor when the camera has left it behind; cut the context after a teleport."""
    if _distance(world.observation.pose, target) > TELEPORT_M:
        world.cache.cut()
    if float(np.linalg.norm(target.position() - np.array(world.anchor))) > ANCHOR_REACH_M:
        world.anchor = origin(target)


def arrive(
    world: DreamWorld,
    seen: Observation,
    action: Action,
    *,
    is_real: bool,
    left: Observation | None = None,  # what of it serves as a source; by default all
) -> None:
    """Make the frame after an action, real or dreamed, the last one, and offer it to memory."""
    teleported = _distance(world.observation.pose, seen.pose) > TELEPORT_M
    moved = seen.pose.displacement_from(world.observation.pose)
    world.move = STILL if teleported else moved
    world.observation, world.left, world.is_real = seen, left or seen, is_real
    if is_real:
        world.horizon, world.horizon_frame = origin(seen.pose), world.frame + 1
        world.imagined = world.look = None
    world.frame += 1
    remember(world, touched=action.attack or action.use)


def take(world: DreamWorld, taken: Taken) -> None:
    """What was in these cells is the player's now, and nothing shows it there any more."""
    world.taken = (*world.taken, taken)[-MOST_TAKEN:]
    low, high = np.array(taken.low), np.array(taken.high)
    world.memory.empty(low, high)
    depth = without(world.left.depth, world.left.pose, low, high, world.memory.intrinsics)
    world.left = replace(world.left, depth=depth)
    world.look = None
    if world.imagined is not None:
        world.imagined = emptied(world.imagined, low, high, world.memory.intrinsics)


def has_just_taken(world: DreamWorld) -> bool:
    """Whether the last frame shows what is there no longer."""
    return bool(world.taken) and world.taken[-1].frame == world.frame


def remember(world: DreamWorld, *, touched: bool = False) -> None:
    """Offer the last frame to memory, which keeps it if it shows something new or was touched.

    A dream with its face against a wall is worth nothing, and often is inside of what it made up;
    one that has come apart would spread. What is only guessed of it is not kept.
    """
    seen = world.observation
    if not (world.is_real or touched) and is_worthless(seen):
        return
    trust = TRUST_REAL if world.is_real else TRUST_TOUCHED if touched else TRUST_DREAM
    kept = world.left.depth
    world.memory.insert(seen.rgb, kept, seen.pose, world.frame, trust, touched=touched)


def is_worthless(dreamed: Observation) -> bool:
    return float(np.median(dreamed.depth)) < FACING_M or is_torn(dreamed.depth)


def with_holes(
    seen: Observation,
    holes: NDArray[np.bool_],  # [H, W]
) -> Observation:
    """The frame as a source that shows nothing there; itself, if there are none."""
    if not holes.any():
        return seen
    return replace(seen, depth=np.where(holes, np.float32(0.0), seen.depth))


def origin(pose: Pose) -> tuple[float, float, float]:
    return (pose.x, pose.y, pose.z)


def _distance(a: Pose, b: Pose) -> float:
    return float(np.linalg.norm(a.position() - b.position()))
