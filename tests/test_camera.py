"""Cameras: signs of yaw and pitch, projection and its inverse, Plücker rays in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from worldsim.camera import (
    RAY_SCALE_M,
    Intrinsics,
    invert_rigid,
    pixel_rays,
    plucker_rays,
    pose_matrices,
    pose_matrix,
    project,
    unproject,
)
from worldsim.errors import ConfigError
from worldsim.types import Pose

SMALL = Intrinsics(width=9, height=5)  # odd, so that one pixel looks along the axis
poses = st.builds(
    Pose, *[st.floats(-50.0, 50.0)] * 3, st.floats(-180.0, 180.0), st.floats(-89.0, 89.0)
)
cameras = st.builds(
    Intrinsics,
    width=st.integers(1, 12),
    height=st.integers(1, 12),
    fov_y_deg=st.floats(20.0, 120.0),
)


def matrix(pose: Pose) -> torch.Tensor:  # [4, 4]
    return torch.from_numpy(pose_matrices([pose]))[0]


def looking(pose: Pose) -> np.ndarray:  # [3], by the definition of yaw and pitch
    yaw, pitch = math.radians(pose.yaw_deg), math.radians(pose.pitch_deg)
    return np.array(
        (math.sin(yaw) * math.cos(pitch), -math.sin(pitch), -math.cos(yaw) * math.cos(pitch))
    )


@given(poses)
def test_a_pose_matrix_is_a_rotation_and_a_translation(pose):
    world_from_camera = pose_matrix(pose).astype(float)
    rotation = world_from_camera[:3, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-5)
    assert np.linalg.det(rotation) == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_allclose(world_from_camera[:3, 3], pose.position(), rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(world_from_camera[3], (0, 0, 0, 1))


@given(poses)
def test_the_camera_looks_where_yaw_and_pitch_say_without_roll(pose):
    world_from_camera = pose_matrix(pose)
    np.testing.assert_allclose(-world_from_camera[:3, 2], looking(pose), atol=1e-6)
    assert world_from_camera[1, 0] == 0.0  # the right axis stays level
    assert world_from_camera[1, 1] > 0.0  # the up axis points up


@pytest.mark.parametrize(
    ("yaw_deg", "pitch_deg", "direction"),
    [(0, 0, (0, 0, -1)), (90, 0, (1, 0, 0)), (-90, 0, (-1, 0, 0)), (0, 89.999, (0, -1, 0))],
)
def test_yaw_turns_right_and_pitch_turns_down(yaw_deg, pitch_deg, direction):
    forward = -pose_matrix(Pose(0, 0, 0, yaw_deg, pitch_deg))[:3, 2]
    np.testing.assert_allclose(forward, direction, atol=1e-4)


@given(st.lists(poses, min_size=1, max_size=4))
def test_many_matrices_equal_single_ones(many):
    np.testing.assert_array_equal(pose_matrices(many), [pose_matrix(pose) for pose in many])


@given(poses)
def test_inverting_a_pose_matrix_undoes_it(pose):
    product = invert_rigid(matrix(pose)) @ matrix(pose)
    torch.testing.assert_close(product, torch.eye(4), atol=2e-5, rtol=0)


@given(poses, cameras, st.floats(0.5, 60.0))
def test_projection_inverts_unprojection(pose, intrinsics, depth_m):
    ramp = torch.linspace(0.0, 1.0, intrinsics.height * intrinsics.width)
    depth = depth_m + ramp.reshape(intrinsics.height, intrinsics.width)
    points = unproject(depth, matrix(pose), intrinsics)
    pixels, again = project(points, matrix(pose), intrinsics)
    rows, columns = np.mgrid[: intrinsics.height, : intrinsics.width] + 0.5
    centres = torch.from_numpy(np.stack((columns, rows), axis=-1)).float()
    torch.testing.assert_close(pixels, centres, atol=1e-2, rtol=0)
    torch.testing.assert_close(again, depth, atol=1e-3, rtol=0)


def test_a_point_to_the_right_and_below_lands_right_and_below_the_centre():
    point = torch.tensor([[[1.0, -0.5, -4.0]]])
    (x, y), depth = (v[0, 0] for v in project(point, matrix(Pose(0, 0, 0)), SMALL))
    assert x > SMALL.width / 2
    assert y > SMALL.height / 2
    assert depth == pytest.approx(4.0)


def test_turning_right_moves_the_picture_left():
    point = torch.tensor([[[0.0, 0.0, -4.0]]])
    pixels, _ = project(point, matrix(Pose(0, 0, 0).turned(5.0, 0.0)), SMALL)
    assert pixels[0, 0, 0] < SMALL.width / 2


def test_a_point_behind_the_camera_has_a_negative_depth():
    _, depth = project(torch.tensor([[[0.0, 0.0, 3.0]]]), matrix(Pose(0, 0, 0)), SMALL)
    assert depth[0, 0] == pytest.approx(-3.0)


@given(poses)
def test_the_middle_pixels_ray_is_the_view_axis_and_its_moment_is_closed_form(pose):
    rays = plucker_rays(matrix(pose), torch.eye(4), SMALL)
    middle = rays[SMALL.height // 2, SMALL.width // 2].numpy()
    moment = np.cross(pose.position(), looking(pose)) / RAY_SCALE_M
    np.testing.assert_allclose(middle[:3], looking(pose), atol=1e-5)
    np.testing.assert_allclose(middle[3:], moment, atol=1e-4)


@given(poses, cameras)
def test_every_plucker_direction_is_a_unit_and_its_moment_is_perpendicular(pose, intrinsics):
    rays = plucker_rays(matrix(pose), torch.eye(4), intrinsics)
    assert rays.shape == (intrinsics.height, intrinsics.width, 6)
    direction, moment = rays[..., :3], rays[..., 3:]
    torch.testing.assert_close(direction.norm(dim=-1), torch.ones(rays.shape[:2]))
    torch.testing.assert_close(
        (direction * moment).sum(dim=-1), torch.zeros(rays.shape[:2]), atol=1e-4, rtol=0
    )


@given(poses, st.floats(0.5, 40.0))
def test_a_plucker_ray_passes_through_the_pixels_point(pose, depth_m):
    depth = torch.full((SMALL.height, SMALL.width), depth_m)
    points = unproject(depth, matrix(pose), SMALL)
    rays = plucker_rays(matrix(pose), torch.eye(4), SMALL)
    moment = torch.linalg.cross(points, rays[..., :3]) / RAY_SCALE_M
    torch.testing.assert_close(moment, rays[..., 3:], atol=1e-3, rtol=0)


@given(poses)
def test_seen_from_itself_a_camera_has_no_moment_and_plain_directions(pose):
    rays = plucker_rays(matrix(pose), invert_rigid(matrix(pose)), SMALL)
    plain = pixel_rays(SMALL)
    torch.testing.assert_close(
        rays[..., :3], plain / plain.norm(dim=-1, keepdim=True), atol=1e-5, rtol=0
    )
    torch.testing.assert_close(rays[..., 3:], torch.zeros_like(plain), atol=1e-5, rtol=0)


@given(poses, poses)
def test_batched_rays_equal_single_ones(first, second):
    both = torch.stack((matrix(first), matrix(second)))
    batched = plucker_rays(both, torch.eye(4), SMALL)
    single = torch.stack([plucker_rays(m, torch.eye(4), SMALL) for m in both])
    torch.testing.assert_close(batched, single)


@given(cameras, st.integers(1, 40), st.integers(1, 40))
def test_resizing_keeps_the_vertical_field_of_view(intrinsics, width, height):
    resized = intrinsics.resized(width, height)
    half_angle = math.degrees(math.atan(0.5 * resized.height / resized.focal_px))
    assert 2 * half_angle == pytest.approx(intrinsics.fov_y_deg)


@pytest.mark.parametrize("wrong", [{"width": 0}, {"height": -1}, {"fov_y_deg": 0.0}])
def test_impossible_intrinsics_are_refused(wrong):
    with pytest.raises(ConfigError, match="intrinsics"):
        Intrinsics(**wrong)
