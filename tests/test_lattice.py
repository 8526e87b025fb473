"""In a world of cells, what is dreamed lies on whole metres; elsewhere it stays where it is."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from fakes import PlaneWorld
from torch import Tensor

from worldsim.camera import Intrinsics, pixel_rays, pose_matrices
from worldsim.engine.lattice import aligned, has_cells
from worldsim.engine.picture_start import clip_from_image
from worldsim.envs.blocks.world import BlockWorld
from worldsim.model.picture import decode_depth, to_picture
from worldsim.types import SKY_DEPTH_M, Observation, Pose

CAMERA = Intrinsics(width=64, height=48, fov_y_deg=60.0)
NOISE = 0.02  # of a dreamed depth, relative
EYE = Pose(0.4, 1.62, -0.3, yaw_deg=25.0, pitch_deg=-10.0)


def faces(height_m: float = 0.0, wall_m: float = -9.0, pose: Pose = EYE) -> Tensor:
    """Depths [H, W] of ground at a height, and of a wall to the north, metres."""
    world_from_camera = torch.from_numpy(pose_matrices([pose]))[0]
    along = pixel_rays(CAMERA) @ world_from_camera[:3, :3].T
    _, y, z = along.unbind(-1)
    down = torch.where(y < -0.02, (height_m - pose.y) / y, SKY_DEPTH_M)
    north = torch.where(z < -0.02, (wall_m - pose.z) / z, SKY_DEPTH_M)
    low = torch.where(pose.y + north * y < height_m + 3.0, north, SKY_DEPTH_M)
    return torch.minimum(down, low)


def dreamed(depth: Tensor, noise: float = 0.0) -> Tensor:  # [1, 4, H, W]
    torch.manual_seed(0)
    grey = torch.full((*depth.shape, 3), 90, dtype=torch.uint8)
    return to_picture(grey, depth * (1.0 + noise * torch.randn_like(depth)))[None]


def laid(picture: Tensor, *, cells: bool = True, pose: Pose = EYE) -> Tensor:  # [H, W] metres
    poses = torch.from_numpy(pose_matrices([pose]))
    return decode_depth(aligned(picture, poses, CAMERA, torch.tensor([cells]))[0, 3])


def error(depth: Tensor, truth: Tensor) -> float:
    """Median of the relative error on land."""
    return float(((depth - truth).abs() / truth)[truth < 20.0].median())


@pytest.mark.parametrize("yaw_deg", [0.0, 25.0, 100.0, 260.0])
def test_uneven_depths_lie_on_the_faces_of_cells_again(yaw_deg: float) -> None:
    pose = dataclasses.replace(EYE, yaw_deg=yaw_deg)
    truth = faces(pose=pose)
    picture = dreamed(truth, NOISE)
    without = laid(picture, cells=False, pose=pose)
    assert error(laid(picture, pose=pose), truth) < 0.35 * error(without, truth)


def test_ground_that_has_risen_comes_down_again() -> None:
    truth, risen = faces(wall_m=-30.0), faces(height_m=0.15, wall_m=-30.0)
    assert error(laid(dreamed(risen)), truth) < 0.02 < 0.05 < error(risen, truth)


def test_what_lies_between_two_faces_stays_there() -> None:
    between = faces(height_m=0.5, wall_m=-9.5)
    assert error(laid(dreamed(between)), between) < 5e-3


def test_slopes_stay_slopes() -> None:
    tilted = dataclasses.replace(EYE, pitch_deg=EYE.pitch_deg + 40.0)
    slope = faces(pose=tilted)
    assert error(laid(dreamed(slope), pose=EYE), slope) < 5e-3


def test_colours_and_skies_stay_as_they_are() -> None:
    picture = dreamed(faces())
    after = aligned(picture, torch.from_numpy(pose_matrices([EYE])), CAMERA, torch.tensor([True]))
    assert torch.equal(after[:, :3], picture[:, :3])
    is_sky = decode_depth(picture[:, 3]) == SKY_DEPTH_M
    assert bool(is_sky.any()) and torch.equal(after[:, 3][is_sky], picture[:, 3][is_sky])


def test_each_world_of_a_batch_keeps_to_its_own_kind() -> None:
    picture, poses = dreamed(faces(height_m=0.2)), torch.from_numpy(pose_matrices([EYE, EYE]))
    both = aligned(picture.expand(2, -1, -1, -1), poses, CAMERA, torch.tensor([True, False]))
    assert torch.equal(decode_depth(both[0, 3]), laid(picture))
    assert torch.equal(decode_depth(both[1, 3]), laid(picture, cells=False))


def test_the_block_world_has_cells() -> None:
    world = BlockWorld(CAMERA)
    assert has_cells([world.reset(seed=seed) for seed in range(3)], CAMERA)


def test_so_has_the_stage_of_a_picture() -> None:
    picture = np.random.default_rng(0).integers(256, size=(48, 64, 3), dtype=np.uint8)
    assert has_cells(clip_from_image(picture, CAMERA).observations, CAMERA)


@pytest.mark.parametrize("height_m", [0.3, 0.5, 0.8])
def test_a_world_whose_ground_lies_elsewhere_has_none(height_m: float) -> None:
    seen = PlaneWorld(CAMERA).observe()
    raised = Pose(seen.pose.x, seen.pose.y + height_m, seen.pose.z, pitch_deg=seen.pose.pitch_deg)
    assert not has_cells([dataclasses.replace(seen, pose=raised)], CAMERA)


def test_a_sky_alone_tells_of_no_cells() -> None:
    sky = np.full((CAMERA.height, CAMERA.width), SKY_DEPTH_M, np.float32)
    nothing = np.zeros((CAMERA.height, CAMERA.width, 3), np.uint8)
    assert not has_cells([Observation(nothing, sky, EYE)], CAMERA)
