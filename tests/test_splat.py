"""The splat: known answers, layers, and the kernel against its reference."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch
from torch import Tensor

from worldsim.errors import ConfigError
from worldsim.kernels.splat import Surfels, splat

HEIGHT, WIDTH = 7, 11
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def surfels(*rows: tuple[float, ...]) -> Surfels:
    """One view of surfels given as x, y, inverse depth, slopes and radius."""
    return Surfels(*torch.tensor(rows).T[:, None].unbind(0))


def draw(points: Surfels, **settings) -> Tensor:
    return splat(points, height=HEIGHT, width=WIDTH, **settings)


def scattered(B: int, P: int, *, strided: bool = False) -> Surfels:
    """Surfels in and around the picture, some of them not drawn."""
    generator = torch.Generator().manual_seed(P)
    rows = torch.rand(6, B, P, 2, generator=generator)
    x, y, w, slope_x, slope_y, radius = rows[..., 0] if strided else rows[..., 0].contiguous()
    return Surfels(
        x * (WIDTH + 6) - 3,
        y * (HEIGHT + 6) - 3,
        w + 0.5,
        (slope_x - 0.5) * 0.2,
        (slope_y - 0.5) * 0.2,
        radius * 1.3 - 0.2,
    )


def test_a_surfel_covers_the_pixel_centres_within_its_radius():
    image = draw(surfels((4.5, 3.5, 0.5, 0.0, 0.0, 0.6), (8.0, 2.0, 0.25, 0.0, 0.0, 0.6)))
    assert image[0, 3, 4] == 0.5
    assert (image[0, 1:3, 7:9] == 0.25).all()
    assert image.count_nonzero() == 5


def test_the_nearest_surfel_wins_whatever_the_order():
    near, far = (4.5, 3.5, 0.5, 0.0, 0.0, 0.6), (4.4, 3.4, 0.1, 0.0, 0.0, 0.6)
    assert draw(surfels(near, far))[0, 3, 4] == 0.5
    assert draw(surfels(far, near))[0, 3, 4] == 0.5


def test_a_slanted_surfel_has_the_depth_of_its_plane_at_the_pixel_centre():
    image = draw(surfels((4.25, 3.25, 0.5, 0.1, -0.2, 0.6)))
    assert image[0, 3, 4].item() == pytest.approx(0.5 + 0.1 * 0.25 - 0.2 * 0.25)


def test_a_surfel_with_a_negative_radius_is_not_drawn():
    assert draw(surfels((4.5, 3.5, 0.5, 0.0, 0.0, -1.0))).count_nonzero() == 0


def test_a_surfel_beyond_the_border_marks_only_pixels_inside():
    image = draw(surfels((0.0, -0.1, 0.5, 0.0, 0.0, 0.9), (1e6, -1e6, 0.5, 0.0, 0.0, 0.9)))
    assert image.count_nonzero() == 1
    assert image[0, 0, 0] == 0.5


def test_a_ceiling_reveals_the_layer_behind():
    points = surfels((4.5, 3.5, 0.5, 0.0, 0.0, 0.6), (4.5, 3.5, 0.1, 0.0, 0.0, 0.6))
    first = draw(points)
    assert draw(points, ceiling=0.9 * first)[0, 3, 4] == pytest.approx(0.1)


def test_no_surfels_make_an_empty_picture():
    assert draw(scattered(2, 0)).count_nonzero() == 0


def test_mismatched_shapes_are_refused():
    points = scattered(1, 4)
    with pytest.raises(ConfigError, match="one shape"):
        draw(Surfels(*[getattr(points, field.name)[0] for field in fields(Surfels)]))
    with pytest.raises(ConfigError, match="ceiling"):
        draw(points, ceiling=torch.zeros(1, 2, 2))


@pytest.mark.parametrize("P", [0, 1, 63, 100, 257])
@pytest.mark.parametrize("strided", [False, True])
@pytest.mark.parametrize("layer", ["first", "second"])
def test_the_kernel_agrees_with_its_reference(P, strided, layer):
    pytest.importorskip("triton")
    points = scattered(3, P, strided=strided)
    points = Surfels(*[getattr(points, field.name).to(DEVICE) for field in fields(Surfels)])
    ceiling = None if layer == "first" else 0.9 * draw(points, implementation="torch")
    ours = draw(points, ceiling=ceiling, implementation="triton")
    theirs = draw(points, ceiling=ceiling, implementation="torch")
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-7)


def test_the_kernel_reads_nothing_beyond_its_surfels():
    pytest.importorskip("triton")
    points = scattered(1, 100)
    poisoned = []
    for field in fields(Surfels):
        memory = torch.full((1, 600), float("nan"), device=DEVICE)
        memory[:, :100] = getattr(points, field.name)
        poisoned.append(memory[:, :100])
    ours = draw(Surfels(*poisoned), implementation="triton")
    torch.testing.assert_close(ours.cpu(), draw(points, implementation="torch"))
