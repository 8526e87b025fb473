"""From where the horizon is looked at."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from worldsim.camera import pixel_rays
from worldsim.engine.footing import EYE_M
from worldsim.engine.vantage import AHEAD_M, NEAREST_AHEAD_M, SPARE_M, vantage
from worldsim.model.presets import preset
from worldsim.types import SKY_DEPTH_M, Observation, Pose

CAMERA = preset("small").intrinsics
HERE = Pose(3.0, 10.0, -2.0, yaw_deg=40.0)


def ground(slope: float = 0.0) -> NDArray[np.float32]:  # [H, W]
    """Depths of a plain under the eye that rises by so much a metre ahead, and of a sky."""
    rays = pixel_rays(CAMERA, "cpu").numpy()
    falls = slope - rays[..., 1]  # towards the plain, a metre ahead
    return np.where(falls > 0.05, EYE_M / falls.clip(min=0.05), SKY_DEPTH_M).astype(np.float32)


def seen(depth: NDArray[np.float32], pose: Pose = HERE) -> Observation:
    return Observation(np.zeros((*depth.shape, 3), np.uint8), depth, pose)


def walled(distance_m: float) -> NDArray[np.float32]:  # [H, W]
    return np.minimum(ground(), np.float32(distance_m))


def gone(there: Pose) -> tuple[float, float, float]:  # right, up and forward, metres
    return there.displacement_from(HERE)


@pytest.mark.parametrize("slope", [-0.15, 0.0, 0.1])
def test_a_body_that_stands_on_the_ground_ahead_looks_on(slope: float) -> None:
    there = vantage(seen(ground(slope)), HERE, CAMERA)
    assert gone(there) == pytest.approx((0.0, slope * AHEAD_M, AHEAD_M), abs=0.4)
    assert (there.yaw_deg, there.pitch_deg) == (HERE.yaw_deg, 0.0)


def test_it_looks_level_wherever_the_eye_looks() -> None:
    low = Pose(HERE.x, HERE.y, HERE.z, HERE.yaw_deg, pitch_deg=15.0)
    assert vantage(seen(ground()), low, CAMERA).pitch_deg == 0.0


def test_it_stays_before_what_is_in_the_way() -> None:
    there = vantage(seen(walled(9.0)), HERE, CAMERA)
    assert gone(there)[2] == pytest.approx(9.0 - SPARE_M, abs=0.1)


def test_close_to_a_wall_or_over_no_ground_it_looks_from_where_it_is() -> None:
    nothing = np.full((CAMERA.height, CAMERA.width), SKY_DEPTH_M, np.float32)
    assert vantage(seen(walled(NEAREST_AHEAD_M)), HERE, CAMERA) == HERE
    assert vantage(seen(nothing), HERE, CAMERA) == HERE
