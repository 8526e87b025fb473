"""Geometry is exact wherever it is asked for; autocast, which training runs under, or not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from dreams import plane_episode, random_model
from torch import Tensor

from worldsim.camera import composed, invert_rigid, plucker_rays, project, unproject
from worldsim.model.presets import preset
from worldsim.precision import full_precision
from worldsim.train.batch import ClipBatch, ClipConfig, sample_clips
from worldsim.train.hints import bare_hints, last_frames, remembered_keyframes
from worldsim.train.teacher import anchor_from_world, recall_context
from worldsim.types import Action

CAMERA = preset("tiny").intrinsics
EPISODE = plane_episode([Action(forward=True, yaw_deg=4.0)] * 40)


@pytest.fixture(scope="module")
def clips() -> ClipBatch:
    return sample_clips([EPISODE], ClipConfig(clips=2), np.random.default_rng(0))


def under_autocast(function: Callable[[], Tensor]) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        return function()


def test_autocast_rounds_what_does_not_ask_for_precision() -> None:
    a, b = torch.randn(2, 8, 8)
    assert not torch.equal(under_autocast(lambda: a @ b).float(), a @ b)
    assert torch.equal(under_autocast(full_precision(lambda: a @ b)), a @ b)


def test_what_is_called_in_full_precision_may_be_called_without_autocast_too() -> None:
    a, b = torch.randn(2, 8, 8)
    assert torch.equal(full_precision(torch.matmul)(a, b), a @ b)


@pytest.mark.parametrize(
    "geometry",
    [
        lambda clips: composed(clips.poses, clips.keyframe_poses[:, :1]),
        lambda clips: invert_rigid(clips.poses),
        lambda clips: unproject(torch.ones(2, 1, 48, 64), clips.poses[:, :1], CAMERA),
        lambda clips: project(torch.ones(2, 1, 48, 64, 3), clips.poses[:, :1], CAMERA)[0],
        lambda clips: plucker_rays(clips.poses, torch.eye(4), CAMERA),
        lambda clips: bare_hints(remembered_keyframes(clips), clips.poses, CAMERA)[0],
        lambda clips: last_of(clips),
    ],
    ids=["composed", "inverse", "unproject", "project", "rays", "hint", "last frame"],
)
def test_geometry_is_the_same_bit_for_bit_under_autocast(
    clips: ClipBatch, geometry: Callable[[ClipBatch], Tensor]
) -> None:
    assert torch.equal(under_autocast(lambda: geometry(clips)), geometry(clips))


def test_recalled_frames_are_placed_exactly_under_autocast(
    clips: ClipBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, placed = random_model(), list[Tensor]()
    monkeypatch.setattr(model, "recall", lambda _pictures, poses, _valid: placed.append(poses))

    def place() -> Tensor:
        torch.manual_seed(0)
        recall_context(model, clips, anchor_from_world(clips.poses))
        return placed[-1]

    assert torch.equal(under_autocast(place), place())


def last_of(clips: ClipBatch) -> Tensor:
    before = torch.cat((clips.pictures[:, :1], clips.pictures[:, :-1]), dim=1)
    near = torch.ones(clips.poses.shape[:2], dtype=torch.bool)
    return last_frames(clips.pictures, clips.poses, before, near, True, CAMERA)[0]
