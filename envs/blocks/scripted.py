"""Scripted players, one for each task: what somebody who knows the world's seed can score.

They are told nothing but the pose, so they play in the truth and in a dream alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from typing import Final

import numpy as np

from worldsim.actions import FULL_TURN_DEG
from worldsim.envs.blocks.blocks import Block
from worldsim.envs.blocks.physics import Hit, pick, touches
from worldsim.envs.blocks.routes import Spot, route
from worldsim.envs.blocks.world import BlockWorld
from worldsim.types import Action, Pose

NEAR_M: Final = 0.5
PATIENCE_TICKS: Final = 60  # for one column of a way
STUCK_M: Final = 0.04  # less than this a tick is no progress
JUMP_AFTER, LEAVE_AFTER = 2, 12  # ticks without progress
GAZE_DEG: Final = 1.0
LOOK_DOWN_DEG: Final = 50.0
JUMP_M, JUMP_TICKS = 1.5, 6  # how high a jump is after so many ticks
SEARCH_M: Final = 24  # gems farther than this along x or z are left where they are
RING_M: Final = 5.0  # between the rounds of an explorer's spiral

Script = Generator[Action, Pose, Pose]


class ScriptedPlayer:
    """Plays one episode after the other; `begin` one, then ask for an action at every pose.

    Turns are at most 30 degrees a tick, so that every view but `discrete` can express them.
    """

    def __init__(self, task: str) -> None:
        self._world = BlockWorld(task=task)
        self._task = task
        self._script: Script | None = None

    def begin(self, world_seed: int, scene: str | None = None) -> None:
        """The episode whose `info["world_seed"]` this is."""
        self._world.prepare(seed=world_seed, scene=scene)
        self._script = None

    def act(self, eye: Pose) -> Action:
        """What to do at this pose, metres and degrees; nothing when all is done."""
        try:
            if self._script is None:
                self._script = _SCRIPTS[self._task](self._world, eye)
                return next(self._script)
            return self._script.send(eye)
        except StopIteration:
            self._script = _stand()
            return next(self._script)


def _stand() -> Script:
    while True:
        yield Action()


def _reach(world: BlockWorld, eye: Pose) -> Script:
    return (yield from travel(world, eye, _spot(world.goals.beacon)))


def _return(world: BlockWorld, eye: Pose) -> Script:
    eye = yield from travel(world, eye, _spot(world.goals.beacon))
    return (yield from travel(world, eye, _spot(world.goals.gem or world.goals.home)))


def _gems(world: BlockWorld, eye: Pose) -> Script:
    """Always the nearest that is left."""
    x0, z0 = math.floor(eye.x) - SEARCH_M, math.floor(eye.z) - SEARCH_M
    blocks = world.voxels.columns(x0, z0, 2 * SEARCH_M, 2 * SEARCH_M)
    left = [(x0 + x + 0.5, z0 + z + 0.5) for x, _, z in np.argwhere(blocks == Block.GEM).tolist()]
    while left:
        nearest = min(left, key=lambda spot: math.dist(spot, (eye.x, eye.z)))
        left.remove(nearest)
        eye = yield from travel(world, eye, nearest)
    return eye


def _explore(world: BlockWorld, eye: Pose) -> Script:
    """Outwards in a spiral."""
    home = (eye.x, eye.z)
    for turn in range(200):
        angle, radius_m = turn * math.pi / 4, RING_M * (1 + turn / 8)
        spot = (home[0] + radius_m * math.sin(angle), home[1] - radius_m * math.cos(angle))
        eye = yield from travel(world, eye, spot)
    return eye


def _build(world: BlockWorld, eye: Pose) -> Script:
    """Three planks on one another, on the first ground around that takes them."""
    for _ in range(12):
        eye = yield from _gaze(eye, eye.yaw_deg, LOOK_DOWN_DEG)
        hit = pick(eye, world.voxels.block)
        if hit is not None and _takes_a_pillar(world, hit):
            return (yield from _pile(eye, hit.before))
        eye = yield from _gaze(eye, eye.yaw_deg + FULL_TURN_DEG, LOOK_DOWN_DEG)
    return eye


def _takes_a_pillar(world: BlockWorld, hit: Hit) -> bool:
    x, y, z = hit.before
    free = all(world.voxels.block(x, y + up, z) == Block.AIR for up in range(4))
    return free and hit.block == (x, y - 1, z) and not touches(world.body, hit.before)


def _pile(eye: Pose, cell: tuple[int, int, int]) -> Script:
    """The third plank's place is out of sight from the ground: it is put from a jump."""
    x, y, z = cell
    eye = yield Action(use=True)
    eye = yield Action()
    eye = yield from _gaze(eye, *_angles(eye, (x + 0.5, y + 1.0, z + 0.5)))
    eye = yield Action(use=True)
    eye = yield Action()
    top = (x + 0.5, y + 2.0 - JUMP_M, z + 0.5)  # as seen from JUMP_M higher
    eye = yield from _gaze(eye, *_angles(eye, top))
    eye = yield Action(jump=True)
    for _ in range(JUMP_TICKS - 2):
        eye = yield Action()
    return (yield Action(use=True))


