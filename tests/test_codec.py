"""From frames to the model's pictures and latents, and back."""

from __future__ import annotations

import pytest
import torch
from dreams import LATENT, plane_clip, random_model

from worldsim.engine.hints import fill_unknown
from worldsim.model.codec import AutoencoderCodec, PixelCodec, make_codec
from worldsim.model.picture import (
    SKY_CODE,
    decode_depth,
    encode_depth,
    from_picture,
    to_picture,
)
from worldsim.model.presets import preset
from worldsim.train.losses import picture_loss
from worldsim.types import SKY_DEPTH_M


def test_depth_survives_its_code() -> None:
    depth = torch.tensor([0.05, 0.5, 1.0, 4.0, 16.0, 32.0, 50.0])
    assert torch.allclose(decode_depth(encode_depth(depth)), depth, rtol=1e-4)


def test_nearer_has_a_larger_code_between_minus_one_and_one() -> None:
    code = encode_depth(torch.tensor([0.0, 1.0, 4.0, 32.0, SKY_DEPTH_M]))
    assert code.tolist() == sorted(code.tolist(), reverse=True)
    assert code[0] == 1.0
    assert code[2] == 0.0
    assert code[-1] == -1.0


def test_the_sky_is_a_class_of_its_own() -> None:
    codes = torch.tensor([-1.0, -0.95, SKY_CODE - 1e-3, SKY_CODE + 1e-3, -0.5])
    assert (decode_depth(codes) == SKY_DEPTH_M).tolist() == [True, True, True, False, False]
    assert decode_depth(codes)[3] < 60.0


def test_codes_out_of_range_are_read_as_the_nearest_depth() -> None:
    assert decode_depth(torch.tensor([7.0])).item() == 0.0
    assert decode_depth(torch.tensor([-7.0])).item() == SKY_DEPTH_M


def test_a_frame_survives_its_picture() -> None:
    seen = plane_clip([]).observations[0]
    rgb, depth = torch.from_numpy(seen.rgb), torch.from_numpy(seen.depth).clamp(max=40.0)
    depth[seen.depth >= SKY_DEPTH_M] = SKY_DEPTH_M
    picture = to_picture(rgb, depth)
    assert picture.shape == (4, 48, 64)
    assert picture.abs().max() <= 1.0
    same_rgb, same_depth = from_picture(picture)
    assert torch.equal(same_rgb, rgb)
    assert torch.allclose(same_depth, depth, rtol=1e-4)


def test_colours_out_of_range_are_clipped() -> None:
    rgb, _ = from_picture(torch.full((4, 2, 2), 3.0))
    assert (rgb == 255).all()


def ramp() -> torch.Tensor:  # [1, 1, 48, 64], 0 to 1 from left to right
    return torch.linspace(0.0, 1.0, 64).expand(1, 1, 48, 64).contiguous()


def test_filling_leaves_known_pixels_as_they_are() -> None:
    picture = torch.randn(2, 4, 48, 64, generator=torch.Generator().manual_seed(0))
    known = (torch.rand(2, 1, 48, 64, generator=torch.Generator().manual_seed(1)) < 0.4).float()
    filled = fill_unknown(picture * known, known)
    assert torch.allclose(filled * known, picture * known, atol=1e-6)


def test_filling_a_hole_is_smooth_and_stays_within_its_surroundings() -> None:
    picture, known = ramp(), torch.ones(1, 1, 48, 64)
    known[..., 12:36, 20:44] = 0.0
    filled = fill_unknown(picture * known, known)
    hole = filled[0, 0, 12:36, 20:44]
    assert hole.min() >= 0.0
    assert hole.max() <= 1.0
    assert (hole - picture[0, 0, 12:36, 20:44]).abs().max() < 0.15
    assert hole.diff(dim=-1).abs().max() < 0.1
    assert hole.diff(dim=-2).abs().max() < 0.1


@pytest.mark.parametrize("value", [-0.7, 0.3])
def test_filling_from_one_known_colour_gives_that_colour(value: float) -> None:
    known = torch.zeros(1, 1, 48, 64)
    known[..., 5, 60] = 1.0
    filled = fill_unknown(value * known, known)
    assert torch.allclose(filled, torch.full_like(filled, value), atol=1e-5)


def test_filling_nothing_known_gives_zeros() -> None:
    nothing = torch.zeros(1, 1, 48, 64)
    assert not fill_unknown(nothing.expand(1, 4, 48, 64), nothing).any()


def test_filling_awkward_sizes_works() -> None:
    for height, width in ((1, 1), (3, 50), (45, 63), (46, 62)):
        known = torch.zeros(1, 1, height, width)
        known[..., 0, 0] = 1.0
        filled = fill_unknown(0.5 * known, known)
        assert torch.allclose(filled, torch.full_like(filled, 0.5), atol=1e-5)


def test_the_small_presets_work_on_pixels() -> None:
    codec, picture = make_codec(preset("small")), torch.randn(2, 4, 80, 128)
    assert isinstance(codec, PixelCodec)
    assert torch.equal(codec.decode(codec.encode(picture)), picture)


def test_the_large_presets_work_on_latents_an_eighth_in_size() -> None:
    codec = make_codec(preset("base"))
    assert isinstance(codec, AutoencoderCodec)
    with torch.no_grad():
        latent = codec.encode(torch.randn(2, 4, 48, 64))
        assert latent.shape == (2, 16, 6, 8)
        assert codec.decode(latent).shape == (2, 4, 48, 64)


def test_the_scale_of_latents_cancels_out() -> None:
    model = random_model(LATENT)
    codec, picture = model.codec, torch.randn(1, 4, 48, 64)
    with torch.no_grad():
        latent, decoded = codec.encode(picture), codec.decode(codec.encode(picture))
        codec.state_dict()["scale"].fill_(3.0)
        assert torch.allclose(codec.encode(picture), latent / 3.0, atol=1e-6)
        assert torch.allclose(codec.decode(codec.encode(picture)), decoded, atol=1e-4)


def test_the_autoencoder_learns_a_frame() -> None:
    torch.manual_seed(0)
    codec = AutoencoderCodec(8)
    seen = plane_clip([]).observations[0]
    whole = to_picture(torch.from_numpy(seen.rgb), torch.from_numpy(seen.depth))
    pictures = whole[None, :, 8:40, 16:48]
    optimizer = torch.optim.Adam(codec.parameters(), lr=2e-3)
    losses = []
    for _ in range(12):
        loss = picture_loss(codec.decode(codec.encode(pictures))[None], pictures[None]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]
