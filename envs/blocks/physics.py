"""The player's body at 20 Hz: walking, jumping, swimming, and picking the block looked at."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from worldsim.envs.blocks.blocks import PASSABLE, Block
from worldsim.types import TICK_S, Action, Pose

WIDTH_M: Final = 0.6
HEIGHT_M: Final = 1.8
EYE_M: Final = 1.62
REACH_M: Final = 4.5

WALK_M_S: Final = 4.3
SPRINT_M_S: Final = 5.6
SNEAK_M_S: Final = 1.4
SWIM_FACTOR: Final = 0.55
GRAVITY_M_S2: Final = 28.0
JUMP_M_S: Final = 8.9  # rises 1.2 m: clears one block
FALL_M_S: Final = 30.0  # terminal speed
SINK_M_S: Final = 1.2
STROKE_M_S: Final = 3.0  # swimming up
LEAP_M_S: Final = 10.0  # out of the water onto a bank
GRIP: Final = 0.65  # share of the wanted velocity gained in one tick on the ground
AIR_GRIP: Final = 0.25
_EPSILON: Final = 1e-6
_SWIM_LINE_M: Final = 0.4  # in water when the water reaches this far above the feet

BlockAt = Callable[[int, int, int], int]


@dataclass(frozen=True, slots=True)
class Body:
    """A box standing on its feet's middle (x, y, z), metres; velocities in m/s."""

    x: float
    y: float
    z: float
    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    vx: float = 0.0
    vy: float = 0.0
    vz: float = 0.0
    on_ground: bool = True

    @property
    def eye(self) -> Pose:
        return Pose(self.x, self.y + EYE_M, self.z, self.yaw_deg, self.pitch_deg)


@dataclass(frozen=True, slots=True)
class Hit:
    """The first block along a ray, and the cell in front of the face that was hit."""

    block: tuple[int, int, int]
    before: tuple[int, int, int]


def advance_body(body: Body, action: Action, block_at: BlockAt) -> Body:
    """One tick: turn, choose a velocity, then move along y, x and z against the blocks."""
    view = body.eye.turned(action.yaw_deg, action.pitch_deg)
    swimming = _in_water(body, block_at)
    vx, vz = _steered(body, action, view.yaw_deg, swimming)
    vy = _risen(body, action, swimming)
    x, y, z = body.x, body.y, body.z
    moved_y = _sweep((x, y, z), 1, vy * TICK_S, block_at)
    y += moved_y
    landed = vy <= 0.0 and moved_y > vy * TICK_S + _EPSILON
    careful = action.sneak and body.on_ground and not swimming
    dx = _step((x, y, z), 0, vx * TICK_S, careful, block_at)
    x += dx
    dz = _step((x, y, z), 2, vz * TICK_S, careful, block_at)
    z += dz
    blocked = abs(dx - vx * TICK_S) + abs(dz - vz * TICK_S) > _EPSILON
    leaps = swimming and action.jump and blocked
    vy = LEAP_M_S if leaps else moved_y / TICK_S if abs(moved_y - vy * TICK_S) > _EPSILON else vy
    return Body(
        x,
        y,
        z,
        view.yaw_deg,
        view.pitch_deg,
        dx / TICK_S,
        0.0 if landed else vy,
        dz / TICK_S,
        landed,
    )


def pick(eye: Pose, block_at: BlockAt, reach_m: float = REACH_M) -> Hit | None:
    """The first block that is neither air nor water along the view axis.

    Source: Amanatides and Woo 1987, "A fast voxel traversal algorithm for ray tracing".
    """
    yaw, pitch = math.radians(eye.yaw_deg), math.radians(eye.pitch_deg)
    flat = math.cos(pitch)
    ray = (math.sin(yaw) * flat, -math.sin(pitch), -math.cos(yaw) * flat)
    start = (eye.x, eye.y, eye.z)
    cell = [math.floor(v) for v in start]
    step = [1 if d > 0 else -1 for d in ray]
    per_cell = [1.0 / abs(d) if abs(d) > 1e-12 else math.inf for d in ray]
    edge = [
        (c + (s > 0) - o) * s * p if p < math.inf else math.inf
        for c, s, o, p in zip(cell, step, start, per_cell, strict=True)
    ]
    while min(edge) <= reach_m:
        axis = edge.index(min(edge))
        before = (cell[0], cell[1], cell[2])
        cell[axis] += step[axis]
        edge[axis] += per_cell[axis]
        if block_at(cell[0], cell[1], cell[2]) not in (Block.AIR, Block.WATER):
            return Hit((cell[0], cell[1], cell[2]), before)
    return None


