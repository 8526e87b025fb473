from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from worldsim.camera import Intrinsics, pixel_rays, pose_matrix
from worldsim.play.warp import (
    MAX_WARP_DEG,
    enlarged,
    frame_from_view_ndc,
    letterbox,
    limited,
    rotation_between,
    warp,
)
from worldsim.types import Pose

CAMERA = Intrinsics()
FACTOR = 4
POSE = Pose(1.0, 2.0, 3.0, 30.0, 20.0)


def panorama(pose: Pose, camera: Intrinsics) -> NDArray[np.uint8]:  # [H, W, 3]
    """An infinitely far scene whose colour is a smooth function of direction."""
    directions = pixel_rays(camera).numpy() @ pose_matrix(pose)[:3, :3].T
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    return ((0.5 + 0.5 * np.sin(directions * np.array((4.0, 5.0, 6.0)))) * 255).astype(np.uint8)


def unpacked(pixels: NDArray[np.uint32]) -> NDArray[np.uint8]:  # [H, W, 3]
    return pixels.copy().view(np.uint8).reshape(*pixels.shape, 4)[..., 2::-1]


def warped(pose: Pose, view: Pose) -> NDArray[np.uint8]:  # [H, W, 3]
    frame = enlarged(panorama(pose, CAMERA), FACTOR)
    return unpacked(warp(frame, rotation_between(pose, view), CAMERA.fov_y_deg))


@pytest.mark.parametrize("turn", [(0.0, 0.0), (4.0, 0.0), (0.0, -4.0), (-3.0, 2.5)])
def test_a_warped_frame_is_the_frame_rendered_from_the_turned_pose(
    turn: tuple[float, float],
) -> None:
    view = POSE.turned(*turn)
    large = CAMERA.resized(CAMERA.width * FACTOR, CAMERA.height * FACTOR)
    true = panorama(view, large).astype(int)
    inner = (slice(60, -60), slice(60, -60))  # outside, the frame has seen nothing
    assert np.abs(warped(POSE, view).astype(int) - true)[inner].max() <= 4


def test_no_turn_changes_nothing() -> None:
    frame = enlarged(panorama(POSE, CAMERA), FACTOR)
    assert np.array_equal(warp(frame, rotation_between(POSE, POSE), 60.0), frame)


def test_an_enlarged_frame_keeps_its_colours_in_a_screens_byte_order() -> None:
    rgb = np.full((4, 6, 3), (200, 100, 50), dtype=np.uint8)
    pixels = enlarged(rgb, 2)
    assert pixels.shape == (8, 12)
    assert pixels.view(np.uint8).reshape(8, 12, 4)[0, 0].tolist() == [50, 100, 200, 255]


def test_turning_right_moves_the_picture_left() -> None:
    rgb = np.zeros((80, 128, 3), dtype=np.uint8)
    rgb[:, 64:68] = 255
    turned = warp(enlarged(rgb, 1), rotation_between(POSE, POSE.turned(8.0, 0.0)), 60.0)
    bright = unpacked(turned)[40, :, 0] > 128
    assert bright.any()
    assert np.flatnonzero(bright).max() < 60


def test_what_the_frame_never_saw_is_its_nearest_edge() -> None:
    rgb = np.full((80, 128, 3), 90, dtype=np.uint8)
    assert (
        unpacked(warp(enlarged(rgb, 1), rotation_between(POSE, limited(POSE, 170.0, 0)), 60.0))
        == 90
    ).all()


def test_a_warp_goes_no_further_than_a_frame_can_show() -> None:
    assert limited(Pose(0, 0, 0), 500.0, 0.0).yaw_deg == MAX_WARP_DEG


def test_the_centre_of_the_view_looks_where_the_camera_turned() -> None:
    homography = frame_from_view_ndc(
        rotation_between(Pose(0, 0, 0), Pose(0, 0, 0, 10.0, 0.0)), 1.6, 60.0
    )
    seen = homography @ np.array((0.0, 0.0, 1.0))
    expected = np.tan(np.radians(10.0)) / (1.6 * np.tan(np.radians(30.0)))
    assert seen[0] / seen[2] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("window", "box"),
    [
        ((1280, 800), (0, 0, 1280, 800)),
        ((1920, 1080), (96, 0, 1728, 1080)),
        ((1000, 1000), (0, 187, 1000, 625)),
    ],
)
def test_the_picture_keeps_its_shape_in_any_window(
    window: tuple[int, int], box: tuple[int, int, int, int]
) -> None:
    assert letterbox(window, 1.6) == box
