"""Actions, poses and clips: what they accept, and how a pose turns."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worldsim.errors import ActionError, SceneError
from worldsim.types import (
    BUTTONS,
    MAX_PITCH_DEG,
    MAX_TURN_DEG,
    Action,
    Clip,
    Observation,
    Pose,
    require_seed,
)

turns = st.floats(-1000.0, 1000.0)
poses = st.builds(
    Pose,
    *[st.floats(-100.0, 100.0)] * 3,
    st.floats(-180.0, 180.0, exclude_max=True),
    st.floats(-MAX_PITCH_DEG, MAX_PITCH_DEG),
)


@pytest.mark.parametrize("name", ["yaw_deg", "pitch_deg"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, MAX_TURN_DEG + 0.1, -181.0])
def test_a_camera_motion_that_is_not_finite_or_too_large_is_refused_by_name(name, value):
    with pytest.raises(ActionError, match=name):
        Action(**{name: value})


@pytest.mark.parametrize("name", BUTTONS)
@pytest.mark.parametrize("value", [1, 0.5, "yes", None])
def test_a_button_that_is_not_a_bool_is_refused_by_name(name, value):
    with pytest.raises(ActionError, match=name):
        Action(**{name: value})


def test_an_error_says_expected_got_and_remedy_and_survives_pickling():
    with pytest.raises(ActionError) as caught:
        Action(yaw_deg=200.0)
    error = pickle.loads(pickle.dumps(caught.value))
    assert str(error) == f"expected {error.expected}; got 200.0. {error.remedy}"
    assert type(error) is ActionError


@given(poses, turns, turns)
def test_turning_wraps_yaw_clamps_pitch_and_stays_in_place(pose, yaw_deg, pitch_deg):
    turned = pose.turned(yaw_deg, pitch_deg)
    assert -180.0 <= turned.yaw_deg < 180.0
    assert abs(turned.pitch_deg) <= MAX_PITCH_DEG
    assert np.array_equal(turned.position(), pose.position())
    difference = turned.yaw_deg - pose.yaw_deg - yaw_deg
    assert math.cos(math.radians(difference)) == pytest.approx(1.0, abs=1e-9)


@given(poses, st.floats(-80.0, 80.0))
def test_turning_there_and_back_returns(pose, yaw_deg):
    again = pose.turned(yaw_deg, 0.0).turned(-yaw_deg, 0.0)
    assert again.yaw_deg == pytest.approx(pose.yaw_deg, abs=1e-9)


@given(poses, *[st.floats(-10.0, 10.0)] * 3)
def test_moving_adds_to_the_position_and_keeps_the_view(pose, dx, dy, dz):
    moved = pose.moved(dx, dy, dz)
    np.testing.assert_allclose(moved.position() - pose.position(), (dx, dy, dz), atol=1e-9)
    assert (moved.yaw_deg, moved.pitch_deg) == (pose.yaw_deg, pose.pitch_deg)


def test_a_clip_has_one_observation_more_than_actions():
    seen = Observation(np.zeros((2, 2, 3), np.uint8), np.ones((2, 2), np.float32), Pose(0, 0, 0))
    Clip((seen, seen), (Action(),))
    with pytest.raises(ActionError, match="2 observations and 2 actions"):
        Clip((seen, seen), (Action(), Action()))


@pytest.mark.parametrize("seed", [-1, True, False, np.True_, 1.0, "5", 2**63, np.float32(3), [3]])
def test_a_seed_that_is_no_whole_number_from_zero_is_refused(seed: object) -> None:
    with pytest.raises(SceneError, match="seed"):
        require_seed(seed)


@pytest.mark.parametrize("seed", [0, 7, 2**63 - 1, np.int64(5), np.uint8(5)])
def test_whole_numbers_are_seeds(seed: int) -> None:
    assert require_seed(seed) == int(seed)
    assert type(require_seed(seed)) is int
