import math

import numpy as np
import pytest

from worldsim.errors import ConfigError
from worldsim.evaluate.metrics import depth_error, flying_rate, psnr, sharpness, ssim

GREY = np.full((32, 40, 3), 100, dtype=np.uint8)


def noisy(levels: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=GREY.shape) * levels
    return (GREY + noise).clip(0, 255).astype(np.uint8)


def test_psnr_of_a_difference_of_16_levels_everywhere_is_24_db():
    assert psnr(GREY + 16, GREY) == pytest.approx(20 * math.log10(255 / 16))


def test_psnr_of_equal_pictures_is_infinite():
    assert psnr(GREY, GREY) == math.inf


def test_psnr_looks_only_at_the_mask():
    mask = np.zeros(GREY.shape[:2], dtype=bool)
    mask[:, :10] = True
    half_right = GREY.copy()
    half_right[:, 20:] = 0
    assert psnr(half_right, GREY, mask) == math.inf
    assert math.isnan(psnr(half_right, GREY, np.zeros_like(mask)))


def test_psnr_does_not_wrap_around_in_uint8():
    black, white = np.zeros_like(GREY), np.full_like(GREY, 255)
    assert psnr(black, white) == psnr(white, black) == 0.0


@pytest.mark.parametrize("wrong", [GREY.astype(np.float32), GREY[:-1], GREY[..., 0]])
def test_pictures_that_do_not_match_are_refused(wrong: np.ndarray):
    with pytest.raises(ConfigError, match="same intrinsics"):
        psnr(wrong, GREY)


def test_ssim_is_one_for_equal_pictures_and_falls_with_noise():
    assert ssim(GREY, GREY) == pytest.approx(1.0)
    assert ssim(noisy(40), GREY) < ssim(noisy(10), GREY) < 1.0


def test_ssim_of_two_flat_pictures_follows_the_formula():
    c1 = (0.01 * 255) ** 2
    expected = (2 * 100 * 150 + c1) / (100**2 + 150**2 + c1)
    assert ssim(GREY, GREY + 50) == pytest.approx(expected)


def test_ssim_refuses_pictures_smaller_than_its_window():
    with pytest.raises(ConfigError, match="11x11"):
        ssim(GREY[:8], GREY[:8])


def test_sharpness_is_the_slope_of_a_ramp():
    ramp = np.broadcast_to(np.arange(40, dtype=np.uint8)[None, :, None] * 3, GREY.shape)
    assert sharpness(np.ascontiguousarray(ramp)) == pytest.approx(3.0, rel=1e-4)
    assert sharpness(GREY) == 0.0


def test_sharpness_looks_only_at_the_mask_and_not_across_its_border():
    edge, left = GREY.copy(), np.zeros(GREY.shape[:2], dtype=bool)
    edge[:, 20:] = 200
    left[:, :20] = True
    assert sharpness(edge, left) == 0.0 < sharpness(edge)
    assert math.isnan(sharpness(edge, np.zeros_like(left)))


def test_a_lone_pixel_flies_and_a_pair_or_an_edge_does_not():
    lone, pair, edge = GREY.copy(), GREY.copy(), GREY.copy()
    lone[10, 10] = 200
    pair[10, 10:12] = 200
    edge[:, 20:] = 200
    assert flying_rate(lone) == pytest.approx(1 / (30 * 38))
    assert flying_rate(pair) == flying_rate(edge) == 0.0


def test_a_faint_pixel_does_not_fly():
    faint = GREY.copy()
    faint[10, 10] += 20
    assert flying_rate(faint) == 0.0
    assert flying_rate(faint, levels=10) > 0.0


def test_depth_error_is_relative_and_ignores_what_is_not_in_the_mask():
    truth = np.full((4, 4), 10.0, dtype=np.float32)
    wrong = truth * 1.1
    wrong[0] = 900.0
    mask = np.ones((4, 4), dtype=bool)
    mask[0] = False
    assert depth_error(wrong, truth, mask) == pytest.approx(0.1, rel=1e-4)
    assert math.isnan(depth_error(wrong, truth, np.zeros_like(mask)))
