"""Coarse pictures enlarged: what stands against the sky keeps its edge and its depth."""

from __future__ import annotations

import torch
from torch import Tensor

from worldsim.engine.silhouettes import enlarged
from worldsim.model.picture import SKY_CODE

SCALE = 4
SKY, TREE, MIXTURE = -1.0, -0.4, -0.7  # codes; the last of a trunk that fills half of a pixel


Block = tuple[int, int, int, int]  # rows from, to; columns from, to
TREE_AT: Block = (3, 8, 2, 6)


def sky_and(**blocks: tuple[Block, float]) -> Tensor:  # [1, 4, 8, 8]
    """A sky and blocks of some code in front of it."""
    picture = torch.full((1, 4, 8, 8), SKY)
    for (top, bottom, left, right), code in blocks.values():
        picture[..., top:bottom, left:right] = code
    return picture


def test_between_land_and_sky_there_is_no_depth() -> None:
    picture = sky_and(tree=(TREE_AT, TREE))
    codes = enlarged(picture, SCALE)[:, 3]
    assert torch.minimum((codes - SKY).abs(), (codes - TREE).abs()).max() < 1e-6


def test_a_silhouette_stays_where_it_is() -> None:
    picture = sky_and(tree=(TREE_AT, TREE))
    is_land = enlarged(picture, SCALE)[0, 3] > SKY_CODE
    rows, columns = is_land.any(dim=1), is_land.any(dim=0)
    assert rows.nonzero().flatten().tolist() == list(range(3 * SCALE, 8 * SCALE))
    assert columns.nonzero().flatten().tolist() == list(range(2 * SCALE, 6 * SCALE))


def test_a_trunk_is_as_near_as_its_crown() -> None:
    picture = sky_and(crown=((1, 4, 1, 6), TREE), trunk=((4, 7, 3, 4), MIXTURE))
    large = enlarged(picture, SCALE)[0, 3]
    middle = large[4 * SCALE + 2 : 7 * SCALE - 2, 3 * SCALE + 1 : 4 * SCALE - 1]
    assert torch.allclose(middle, torch.tensor(TREE))


def test_land_on_land_is_mixed_as_ever() -> None:
    codes = torch.linspace(-0.5, 0.5, 8)
    picture = codes.view(1, 1, 8, 1).expand(1, 4, 8, 8).contiguous()
    wanted = torch.nn.functional.interpolate(
        picture, scale_factor=SCALE, mode="bilinear", align_corners=False
    )
    assert torch.allclose(enlarged(picture, SCALE), wanted, atol=1e-6)
