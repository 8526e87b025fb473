"""Land that goes on under the horizon, where a sky was imagined."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from worldsim.camera import pose_matrices
from worldsim.engine.ground import (
    BELOW_DEG,
    IN_SIGHT_M,
    MOST_BELOW_M,
    with_bridges,
    with_land,
)
from worldsim.model.outpainter import coarse_rays
from worldsim.model.picture import decode_depth, encode_depth
from worldsim.model.presets import preset
from worldsim.types import SKY_DEPTH_M, Pose

CAMERA = preset("small").intrinsics
HEIGHT, WIDTH = CAMERA.height // 4, CAMERA.width // 4
GREEN, BLUE = (-0.5, 0.5, -0.5), (0.2, 0.4, 0.9)
SKY = float(encode_depth(torch.tensor(SKY_DEPTH_M)))


def looking(pitch_deg: float) -> tuple[Tensor, Tensor]:  # rays [1, 3, h, w], forward [3]
    pose = torch.from_numpy(pose_matrices([Pose(0.0, 1.62, 0.0, 30.0, pitch_deg)]))
    return coarse_rays(pose, CAMERA), -pose[0, :3, 2]


def all_sky() -> Tensor:  # [1, 4, h, w]
    return torch.tensor((*BLUE, SKY)).view(1, 4, 1, 1).repeat(1, 1, HEIGHT, WIDTH)


def degrees_below(rays: Tensor) -> Tensor:  # [h, w]
    return torch.rad2deg(torch.asin(-rays[0, 1]))


def heights_below_m(picture: Tensor, rays: Tensor, forward: Tensor) -> Tensor:  # [h, w]
    along = torch.einsum("chw,c->hw", rays[0], forward)
    return decode_depth(picture[0, 3]) / along * -rays[0, 1]


@pytest.mark.parametrize("pitch_deg", [-10.0, 6.0, 25.0])
def test_nothing_but_sky_becomes_level_land_below_and_stays_above(pitch_deg: float) -> None:
    rays, forward = looking(pitch_deg)
    grown = with_land(all_sky(), torch.zeros(1, 1, HEIGHT, WIDTH), rays, forward)
    low = degrees_below(rays) > BELOW_DEG
    low[-1] = False  # there is no colour from below for the lowest row
    assert torch.equal(grown[0][:, ~low], all_sky()[0][:, ~low])
    levels = heights_below_m(grown, rays, forward)[low]
    assert torch.allclose(levels, torch.tensor(MOST_BELOW_M), atol=1e-3)


def test_land_goes_on_as_high_and_nearly_as_green_as_it_is() -> None:
    rays, forward = looking(6.0)
    picture, low = all_sky(), degrees_below(rays) > 20.0
    along = torch.einsum("chw,c->hw", rays[0], forward)
    land = torch.cat(
        (
            torch.tensor(GREEN).view(3, 1, 1).expand(-1, HEIGHT, WIDTH),
            encode_depth(1.0 / -rays[0, 1] * along)[None],  # a metre below the eye
        )
    )
    picture[0] = torch.where(low, land, picture[0])
    grown = with_land(picture, torch.zeros(1, 1, HEIGHT, WIDTH), rays, forward)
    more = (degrees_below(rays) > BELOW_DEG) & ~low
    assert torch.allclose(heights_below_m(grown, rays, forward)[more], torch.tensor(1.0), atol=1e-3)
    near = more & (decode_depth(grown[0, 3]) < IN_SIGHT_M / 5)
    assert near.any() and (grown[0, 1][near] > grown[0, 2][near]).all()  # more green than blue
    assert torch.equal(grown[0][:, low], picture[0][:, low])


def test_what_memory_knows_stays() -> None:
    rays, forward = looking(10.0)
    known = (
        torch.rand(1, 1, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0)) > 0.5
    ) * 1.0
    grown = with_land(all_sky(), known, rays, forward)
    assert torch.equal(grown * known, all_sky() * known)
    assert not torch.equal(grown, all_sky())


def test_deeper_land_that_was_imagined_is_left_as_it_is() -> None:
    rays, forward = looking(20.0)
    valley = all_sky()
    valley[0, 3] = encode_depth(torch.tensor(20.0))
    assert torch.equal(with_land(valley, torch.zeros(1, 1, HEIGHT, WIDTH), rays, forward), valley)


FAR, NEAR = -0.7, 0.1  # codes
HORIZON, NEW, OLD = 8, slice(9, 11), slice(15, HEIGHT)  # rows


def beyond_a_gap() -> tuple[Tensor, Tensor, Tensor]:
    """Known land below, imagined land above it, and sky between; what is new; what looks down."""
    picture, is_new = all_sky(), torch.zeros(1, 1, HEIGHT, WIDTH, dtype=torch.bool)
    picture[:, 3, OLD], picture[:, 3, NEW] = NEAR, FAR
    is_new[:, :, NEW] = True
    is_below = torch.zeros_like(is_new)
    is_below[:, :, HORIZON:] = True
    return picture, is_new, is_below


def test_between_known_land_and_what_was_imagined_beyond_lies_land() -> None:
    picture, is_new, is_below = beyond_a_gap()
    whole, is_bridge = with_bridges(picture, is_new, is_below)
    assert is_bridge[0, 0].any(dim=1).nonzero().flatten().tolist() == list(range(11, 15))
    column = whole[0, 3, 10:16, 0]
    assert torch.allclose(column.diff(), torch.full((5,), (NEAR - FAR) / 5))
    assert torch.equal(whole[:, :, :11], picture[:, :, :11])
    assert torch.equal(whole[:, :, OLD], picture[:, :, OLD])


def test_under_a_crown_over_the_horizon_stays_sky() -> None:
    picture, is_new, is_below = beyond_a_gap()
    crown, trunk = slice(2, 5), 7
    is_new[:], picture[:, 3, NEW] = False, SKY
    is_new[:, :, crown, trunk], picture[:, 3, crown, trunk] = True, FAR
    whole, is_bridge = with_bridges(picture, is_new, is_below)
    assert torch.equal(whole, picture)
    assert not is_bridge.any()


def test_a_sky_under_what_was_known_before_stays() -> None:
    picture, is_new, is_below = beyond_a_gap()
    assert torch.equal(with_bridges(picture, torch.zeros_like(is_new), is_below)[0], picture)