def travel(world: BlockWorld, eye: Pose, goal: Spot) -> Script:
    """Along a walker's way to a column of the world, as the world is now."""
    for spot in route(world.voxels, (eye.x, eye.z), goal):
        eye = yield from _walk(eye, spot)
    return eye


def _walk(eye: Pose, spot: Spot) -> Script:
    """Straight there: steps are jumped over, and who is stuck takes a few steps aside."""
    halted = 0
    for _ in range(PATIENCE_TICKS):
        if math.dist((eye.x, eye.z), spot) <= NEAR_M:
            break
        bearing, _ = _angles(eye, (spot[0], eye.y, spot[1]))
        aside = _turn(bearing - eye.yaw_deg)
        ahead = abs(aside) < 45.0
        action = Action(
            forward=ahead,
            right=halted > LEAVE_AFTER,
            jump=ahead and halted >= JUMP_AFTER,
            yaw_deg=_clipped(aside),
            pitch_deg=_clipped(-eye.pitch_deg),
        )
        before = eye
        eye = yield action
        stuck = ahead and math.dist((eye.x, eye.z), (before.x, before.z)) < STUCK_M
        halted = halted + 1 if stuck else max(halted - 1, 0)
    return eye


def _gaze(eye: Pose, yaw_deg: float, pitch_deg: float) -> Script:
    for _ in range(PATIENCE_TICKS):
        aside, down = _turn(yaw_deg - eye.yaw_deg), pitch_deg - eye.pitch_deg
        if max(abs(aside), abs(down)) <= GAZE_DEG:
            break
        eye = yield Action(yaw_deg=_clipped(aside), pitch_deg=_clipped(down))
    return eye


def _angles(eye: Pose, at: tuple[float, float, float]) -> tuple[float, float]:  # yaw, pitch
    right, up, back = at[0] - eye.x, at[1] - eye.y, at[2] - eye.z
    yaw_deg = math.degrees(math.atan2(right, -back))
    return yaw_deg, math.degrees(math.atan2(-up, math.hypot(right, back)))


def _turn(angle_deg: float) -> float:  # the shorter way round
    return (angle_deg + 180.0) % 360.0 - 180.0


def _clipped(turn_deg: float) -> float:
    return min(max(turn_deg, -FULL_TURN_DEG), FULL_TURN_DEG)


def _spot(at: tuple[float, float, float]) -> Spot:
    return at[0], at[2]


_SCRIPTS: Final[dict[str, Callable[[BlockWorld, Pose], Script]]] = {
    "reach": _reach,
    "gems": _gems,
    "return": _return,
    "explore": _explore,
    "build": _build,
    "maze": _reach,
}
