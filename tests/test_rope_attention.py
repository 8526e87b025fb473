"""Rotary positions and causal attention."""

from __future__ import annotations

import pytest
import torch

from worldsim.model.attention import Attention, block_causal_mask
from worldsim.model.presets import PRESETS
from worldsim.model.rope import axis_widths, rope_turns, rotate

TOKENS_HW = (2, 3)
HEAD_DIM = 32


def turned(x_BLNE: torch.Tensor, times: list[float]) -> torch.Tensor:
    """Vectors of one frame of tokens for each time, rotated to their positions."""
    turns = rope_turns(torch.tensor([times]), TOKENS_HW, HEAD_DIM).flatten(1, 2)
    return rotate(x_BLNE, turns)


@pytest.fixture
def x_BLNE() -> torch.Tensor:
    return torch.randn(1, 2 * 6, 2, HEAD_DIM, generator=torch.Generator().manual_seed(0))


def scores(q_BLNE: torch.Tensor, k_BLNE: torch.Tensor) -> torch.Tensor:
    return torch.einsum("blne,bmne->bnlm", q_BLNE, k_BLNE)


def test_attention_depends_only_on_differences_of_time(x_BLNE: torch.Tensor) -> None:
    k = x_BLNE.flip(1)
    early = scores(turned(x_BLNE, [0.0, 3.0]), turned(k, [0.0, 3.0]))
    late = scores(turned(x_BLNE, [7.0, 10.0]), turned(k, [7.0, 10.0]))
    assert torch.allclose(early, late, atol=1e-4)


def test_attention_depends_on_the_difference_of_time(x_BLNE: torch.Tensor) -> None:
    near = scores(turned(x_BLNE, [0.0, 1.0]), turned(x_BLNE, [0.0, 1.0]))
    far = scores(turned(x_BLNE, [0.0, 4.0]), turned(x_BLNE, [0.0, 4.0]))
    assert torch.allclose(near[:, :, :6, :6], far[:, :, :6, :6], atol=1e-4)
    assert not torch.allclose(near[:, :, 6:, :6], far[:, :, 6:, :6], atol=1e-2)


def test_attention_depends_only_on_differences_of_place() -> None:
    one = torch.randn(1, 1, 1, HEAD_DIM, generator=torch.Generator().manual_seed(1))
    same = one.expand(1, 12, 1, HEAD_DIM)  # 3 rows of 4 tokens with one content
    turns = rope_turns(torch.zeros(1, 1), (3, 4), HEAD_DIM).flatten(1, 2)
    grid = scores(rotate(same, turns), rotate(same, turns))[0, 0].view(3, 4, 3, 4)
    assert torch.allclose(grid[0, 0, 1, 2], grid[1, 1, 2, 3], atol=1e-4)
    assert not torch.allclose(grid[0, 0, 1, 2], grid[0, 0, 1, 3], atol=1e-3)
    assert not torch.allclose(grid[0, 0, 1, 2], grid[0, 0, 2, 2], atol=1e-3)


def test_rotation_keeps_lengths_and_dtype(x_BLNE: torch.Tensor) -> None:
    assert torch.allclose(turned(x_BLNE, [5.0, 9.0]).norm(dim=-1), x_BLNE.norm(dim=-1), atol=1e-4)
    assert turned(x_BLNE.bfloat16(), [5.0, 9.0]).dtype == torch.bfloat16


def test_no_rotation_at_the_origin(x_BLNE: torch.Tensor) -> None:
    assert torch.equal(turned(x_BLNE, [0.0, 0.0])[:, 0], x_BLNE[:, 0])


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_channel_of_a_head_belongs_to_one_axis(name: str) -> None:
    widths = axis_widths(PRESETS[name].head_dim)
    assert sum(widths) == PRESETS[name].head_dim
    assert all(width > 0 and width % 2 == 0 for width in widths)


def test_a_frame_sees_itself_and_the_frames_before_it() -> None:
    mask = block_causal_mask(3, 2)
    assert mask[:2].tolist() == [[True, True, False, False, False, False]] * 2
    assert mask[2:4].tolist() == [[True, True, True, True, False, False]] * 2
    assert mask[4:].all()


def test_attention_ignores_masked_keys() -> None:
    torch.manual_seed(0)
    attention = Attention(16, 2)
    q, k, v = attention.project(torch.randn(1, 6, 16))
    hidden = torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0, 1.0])[:, None, None]
    mask = (hidden.flatten() == 0).expand(6, 6)
    seen = attention.attend(q, k, v, mask)
    k, v = k + 1e3 * hidden, v - 1e3 * hidden
    assert torch.equal(attention.attend(q, k, v, mask), seen)


def test_queries_and_keys_have_unit_size_before_their_scales() -> None:
    torch.manual_seed(0)
    q, k, _ = Attention(16, 2).project(100.0 * torch.randn(1, 6, 16))
    for x in (q, k):
        assert torch.allclose(x.square().mean(dim=-1), torch.ones(1, 6, 2), atol=1e-4)
