"""The last layers: each pixel is the draft's, the hint's or the last frame's."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from worldsim.model.compositor import DRAFT_BIAS, SURELY_SHOWN, Candidates, Compositor
from worldsim.model.presets import preset

DRAFT, HINT, LAST = range(3)  # as the weights of the choice are ordered
SHAPE = (2, 3, 4, 48, 64)


@pytest.fixture
def compositor() -> Compositor:
    torch.manual_seed(0)
    return Compositor(preset("tiny"))


def pictures() -> dict[int, Tensor]:
    torch.manual_seed(1)
    return {source: torch.rand(SHAPE) * 2 - 1 for source in (DRAFT, HINT, LAST)}


def composed(compositor: Compositor, seen: dict[int, Tensor], shown: Tensor) -> Tensor:
    with torch.no_grad():
        return compositor(
            Candidates(seen[DRAFT], seen[HINT], torch.ones_like(shown), seen[LAST], shown)
        )


def favour(compositor: Compositor, source: int) -> None:
    assert compositor.out.bias is not None
    with torch.no_grad():
        compositor.out.bias[source] = 50.0


def everywhere(value: float) -> Tensor:
    return torch.full((*SHAPE[:2], 1, *SHAPE[3:]), value)


@pytest.mark.parametrize("source", [DRAFT, HINT, LAST])
def test_any_of_the_three_pictures_can_be_chosen(compositor: Compositor, source: int) -> None:
    seen = pictures()
    favour(compositor, source)
    assert torch.allclose(composed(compositor, seen, everywhere(1.0)), seen[source], atol=1e-5)


def test_untrained_it_shows_the_draft_with_a_trace_of_the_others_and_says_so(
    compositor: Compositor,
) -> None:
    seen = pictures()
    shares = torch.tensor((DRAFT_BIAS, 0.0, 0.0)).softmax(dim=0)
    assert not compositor.is_trained
    assert shares[DRAFT] > 0.9
    expected = sum(share * seen[source] for source, share in enumerate(shares))
    assert torch.allclose(composed(compositor, seen, everywhere(1.0)), expected, atol=1e-5)


def test_a_last_frame_that_shows_another_place_is_never_chosen(compositor: Compositor) -> None:
    seen = pictures()
    favour(compositor, LAST)
    assert torch.allclose(composed(compositor, seen, everywhere(0.0)), seen[DRAFT], atol=1e-5)


def test_the_last_frame_fades_in_with_its_confidence(compositor: Compositor) -> None:
    seen = pictures()
    favour(compositor, LAST)
    half = composed(compositor, seen, everywhere(SURELY_SHOWN / 2))
    assert torch.allclose(half, (seen[DRAFT] + seen[LAST]) / 2, atol=1e-5)


def test_neighbours_choose_for_themselves(compositor: Compositor) -> None:
    """The choice is made for single pixels, not for the squares that the stages work on."""
    seen = pictures()
    seen[HINT][..., 10, 20] = 1.0
    seen[DRAFT][..., 10, 20] = -1.0
    torch.nn.init.normal_(compositor.out.weight, std=3.0)
    with torch.no_grad():
        changed = composed(compositor, seen, everywhere(1.0))
        seen[HINT][..., 10, 20] = -1.0
        difference = (
            (composed(compositor, seen, everywhere(1.0)) - changed).abs().amax(dim=(0, 1, 2))
        )
    reach = 4  # of four layers, 3x3 each
    touched = difference.nonzero() - torch.tensor((10, 20))
    assert touched.abs().max() <= reach
    assert difference[10, 20] > 0
