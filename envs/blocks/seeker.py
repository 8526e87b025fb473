"""A scripted player who knows where gems and the beacon are, and walks to them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from worldsim.envs.blocks.blocks import Block
from worldsim.envs.blocks.spawn import survey
from worldsim.envs.blocks.tasks import ARRIVAL_M
from worldsim.envs.blocks.world import BlockWorld
from worldsim.types import Action, Pose

SEARCH_M: Final = 24  # gems farther than this along x or z are left where they are
PATIENCE_TICKS: Final = 100  # after which a goal is given up
BEACON_SHARE: Final = 0.35  # of goals
MISS_SHARE: Final = 0.2  # of walks that pass their goal by
MISS_M: Final = (1.2, 3.5)  # at what distance
GAZE_SHARE: Final = 0.7  # of walks with the eyes on the goal; on others they rest
RESTING_PITCH_DEG: Final = 8.0
SPRINT_SHARE: Final = 0.6
TURN_DEG, NOD_DEG = 12.0, 8.0  # at most, a tick
STUCK_TICKS, LOST_TICKS = 3, 14  # without progress: jump; turn away
STUCK_M: Final = 0.04  # less than this a tick is no progress
STREWN_GEMS: Final = 40

Place = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class _Goal:
    """Where a walk leads, and how it is known to be over."""

    at: Place  # metres
    reached: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class _Manner:
    """How a walk is walked."""

    sprint: bool
    gaze: bool


def seek(world: BlockWorld, rng: np.random.Generator) -> Iterator[Action]:
    """Endless. The world is to be advanced by each action before the next is asked for."""
    while True:
        yield from _walk_to(world, _choose(world, rng), rng)
        yield from _linger(rng)


def strew_gems(world: BlockWorld, rng: np.random.Generator, count: int = STREWN_GEMS) -> None:
    """Lay more gems on the open ground around the player: a land's own lie 13 m apart and more."""
    eye = world.pose
    surface = survey(world.voxels, math.floor(eye.x) - 32, math.floor(eye.z) - 32)
    ground = np.argwhere(surface.open)
    for x, z in rng.permutation(ground)[:count].tolist():
        above = int(surface.top[x, z]) + 1
        world.voxels.set_block(surface.x0 + x, above, surface.z0 + z, Block.GEM)


def gems_near(world: BlockWorld) -> NDArray[np.int64]:  # [N, 3] cells, nearest first
    """The gems within SEARCH_M of the player along x and z."""
    eye = world.pose
    x0, z0 = math.floor(eye.x) - SEARCH_M, math.floor(eye.z) - SEARCH_M
    blocks = world.voxels.columns(x0, z0, 2 * SEARCH_M, 2 * SEARCH_M)
    cells = np.argwhere(blocks == Block.GEM) + np.array((x0, 0, z0))
    return cells[np.hypot(cells[:, 0] + 0.5 - eye.x, cells[:, 2] + 0.5 - eye.z).argsort()]


def _choose(world: BlockWorld, rng: np.random.Generator) -> _Goal:
    """The beacon, the nearest gem, or a place beside one of them."""
    gems = gems_near(world).tolist()
    there = _is_near(world, world.beacon, ARRIVAL_M)
    if not gems or (not there and rng.random() < BEACON_SHARE):
        goal = _Goal(world.beacon, partial(_is_near, world, world.beacon, 0.7 * ARRIVAL_M))
    else:
        x, y, z = gems[0]
        goal = _Goal((x + 0.5, y + 0.5, z + 0.5), partial(_is_taken, world, (x, y, z)))
    return _beside(world, goal.at, rng) if rng.random() < MISS_SHARE else goal


def _beside(world: BlockWorld, at: Place, rng: np.random.Generator) -> _Goal:
    angle, aside_m = rng.uniform(0.0, 2.0 * math.pi), rng.uniform(*MISS_M)
    place = (at[0] + aside_m * math.sin(angle), at[1], at[2] + aside_m * math.cos(angle))
    return _Goal(place, partial(_is_near, world, place, 0.5))


def _is_near(world: BlockWorld, at: Place, radius_m: float) -> bool:
    return math.hypot(world.pose.x - at[0], world.pose.z - at[2]) < radius_m


def _is_taken(world: BlockWorld, gem: tuple[int, int, int]) -> bool:
    return world.voxels.block(*gem) != Block.GEM


def _walk_to(world: BlockWorld, goal: _Goal, rng: np.random.Generator) -> Iterator[Action]:
    """Straight there: steps are jumped over, and who cannot get on turns away for a while."""
    manner = _Manner(bool(rng.random() < SPRINT_SHARE), bool(rng.random() < GAZE_SHARE))
    halted = 0
    for _ in range(PATIENCE_TICKS):
        if goal.reached():
            return
        before = world.pose
        action = _towards(goal.at, before, manner, rng, jump=halted >= STUCK_TICKS)
        yield action
        moved_m = math.hypot(world.pose.x - before.x, world.pose.z - before.z)
        halted = halted + 1 if action.forward and moved_m < STUCK_M else 0
        if halted >= LOST_TICKS:
            yield from _turn_away(rng)
            halted = 0


def _towards(
    at: Place, eye: Pose, manner: _Manner, rng: np.random.Generator, *, jump: bool
) -> Action:
    dx, dy, dz = at[0] - eye.x, at[1] - eye.y, at[2] - eye.z
    bearing_deg = math.degrees(math.atan2(dx, -dz))
    aside_deg = (bearing_deg - eye.yaw_deg + 180.0) % 360.0 - 180.0
    gaze_deg = math.degrees(math.atan2(-dy, math.hypot(dx, dz))) if manner.gaze else 0.0
    pitch_deg = min(max(gaze_deg, RESTING_PITCH_DEG), 60.0)
    return Action(
        forward=abs(aside_deg) < 60.0,
        sprint=manner.sprint,
        jump=jump,
        yaw_deg=float(np.clip(0.4 * aside_deg + rng.normal(0.0, 0.8), -TURN_DEG, TURN_DEG)),
        pitch_deg=float(np.clip(0.25 * (pitch_deg - eye.pitch_deg), -NOD_DEG, NOD_DEG)),
    )


def _turn_away(rng: np.random.Generator) -> Iterator[Action]:
    turn_deg = float(rng.choice((-1.0, 1.0)) * rng.uniform(60.0, 120.0)) / 8
    for tick in range(20):
        yield Action(forward=tick >= 8, jump=tick >= 8, yaw_deg=turn_deg if tick < 8 else 0.0)


def _linger(rng: np.random.Generator) -> Iterator[Action]:
    """Stand, walk on or back off for a moment, turning."""
    kind, turn_deg = rng.choice(("stand", "on", "back")), float(rng.normal(0.0, 5.0))
    held = Action(forward=bool(kind == "on"), back=bool(kind == "back"), yaw_deg=turn_deg)
    for _ in range(int(rng.integers(4, 16))):
        yield held
