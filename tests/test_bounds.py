"""Dreamed colours stay within reach of those that memory shows around each pixel."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from worldsim.engine.bounds import MARGIN, bounded
from worldsim.engine.hints import IMAGINED
from worldsim.model.world_model import FrameInputs

H, W = 6, 8
DREAMED, REAL = torch.tensor([False]), torch.tensor([True])


def frames(hint: float, confidence: float, last: float = 0.0, shown: float = 0.0) -> FrameInputs:
    def picture(value: float, channels: int = 4) -> Tensor:
        return torch.full((1, 1, channels, H, W), value)

    return FrameInputs(
        noisy=picture(0.0),
        sigma=torch.ones(1, 1),
        action=torch.zeros(1, 1, 13),
        anchor_from_camera=torch.eye(4)[None, None],
        hint=picture(hint),
        confidence=picture(confidence, 1),
        last=picture(last),
        last_confidence=picture(shown, 1),
        time=torch.zeros(1, 1),
    )


@pytest.mark.parametrize(
    ("confidence", "alone", "margin"),
    [
        (1.0, False, 0.0),
        (1.0, True, 0.0),
        (IMAGINED, False, MARGIN),
        (0.0, False, MARGIN),
        (0.0, True, 1.0),
    ],
)
def test_the_less_is_known_the_more_may_be_invented(
    confidence: float, alone: bool, margin: float
) -> None:
    glowing = torch.ones(1, 4, H, W)
    colours = bounded(glowing, frames(0.0, confidence), real=DREAMED, alone=alone)[:, :3]
    assert torch.allclose(colours, torch.full_like(colours, margin))


def test_colours_between_hint_and_last_frame_stay_as_they_are() -> None:
    dreamed = (torch.rand(1, 1, H, W) * 0.6).expand(-1, 4, -1, -1)
    shown = frames(0.0, 1.0, last=0.6, shown=1.0)
    assert torch.equal(bounded(dreamed, shown, real=REAL, alone=False), dreamed)


@pytest.mark.parametrize(("confidence", "reached"), [(1.0, 0.0), (0.45, 0.3), (0.3, 0.6)])
def test_a_dreamed_last_frame_has_a_say_where_no_keyframe_is_sure(
    confidence: float, reached: float
) -> None:
    dreamed = torch.full((1, 4, H, W), 0.6)
    shown = frames(0.0, confidence, last=0.6, shown=0.3)
    colours = bounded(dreamed, shown, real=DREAMED, alone=False)[:, :3]
    assert torch.allclose(colours, torch.full_like(colours, reached), atol=1e-6)


def test_the_red_of_one_pixel_and_the_green_of_another_make_no_new_colour() -> None:
    shown = frames(0.0, 1.0)
    shown.hint[0, 0, :3, :, ::2] = torch.tensor([0.6, 0.5, 0.4])[:, None, None]
    shown.hint[0, 0, :3, :, 1::2] = torch.tensor([-0.3, -0.4, -0.5])[:, None, None]
    red = torch.zeros(1, 4, H, W)
    red[:, 0], red[:, 1:3] = 0.6, -0.5
    colours = bounded(red, shown, real=DREAMED, alone=False)[:, :3]
    assert torch.allclose(colours[:, 0] - colours[:, 2], torch.full((1, H, W), 0.2), atol=1e-6)


def test_a_last_frame_that_does_not_show_the_place_bounds_nothing() -> None:
    dreamed = torch.full((1, 4, H, W), 0.6)
    shown = frames(0.0, 1.0, last=0.6, shown=0.0)
    colours = bounded(dreamed, shown, real=REAL, alone=False)[:, :3]
    assert torch.allclose(colours, torch.zeros_like(colours))


def test_a_neighbours_colour_is_within_reach() -> None:
    shown = frames(0.0, 1.0)
    shown.hint[..., 2, 3] = 0.9
    dreamed = torch.full((1, 4, H, W), 0.9)
    near = bounded(dreamed, shown, real=DREAMED, alone=False)[0, 0] > 0.5
    assert near[1:4, 2:5].all()
    assert near.sum() == 9


def test_depths_are_left_alone() -> None:
    dreamed = torch.ones(1, 4, H, W)
    bounds = bounded(dreamed, frames(-1.0, 1.0), real=DREAMED, alone=False)
    assert torch.equal(bounds[:, 3], dreamed[:, 3])
