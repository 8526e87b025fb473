"""The body on the surfaces that memory knows: floors, walls, steps, jumps, falls."""

from __future__ import annotations

import numpy as np
import pytest

from worldsim.engine import footing
from worldsim.engine.footing import (
    EYE_M,
    GROUNDED_M,
    Surroundings,
    lookout,
    step_on,
    underfoot,
)
from worldsim.envs.blocks import physics
from worldsim.types import TICK_S, Pose

WALK_M = 0.2
AHEAD = Pose(0.0, EYE_M, 0.0)  # looks along -z


def flat(height_m: float, near_z: float, far_z: float, spacing_m: float = 0.08) -> np.ndarray:
    x, z = np.meshgrid(np.arange(-1.5, 1.5, spacing_m), np.arange(far_z, near_z, spacing_m))
    return np.stack((x, np.full_like(x, height_m), z), axis=-1).reshape(-1, 3)


def wall(z: float, top_m: float) -> np.ndarray:
    x, y = np.meshgrid(np.arange(-1.5, 1.5, 0.08), np.arange(0.04, top_m, 0.08))
    return np.stack((x, y, np.full_like(x, z)), axis=-1).reshape(-1, 3)


def known(*surfaces: np.ndarray) -> Surroundings:
    return Surroundings(np.concatenate(surfaces).astype(np.float32))


def walked(around: Surroundings, ticks: int, *, jump: bool = False, start: Pose = AHEAD) -> Pose:
    here, rise_m = start, 0.0
    for _ in range(ticks):
        there = here.moved_along(0.0, 0.0, WALK_M)
        after = step_on(around, lambda: around, here, there, rise_m, jump=jump)
        here, rise_m = after, after.y - here.y
    return here


MEADOW = known(flat(0.0, 1.0, -9.0))
TERRACE = known(flat(0.0, 1.0, -2.0), wall(-2.0, 1.0), flat(1.0, -2.0, -9.0))
CLIFF = known(flat(0.0, 1.0, -2.0), flat(-3.0, -2.0, -9.0))


def test_the_body_in_the_dream_is_that_of_the_true_world() -> None:
    assert footing.EYE_M == physics.EYE_M
    assert pytest.approx(physics.WIDTH_M / 2) == footing.BODY_M
    assert pytest.approx(physics.JUMP_M_S * TICK_S) == footing.JUMP_M
    assert pytest.approx(physics.GRAVITY_M_S2 * TICK_S**2) == footing.GRAVITY_M


def test_on_level_ground_a_body_keeps_its_height() -> None:
    after = walked(MEADOW, 20)
    assert after.z == pytest.approx(-20 * WALK_M)
    assert after.y == pytest.approx(EYE_M, abs=1e-6)


def test_a_body_at_a_slightly_wrong_height_finds_the_ground() -> None:
    for error_m in (-0.8 * GROUNDED_M, 0.8 * GROUNDED_M):
        after = walked(MEADOW, 15, start=AHEAD.moved(0.0, error_m, 0.0))
        assert after.y == pytest.approx(EYE_M, abs=0.01)


def test_a_wall_stops_a_body_before_it() -> None:
    after = walked(TERRACE, 30)
    assert -1.3 < after.z < -1.0
    assert after.y == pytest.approx(EYE_M, abs=0.01)


def test_a_wall_beside_the_eyes_may_be_nearer_than_one_before_them() -> None:
    start = AHEAD.turned(90.0, 0.0)
    here = start
    for _ in range(30):
        here = step_on(TERRACE, lambda: TERRACE, here, here.moved(0.0, 0.0, -0.1), 0.0, jump=False)
    assert -2.0 < here.z < -1.6


def test_a_body_goes_through_a_door() -> None:
    left, right = (wall(-2.0, 3.0) + np.array((side * 2.0, 0.0, 0.0)) for side in (-1, 1))
    assert walked(known(flat(0.0, 1.0, -9.0), left, right), 30).z < -4.0


def test_a_body_slides_along_a_wall() -> None:
    here = Pose(0.0, EYE_M, -1.25)
    after = step_on(TERRACE, lambda: TERRACE, here, here.moved(0.15, 0.0, -0.15), 0.0, jump=False)
    assert (after.x, after.z) == pytest.approx((0.15, -1.25))


def test_a_body_slides_along_a_ragged_wall_that_its_nose_meets_at_an_angle() -> None:
    ragged = wall(-1.0, 3.0) * (3.0, 1.0, 1.0)
    ragged[:, 2] += 0.2 * np.sin(6.0 * ragged[:, 0])  # as walls are that were seen from afar
    start = AHEAD.turned(50.0, 0.0)
    after = walked(known(flat(0.0, 1.0, -9.0), ragged), 20, start=start)
    assert after.x > 1.5
    assert after.z > -0.8


def test_a_jump_leads_up_a_block() -> None:
    after = walked(TERRACE, 40, jump=True)
    assert after.z < -4.0
    assert after.y > EYE_M + 0.95


def test_over_an_edge_a_body_falls_and_lands() -> None:
    assert walked(CLIFF, 14).y < EYE_M - 0.1
    assert walked(CLIFF, 40).y == pytest.approx(EYE_M - 3.0, abs=0.01)


def test_a_body_falls_onto_ground_that_was_only_seen_from_afar() -> None:
    sparse = known(flat(0.0, 1.0, -2.0), flat(-3.0, -2.0, -9.0, spacing_m=0.35))
    assert walked(sparse, 40).y == pytest.approx(EYE_M - 3.0, abs=0.01)


def test_the_foot_of_a_wall_beside_a_body_does_not_lift_it() -> None:
    sparse = known(flat(0.0, 1.0, -9.0, spacing_m=0.35), wall(-1.0, 3.0))
    after = walked(sparse, 20)
    assert after.z > -1.0
    assert after.y == pytest.approx(EYE_M, abs=1e-6)


def test_a_body_inside_of_something_can_leave_it() -> None:
    buried = AHEAD.moved(0.0, 0.0, -2.0)
    assert (
        step_on(TERRACE, lambda: TERRACE, buried, buried.moved(0.0, 0.0, 0.2), 0.0, jump=False).z
        > buried.z
    )


def test_where_nothing_is_known_a_body_floats_on() -> None:
    there = AHEAD.moved(0.0, 0.0, 50.0)
    assert step_on(MEADOW, lambda: MEADOW, AHEAD, there, -0.3, jump=False) == there


def test_ground_is_looked_up_below_the_feet() -> None:
    places = underfoot(AHEAD)
    assert (places[:, 1] < 0.0).all()
    assert (places[:, (0, 2)] == 0.0).all()


def test_the_lookout_sees_the_place_from_behind() -> None:
    view = lookout(AHEAD, AHEAD.moved_along(0.0, 0.0, WALK_M))
    assert view.z == pytest.approx(2.0 - WALK_M)
    assert view.pitch_deg > 0.0
