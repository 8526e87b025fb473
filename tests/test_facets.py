"""Dreamed depths are made of planes, and silhouettes stay where they are."""

from __future__ import annotations

import torch
from fakes import PlaneWorld
from torch import Tensor

from worldsim.camera import Intrinsics, pixel_rays
from worldsim.engine.facets import REACH_PX
from worldsim.engine.lattice import aligned
from worldsim.model.picture import SKY_CODE, decode_depth, encode_depth, to_picture

CAMERA = Intrinsics(width=64, height=48, fov_y_deg=60.0)
NOISE = 0.02  # of a dreamed depth, relative


def ground() -> Tensor:  # [H, W] metres, flat land 1.6 m below a level eye; above it the sky
    down = -pixel_rays(CAMERA)[..., 1]
    return torch.where(down > 0.05, 1.6 / down.clamp(min=0.05), 1000.0)


def dreamed(depth: Tensor, noise: float = 0.0) -> Tensor:  # [1, 4, H, W]
    torch.manual_seed(0)
    grey = torch.full((*depth.shape, 3), 90, dtype=torch.uint8)
    return to_picture(grey, depth * (1.0 + noise * torch.randn_like(depth)))[None]


def depth_of(picture: Tensor) -> Tensor:  # [H, W]
    return decode_depth(picture[0, 3])


def faceted(pictures: Tensor) -> Tensor:  # [B, 4, H, W]
    """With depths made of planes, in worlds without cells."""
    batch = len(pictures)
    return aligned(pictures, torch.eye(4).repeat(batch, 1, 1), CAMERA, torch.zeros(batch) > 0)


def error(depth: Tensor, truth: Tensor) -> float:
    """Mean of the relative error on land, but for the row before the sky."""
    land = (truth < 20.0) & (truth.roll(REACH_PX, 0) < 20.0)
    return float(((depth - truth).abs() / truth)[land].mean())


def test_flat_land_that_was_dreamed_unevenly_is_flat_again() -> None:
    truth = ground()
    before = dreamed(truth, NOISE)
    assert error(depth_of(faceted(before)), truth) < 0.6 * error(depth_of(before), truth)


def test_what_is_flat_already_stays_and_so_do_colours_and_skies() -> None:
    picture = dreamed(ground())
    after = faceted(picture)
    assert torch.equal(after[:, :3], picture[:, :3])
    is_sky = picture[:, 3] < SKY_CODE
    assert torch.equal(after[:, 3][is_sky], picture[:, 3][is_sky])
    torch.testing.assert_close(depth_of(after), depth_of(picture), rtol=2e-3, atol=0.0)


def test_a_silhouette_stays_on_its_pixel() -> None:
    depth = torch.full((CAMERA.height, CAMERA.width), 12.0)
    depth[:, 30:] = 3.0
    after = depth_of(faceted(dreamed(depth, NOISE)))
    torch.testing.assert_close(after, depth, rtol=3 * NOISE, atol=0.0)


def test_what_is_thin_is_not_drawn_into_what_is_behind() -> None:
    depth = torch.full((CAMERA.height, CAMERA.width), 12.0)
    depth[:, 30] = 3.0  # a pole
    after = depth_of(faceted(dreamed(depth)))
    torch.testing.assert_close(after, depth, rtol=1e-3, atol=0.0)


def test_pictures_of_a_batch_do_not_depend_on_each_other() -> None:
    one, other = dreamed(ground(), NOISE), dreamed(torch.full_like(ground(), 5.0), NOISE)
    both = faceted(torch.cat((one, other)))
    assert torch.equal(both, torch.cat((faceted(one), faceted(other))))


def test_a_true_world_is_hardly_moved() -> None:
    depth = torch.from_numpy(PlaneWorld(CAMERA).reset(seed=0).depth)
    after = depth_of(faceted(dreamed(depth)))
    assert float(((after - depth).abs() / depth)[depth < 20.0].mean()) < 5e-3


def test_codes_stay_within_their_range() -> None:
    near = dreamed(torch.full((CAMERA.height, CAMERA.width), 0.05), NOISE)
    code = faceted(near)[:, 3]
    assert bool((code.abs() <= 1.0).all())
    assert float(encode_depth(torch.tensor(0.0))) == 1.0
