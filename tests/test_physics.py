"""The body against simple block layouts."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from worldsim.envs.blocks.blocks import SOLID, Block
from worldsim.envs.blocks.physics import (
    REACH_M,
    SPRINT_M_S,
    WALK_M_S,
    WIDTH_M,
    BlockAt,
    Body,
    advance_body,
    cells_of,
    pick,
    touches,
)
from worldsim.envs.blocks.voxels import VoxelWorld
from worldsim.types import TICK_HZ, Action, Pose

FLOOR = 10  # the first free y


def land(**boxes: tuple[int, int, int]) -> BlockAt:
    """A stone floor below FLOOR, and named single blocks on it (named by their kind)."""
    extra = {place: int(Block[name.rstrip("0123456789").upper()]) for name, place in boxes.items()}

    def block_at(x: int, y: int, z: int) -> int:
        return extra.get((x, y, z), int(Block.STONE if y < FLOOR else Block.AIR))

    return block_at


def wall_ahead(height: int) -> BlockAt:
    """A floor, and a wall of a height at z <= -3."""
    return lambda x, y, z: int(Block.STONE if y < FLOOR + (height if z <= -3 else 0) else Block.AIR)


def pool(x: int, y: int, z: int) -> int:
    """Water 5 m deep for z > -3, a bank level with its surface beyond."""
    if y < FLOOR - 5 or (z <= -3 and y < FLOOR):
        return int(Block.STONE)
    return int(Block.WATER if y < FLOOR else Block.AIR)


def after(body: Body, action: Action, ticks: int, block_at: BlockAt) -> Body:
    for _ in range(ticks):
        body = advance_body(body, action, block_at)
    return body


STANDING = Body(0.5, FLOOR, 0.5)


def test_a_body_at_rest_stays_at_rest() -> None:
    assert after(STANDING, Action(), 100, land()) == STANDING


@pytest.mark.parametrize(
    ("action", "speed"),
    [(Action(forward=True), WALK_M_S), (Action(forward=True, sprint=True), SPRINT_M_S)],
)
def test_walking_and_sprinting_reach_their_speed(action: Action, speed: float) -> None:
    body = after(STANDING, action, TICK_HZ, land())
    assert -body.vz == pytest.approx(speed, rel=1e-3)
    assert body.x == pytest.approx(0.5) and body.y == FLOOR


@pytest.mark.parametrize(("yaw", "dx", "dz"), [(0, 0, -1), (90, 1, 0), (180, 0, 1), (-90, -1, 0)])
def test_forward_goes_where_the_eye_looks(yaw: float, dx: int, dz: int) -> None:
    body = after(replace(STANDING, yaw_deg=yaw), Action(forward=True), 20, land())
    way = np.array((body.x - 0.5, body.z - 0.5))
    np.testing.assert_allclose(way / np.linalg.norm(way), (dx, dz), atol=1e-6)


def test_right_is_to_the_right_of_forward() -> None:
    assert after(STANDING, Action(right=True), 10, land()).x > 1.0


def test_diagonal_walking_is_not_faster() -> None:
    body = after(STANDING, Action(forward=True, right=True), 20, land())
    assert math.hypot(body.vx, body.vz) == pytest.approx(WALK_M_S, rel=1e-3)


def test_a_wall_stops_the_body_at_its_face() -> None:
    body = after(STANDING, Action(forward=True), 40, wall_ahead(3))
    assert body.z - WIDTH_M / 2 == pytest.approx(-2.0)
    assert body.vz == 0.0


def test_a_wall_lets_the_body_slide_along_it() -> None:
    body = after(replace(STANDING, yaw_deg=45.0), Action(forward=True), 60, wall_ahead(3))
    assert body.x > 5.0


@pytest.mark.parametrize(("height", "climbs"), [(1, True), (2, False)])
def test_a_jump_clears_one_block_and_not_two(height: int, climbs: bool) -> None:
    body = after(STANDING, Action(forward=True, jump=True), 40, wall_ahead(height))
    assert (body.z < -3.0) == climbs


def test_walking_alone_does_not_climb_a_block() -> None:
    assert after(STANDING, Action(forward=True), 40, wall_ahead(1)).z > -2.0


def test_a_ceiling_ends_a_jump() -> None:
    roof = land(stone1=(0, FLOOR + 2, 0))
    highest, body = 0.0, STANDING
    for _ in range(20):
        body = advance_body(body, Action(jump=True), roof)
        highest = max(highest, body.y)
    assert highest == pytest.approx(FLOOR + 0.2)


def test_a_fast_fall_ends_on_the_floor() -> None:
    body = after(Body(0.5, FLOOR + 200.0, 0.5, on_ground=False), Action(), 300, land())
    assert body.y == FLOOR and body.on_ground


def test_sneaking_stops_at_an_edge_and_walking_does_not() -> None:
    def cliff(x: int, y: int, z: int) -> int:
        return int(Block.STONE if y < (FLOOR if z >= -1 else FLOOR - 6) else Block.AIR)

    assert after(STANDING, Action(forward=True, sneak=True), 100, cliff).y == FLOOR
    assert after(STANDING, Action(forward=True), 100, cliff).y == FLOOR - 6


def test_water_slows_a_fall_and_jump_swims_up() -> None:
    sunk = after(Body(0.5, FLOOR - 1.0, 0.5, on_ground=False), Action(), 20, pool)
    assert FLOOR - 3.0 < sunk.y < FLOOR - 1.5
    assert after(sunk, Action(jump=True), 40, pool).y > FLOOR - 1.0


def test_a_swimmer_climbs_out_onto_a_bank() -> None:
    body = Body(0.5, FLOOR - 1.0, 0.5, on_ground=False)
    assert after(body, Action(forward=True, jump=True), 120, pool).z < -3.5


def test_pitch_is_clamped_and_yaw_wraps() -> None:
    body = after(STANDING, Action(yaw_deg=100.0, pitch_deg=60.0), 3, land())
    assert body.pitch_deg == 89.0 and body.yaw_deg == pytest.approx(-60.0)


def test_picking_finds_the_block_and_the_cell_before_its_face() -> None:
    hit = pick(Pose(0.5, FLOOR + 0.5, 0.5), land(brick=(0, FLOOR, -3)))
    assert hit is not None
    assert hit.block == (0, FLOOR, -3) and hit.before == (0, FLOOR, -2)


def test_picking_looks_through_water_and_not_beyond_reach() -> None:
    eye = Pose(0.5, FLOOR + 0.5, 0.6)
    assert pick(eye, land(water=(0, FLOOR, -1), brick=(0, FLOOR, -2))) is not None
    far = -int(REACH_M) - 1
    assert pick(eye, land(brick=(0, FLOOR, far))) is None


def test_picking_down_hits_the_floor() -> None:
    hit = pick(Pose(0.5, FLOOR + 1.6, 0.5, 0.0, 89.0), land())
    assert hit is not None and hit.block == (0, FLOOR - 1, 0)


def test_a_body_touches_the_cells_it_lies_in() -> None:
    assert all(touches(STANDING, cell) for cell in cells_of(STANDING))
    assert not touches(STANDING, (0, FLOOR - 1, 0))
    assert not touches(STANDING, (1, FLOOR, 0))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_wild_body_never_enters_a_solid_block(seed: int) -> None:
    world, rng = VoxelWorld(seed), np.random.default_rng(seed)
    body = Body(0.5, 60.0, 0.5, on_ground=False)
    for _ in range(600):
        buttons = {
            name: bool(rng.random() < 0.4)
            for name in ("forward", "left", "right", "jump", "sprint", "sneak")
        }
        body = advance_body(body, Action(**buttons, yaw_deg=rng.normal() * 20), world.block)
        assert not any(world.block(*cell) in SOLID for cell in cells_of(body))
        assert body.y > 0.0
