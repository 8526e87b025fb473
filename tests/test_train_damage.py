"""Damage to remembered keyframes, and the bare hints that are made of them."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from dreams import plane_episode

from worldsim.engine.hints import TRUST_DREAM
from worldsim.model.picture import decode_depth, encode_depth, from_picture
from worldsim.model.presets import preset
from worldsim.train.batch import ClipBatch, ClipConfig, sample_clips
from worldsim.train.behaviour import behave
from worldsim.train.hints import (
    DamageConfig,
    bare_hints,
    clip_hints,
    damage,
    remembered_keyframes,
    wear,
)
from worldsim.train.hints import scale_depth_code as scaled
from worldsim.train.rollouts import quantised
from worldsim.types import SKY_DEPTH_M

CAMERA = preset("tiny").intrinsics
TICKS = 40


def clip_batch() -> ClipBatch:
    walk = list(itertools.islice(behave(np.random.default_rng(0)), TICKS))
    return sample_clips(
        [plane_episode(walk)],
        ClipConfig(clips=2, frames=3, sink_share=0.0),
        np.random.default_rng(0),
    )


def test_damage_leaves_its_inputs_as_they_are() -> None:
    whole = remembered_keyframes(clip_batch())
    names = ("pictures", "poses", "trust", "age", "valid")
    before = {name: getattr(whole, name).clone() for name in names}
    torch.manual_seed(0)
    hurt = damage(whole, DamageConfig(drop_one=0.5, depth_scale=0.1, colour_shift=0.1))
    assert not torch.equal(hurt.pictures, before["pictures"])
    for name, tensor in before.items():
        assert torch.equal(getattr(whole, name), tensor), name


def test_damage_of_nothing_changes_nothing() -> None:
    whole = remembered_keyframes(clip_batch())
    none = DamageConfig(drop_all=0, drop_one=0, depth_scale=0, colour_shift=0, worn=0)
    same = damage(whole, none)
    assert torch.allclose(same.pictures, whole.pictures, atol=1e-6)
    assert torch.equal(same.valid, whole.valid)
    assert not damage(whole, DamageConfig(drop_all=1.0)).valid.any()


def test_worn_keyframes_have_specks_and_are_trusted_as_dreams() -> None:
    torch.manual_seed(0)
    whole = remembered_keyframes(clip_batch())
    worn = wear(whole, DamageConfig(worn=1.0, tint=0.0, specks=0.1))
    changed = (worn.pictures != whole.pictures).any(dim=2).float().mean()
    assert 0.02 < changed <= 0.12
    assert (worn.trust == TRUST_DREAM).all()


def test_scaling_the_code_scales_the_depth_and_leaves_the_sky() -> None:
    depth = torch.tensor([0.5, 2.0, 4.0, 20.0])
    assert torch.allclose(decode_depth(scaled(encode_depth(depth), torch.tensor(1.1))), 1.1 * depth)
    sky = encode_depth(torch.tensor([SKY_DEPTH_M]))
    assert torch.equal(scaled(sky, torch.tensor(0.9)), sky)
    assert torch.equal(scaled(torch.tensor([1.0]), torch.tensor(1.1)), torch.tensor([1.0]))


def test_rounding_to_8_bits_twice_is_rounding_once() -> None:
    torch.manual_seed(0)
    picture = 1.2 * torch.randn(1, 4, 20, 20)
    once = quantised(picture)
    assert torch.equal(quantised(once), once)
    assert once.abs().max() <= 1.0
    rgb, _ = from_picture(once)
    assert torch.allclose(rgb.movedim(-1, 1) / 127.5 - 1.0, once[:, :3], atol=1e-6)


def test_a_keyframe_of_the_same_pose_is_the_hint() -> None:
    batch = clip_batch()
    whole = remembered_keyframes(batch)
    hint, confidence = bare_hints(whole, batch.keyframe_poses[:, :1], CAMERA)
    known = confidence[:, 0] > 0
    assert known.float().mean() > 0.9
    error = (hint[:, 0, :3] - batch.keyframes[:, 0, :3]).abs() * known
    assert error.mean() < 0.02


def test_the_last_frame_is_trusted_least() -> None:
    batch = clip_batch()
    whole = remembered_keyframes(batch)
    nothing = damage(whole, DamageConfig(drop_all=1.0))
    valid = torch.tensor([[False, True, True], [False, False, False]])
    previous = torch.cat((batch.pictures[:, :1], batch.pictures[:, :-1]), dim=1)
    _, confidence = clip_hints(nothing, batch.poses, previous, valid, False, CAMERA)
    assert not confidence[0, 0].any()
    assert not confidence[1].any()
    assert 0.0 < confidence[0, 1].max() < TRUST_DREAM
