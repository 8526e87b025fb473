"""The depth parallax against a world that can be calculated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fakes import PlaneWorld
from numpy.typing import NDArray

from worldsim.camera import Intrinsics, pose_matrix
from worldsim.play.parallax import parallax, shift_ndc
from worldsim.play.warp import enlarged, frame_from_view_ndc, rotation_between, warp
from worldsim.types import SKY_DEPTH_M, Pose

CAMERA = Intrinsics()
ASPECT = CAMERA.width / CAMERA.height
FACTOR = 3
SIZE = (CAMERA.width * FACTOR, CAMERA.height * FACTOR)
FRAME = Pose(1.0, 1.6, 3.0, 30.0, 20.0)


def seen_from(frame: Pose, view: Pose) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The turn [3, 3] and the shift [3] of a view, in the frame's camera."""
    shift = pose_matrix(frame)[:3, :3].T @ (view.position() - frame.position())
    return rotation_between(frame, view), shift


def shifted(view: Pose, *, moves: bool = True) -> NDArray[np.int64]:  # [h, w, 3]
    """The plane world's frame at FRAME, warped to a view."""
    pictures = PlaneWorld(CAMERA).render([FRAME])
    turn, shift = seen_from(FRAME, view)
    homography = frame_from_view_ndc(turn, ASPECT, CAMERA.fov_y_deg)
    moved = shift_ndc(shift, ASPECT, CAMERA.fov_y_deg)
    offset = parallax(pictures.depth[0], homography, moved, SIZE) if moves else None
    pixels = warp(enlarged(pictures.rgb[0], FACTOR), turn, CAMERA.fov_y_deg, offset)
    return pixels.copy().view(np.uint8).reshape(*pixels.shape, 4)[..., 2::-1].astype(int)


def true(view: Pose) -> NDArray[np.int64]:  # [h, w, 3]
    return PlaneWorld(CAMERA.resized(*SIZE)).render([view]).rgb[0].astype(int)


def error(picture: NDArray[np.int64], view: Pose) -> float:
    inner = (slice(30, -30), slice(45, -45))  # at the edges, the frame has seen nothing
    return float(np.abs(picture - true(view))[inner].mean())


@pytest.mark.parametrize("walk", [(0.0, 0.0, 0.2), (0.2, 0.0, 0.0), (-0.1, 0.1, -0.15)])
@pytest.mark.parametrize("turn", [(0.0, 0.0), (5.0, -3.0)])
def test_a_shifted_frame_is_nearly_the_frame_rendered_from_the_moved_eye(
    walk: tuple[float, float, float], turn: tuple[float, float]
) -> None:
    turned = FRAME.turned(*turn)
    view = turned.moved_along(*walk)
    least = error(shifted(turned, moves=False), turned)  # from enlarging alone
    assert error(shifted(view), view) - least < 0.4
    assert error(shifted(view, moves=False), view) - least > 0.75


def test_an_eye_that_does_not_move_shifts_nothing() -> None:
    pictures = PlaneWorld(CAMERA).render([FRAME])
    homography = frame_from_view_ndc(np.eye(3), ASPECT, CAMERA.fov_y_deg)
    right, down = parallax(pictures.depth[0], homography, np.zeros(3), SIZE)
    assert right.shape == down.shape == SIZE[::-1]
    assert np.abs(right).max() < 1e-3
    assert np.abs(down).max() < 1e-3


def test_the_sky_stands_still() -> None:
    sky = np.full((CAMERA.height, CAMERA.width), SKY_DEPTH_M, np.float32)
    homography = frame_from_view_ndc(np.eye(3), ASPECT, CAMERA.fov_y_deg)
    moved = shift_ndc(np.array((0.3, 0.1, -0.4)), ASPECT, CAMERA.fov_y_deg)
    assert np.abs(parallax(sky, homography, moved, SIZE)[0]).max() < 0.2


def test_a_wall_at_the_nose_gives_numbers_that_are_finite() -> None:
    wall = np.full((CAMERA.height, CAMERA.width), 0.05, np.float32)
    homography = frame_from_view_ndc(np.eye(3), ASPECT, CAMERA.fov_y_deg)
    moved = shift_ndc(np.array((0.1, 0.0, -0.5)), ASPECT, CAMERA.fov_y_deg)
    for part in parallax(wall, homography, moved, SIZE):
        assert np.isfinite(part).all()


def test_what_lay_beyond_the_edge_is_the_stretched_border() -> None:
    pictures = PlaneWorld(CAMERA).render([FRAME])
    grey = replace(pictures, rgb=np.full_like(pictures.rgb, 90))
    homography = frame_from_view_ndc(np.eye(3), ASPECT, CAMERA.fov_y_deg)
    moved = shift_ndc(np.array((0.5, 0.0, 0.0)), ASPECT, CAMERA.fov_y_deg)
    offset = parallax(grey.depth[0], homography, moved, SIZE)
    pixels = warp(enlarged(grey.rgb[0], FACTOR), np.eye(3), CAMERA.fov_y_deg, offset)
    assert (pixels == pixels[0, 0]).all()
