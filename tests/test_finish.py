from __future__ import annotations

import numpy as np
import pytest

from worldsim.play.finish import Finish, place, sharpened
from worldsim.play.warp import enlarged

FRAME = (128, 80)


@pytest.mark.parametrize(
    ("window", "box"),
    [
        ((1280, 800), (0, 0, 1280, 800)),
        ((1280, 720), (64, 0, 1152, 720)),
        ((1920, 1080), (128, 20, 1664, 1040)),
        ((300, 700), (22, 270, 256, 160)),
        ((100, 100), (0, 19, 100, 62)),  # smaller than the frame: it shrinks
    ],
)
def test_squares_are_whole_pixels_of_the_screen(
    window: tuple[int, int], box: tuple[int, int, int, int]
) -> None:
    assert place(window, FRAME, Finish(squares=True)) == box


def test_a_smooth_picture_fills_the_window() -> None:
    assert place((1920, 1080), FRAME, Finish()) == (96, 0, 1728, 1080)


def test_sharpening_raises_an_edge_and_leaves_flat_colour() -> None:
    rgb = np.full((20, 20, 3), 100, np.uint8)
    rgb[:, 10:] = 150
    sharp = sharpened(rgb, 1.0)
    assert (sharp[:, :5] == 100).all()
    assert sharp[10, 10, 0] > 150
    assert sharp[10, 9, 0] < 100
    assert sharpened(rgb, 0.0) is rgb


def test_an_enlarged_frame_of_squares_holds_no_other_colours() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    pixels = enlarged(rgb, 3, squares=True)
    assert np.array_equal(pixels, pixels[::3, ::3].repeat(3, axis=0).repeat(3, axis=1))