def touches(body: Body, cell: tuple[int, int, int]) -> bool:
    """Whether the body's box overlaps a block's cube."""
    half = WIDTH_M / 2
    return (
        body.x - half < cell[0] + 1
        and body.x + half > cell[0]
        and body.y < cell[1] + 1
        and body.y + HEIGHT_M > cell[1]
        and body.z - half < cell[2] + 1
        and body.z + half > cell[2]
    )


def cells_of(body: Body) -> list[tuple[int, int, int]]:
    """The cells the body's box lies in."""
    (x0, x1), (y0, y1), (z0, z1) = (_span((body.x, body.y, body.z), axis) for axis in range(3))
    return [
        (x, y, z) for x in range(x0, x1 + 1) for y in range(y0, y1 + 1) for z in range(z0, z1 + 1)
    ]


def _steered(
    body: Body, action: Action, yaw_deg: float, swimming: bool
) -> tuple[float, float]:  # vx, vz in m/s
    ahead = float(action.forward) - float(action.back)
    aside = float(action.right) - float(action.left)
    length = math.hypot(ahead, aside) or 1.0
    speed = WALK_M_S
    if action.sneak:
        speed = SNEAK_M_S
    elif action.sprint and ahead > 0:
        speed = SPRINT_M_S
    speed *= SWIM_FACTOR if swimming else 1.0
    sin, cos = math.sin(math.radians(yaw_deg)), math.cos(math.radians(yaw_deg))
    want_x = (ahead * sin + aside * cos) / length * speed
    want_z = (-ahead * cos + aside * sin) / length * speed
    grip = GRIP if body.on_ground or swimming else AIR_GRIP
    vx = body.vx + (want_x - body.vx) * grip
    vz = body.vz + (want_z - body.vz) * grip
    return _settled(vx), _settled(vz)


def _settled(speed: float) -> float:
    return 0.0 if abs(speed) < 0.02 else speed


def _risen(body: Body, action: Action, swimming: bool) -> float:  # vy in m/s
    if swimming:
        want = STROKE_M_S if action.jump else -SINK_M_S
        return body.vy + (want - body.vy) * 0.3
    if action.jump and body.on_ground:
        return JUMP_M_S
    return max(body.vy - GRAVITY_M_S2 * TICK_S, -FALL_M_S)


def _in_water(body: Body, block_at: BlockAt) -> bool:
    at = (math.floor(body.x), math.floor(body.y + _SWIM_LINE_M), math.floor(body.z))
    return block_at(*at) == Block.WATER


def _span(place: tuple[float, float, float], axis: int) -> tuple[int, int]:
    """The first and last cell that the box covers along an axis."""
    low = place[axis] - (0.0 if axis == 1 else WIDTH_M / 2)
    high = low + (HEIGHT_M if axis == 1 else WIDTH_M)
    return math.floor(low + _EPSILON), math.floor(high - _EPSILON)


def _sweep(
    place: tuple[float, float, float], axis: int, distance: float, block_at: BlockAt
) -> float:
    """How far the box gets along one axis before a solid block."""
    if distance == 0.0:
        return 0.0
    low = place[axis] - (0.0 if axis == 1 else WIDTH_M / 2)
    edge = low if distance < 0 else low + (HEIGHT_M if axis == 1 else WIDTH_M)
    sign = 1 if distance > 0 else -1
    first = math.floor(edge - sign * _EPSILON) + sign
    last = math.floor(edge + distance)
    for layer in range(first, last + sign, sign):
        if _layer_solid(place, axis, layer, block_at):
            face = layer if distance > 0 else layer + 1
            free = face - edge
            return max(free, 0.0) if distance > 0 else min(free, 0.0)
    return distance


def _layer_solid(
    place: tuple[float, float, float], axis: int, layer: int, block_at: BlockAt
) -> bool:
    spans = [(layer, layer) if i == axis else _span(place, i) for i in range(3)]
    (x0, x1), (y0, y1), (z0, z1) = spans
    for x in range(x0, x1 + 1):
        for z in range(z0, z1 + 1):
            for y in range(y0, y1 + 1):
                if block_at(x, y, z) not in _PASSABLE_IDS:
                    return True
    return False


def _step(
    place: tuple[float, float, float], axis: int, distance: float, careful: bool, block_at: BlockAt
) -> float:
    """A sideways sweep; a careful one stays where there is ground underfoot."""
    moved = _sweep(place, axis, distance, block_at)
    while careful and moved != 0.0:
        there = [*place]
        there[axis] += moved
        foot = (there[0], there[1], there[2])
        if _layer_solid(foot, 1, math.floor(foot[1] - 0.05), block_at):
            break
        moved = math.copysign(max(abs(moved) - 0.05, 0.0), moved)
    return moved


_PASSABLE_IDS: Final = frozenset(int(block) for block in PASSABLE)
