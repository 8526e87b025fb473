"""The voxel ray-cast: known answers, a brute-force march, and the kernel against its reference."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from worldsim.errors import ConfigError
from worldsim.kernels.raycast import BELOW, FACE_INSIDE, FACE_NONE, FACE_TOP, RayHits, raycast

BRICK, WATER = 9, 5
SHAPE = (9, 7, 11)  # no two equal, none a multiple of the kernel's block


def one_ray(blocks: Tensor, origin: list[float], direction: list[float], **settings) -> RayHits:
    rays = (
        torch.tensor([[origin]]),
        torch.nn.functional.normalize(torch.tensor([[direction]]), dim=-1),
    )
    return raycast(blocks, *rays, **{"max_distance": 30.0, **settings})


def one_block(x: int, y: int, z: int, block: int = BRICK) -> Tensor:
    blocks = torch.zeros(1, *SHAPE, dtype=torch.uint8)
    blocks[0, x, y, z] = block
    return blocks


def random_scene(R: int, *, filled: float = 0.08) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(R)
    blocks = (torch.rand(2, *SHAPE, generator=generator) < filled).to(torch.uint8) * BRICK
    origins = torch.rand(3, R, 3, generator=generator) * 18 - 4
    directions = torch.randn(3, R, 3, generator=generator)
    return blocks, origins, directions / directions.norm(dim=-1, keepdim=True)


def assert_equal(ours: RayHits, theirs: RayHits) -> None:
    assert torch.equal(ours.distance, theirs.distance)
    assert torch.equal(ours.face, theirs.face)
    assert torch.equal(ours.block, theirs.block)
    assert torch.equal(ours.cell, theirs.cell)


@pytest.mark.parametrize(
    ("direction", "distance", "face"),
    [([1, 0, 0], 2.5, 1), ([-1, 0, 0], 3.5, 0)],
)
def test_a_ray_along_an_axis_meets_the_near_face(direction, distance, face):
    blocks = one_block(1, 3, 5) + one_block(8, 3, 5)
    hits = one_ray(blocks, [5.5, 3.5, 5.5], [float(d) for d in direction])
    assert hits.distance.item() == distance
    assert hits.face.item() == face
    assert hits.block.item() == BRICK


def test_a_ray_that_meets_nothing_has_infinite_distance_and_no_face():
    hits = one_ray(one_block(1, 3, 5), [5.5, 3.5, 5.5], [0.0, 1.0, 0.0])
    assert hits.distance.item() == float("inf")
    assert hits.face.item() == FACE_NONE
    assert hits.block.item() == 0


def test_a_block_beyond_the_range_is_not_met():
    hits = one_ray(one_block(8, 3, 5), [5.5, 3.5, 5.5], [1.0, 0.0, 0.0], max_distance=2.4)
    assert hits.face.item() == FACE_NONE


def test_a_ray_that_starts_inside_a_block_meets_it_at_once():
    hits = one_ray(one_block(5, 3, 5), [5.5, 3.5, 5.5], [1.0, 0.0, 0.0])
    assert hits.distance.item() == 0.0
    assert hits.face.item() == FACE_INSIDE


def test_a_ray_enters_the_grid_from_outside():
    hits = one_ray(one_block(0, 3, 5), [-4.0, 3.5, 5.5], [1.0, 0.0, 0.0])
    assert hits.distance.item() == 4.0
    assert hits.cell.tolist() == [[[0, 3, 5]]]


def test_below_the_grid_lies_stone():
    hits = one_ray(one_block(1, 3, 5), [5.5, 3.25, 5.5], [0.0, -1.0, 0.0])
    assert hits.distance.item() == 3.25
    assert hits.face.item() == FACE_TOP
    assert hits.block.item() == BELOW


def test_rays_pass_through_the_block_they_are_told_to():
    blocks = one_block(6, 3, 5, WATER) + one_block(8, 3, 5)
    through = torch.tensor([WATER])
    assert one_ray(blocks, [5.5, 3.5, 5.5], [1.0, 0.0, 0.0]).block.item() == WATER
    hits = one_ray(blocks, [5.5, 3.5, 5.5], [1.0, 0.0, 0.0], through=through)
    assert hits.block.item() == BRICK


def test_hits_agree_with_a_march_in_small_steps():
    blocks, origins, directions = random_scene(200, filled=0.2)
    grid = torch.tensor([0, 1, 1])
    hits = raycast(blocks, origins, directions, max_distance=10.0, grid=grid)
    t = torch.arange(0.0, 10.0, 0.005)
    places = (origins[..., None, :] + directions[..., None, :] * t[:, None]).floor().long()
    inside = ((places >= 0) & (places < torch.tensor(SHAPE))).all(-1)
    x, y, z = places.where(inside[..., None], 0).unbind(-1)
    filled = (blocks[grid[:, None, None], x, y, z] != 0) & inside
    met = hits.block == BRICK
    assert met.sum() > 100
    assert not filled[hits.face == FACE_NONE].any()
    first = t[filled.int().argmax(-1)]
    seen = met & filled.any(-1)  # steps may jump over the tip of a corner
    assert seen.sum() > 0.97 * met.sum()
    exact = (hits.distance - first)[seen].abs() < 0.0052
    assert exact.float().mean() > 0.97


def test_skipping_over_empty_cubes_changes_no_hit():
    blocks, origins, directions = random_scene(100, filled=0.02)
    empty = (blocks == 0).float()[:, None]
    room = torch.zeros_like(blocks)
    for reach in range(3):
        filled = torch.nn.functional.pad(1 - empty, (reach,) * 6)
        filled[..., :reach, :] = 1.0  # below the grid
        near = torch.nn.functional.max_pool3d(filled, 2 * reach + 1, 1)
        room += (near == 0)[:, 0].to(torch.uint8)
    settings = {"max_distance": 10.0, "grid": torch.tensor([0, 1, 1])}
    plain = raycast(blocks, origins, directions, **settings)
    skipped = raycast(blocks, origins, directions, clearance=room, **settings)
    assert room.max() == 3
    assert torch.equal(plain.cell, skipped.cell)
    assert torch.allclose(plain.distance, skipped.distance)


@pytest.mark.parametrize("R", [1, 63, 131])
def test_the_kernel_equals_its_reference_on_poisoned_memory(R):
    pytest.importorskip("triton")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    blocks, origins, directions = (part.to(device) for part in random_scene(R))
    poisoned_blocks = torch.full((4, *SHAPE), 255, dtype=torch.uint8, device=device)
    poisoned_blocks[1:3] = blocks
    poisoned = torch.full((2, 5, R, 4), float("nan"), device=device)
    poisoned[0, 1:4, :, :3], poisoned[1, 1:4, :, :3] = origins, directions
    inputs = poisoned_blocks[1:3], poisoned[0, 1:4, :, :3], poisoned[1, 1:4, :, :3]  # strided
    settings = {"max_distance": 9.0, "grid": torch.tensor([0, 1, 1], device=device)}
    ours = raycast(*inputs, **settings, implementation="triton")
    assert_equal(ours, raycast(*inputs, **settings, implementation="torch"))
    assert R == 1 or (ours.block == BRICK).any()


def test_no_rays_give_no_hits():
    hits = raycast(one_block(1, 1, 1), torch.zeros(1, 0, 3), torch.zeros(1, 0, 3), max_distance=9.0)
    assert hits.distance.shape == (1, 0)


def test_a_missing_batch_dimension_is_named():
    rays = torch.zeros(1, 4, 3), torch.zeros(1, 4, 3)
    with pytest.raises(ConfigError, match="Add the missing batch dimension"):
        raycast(torch.zeros(SHAPE, dtype=torch.uint8), *rays, max_distance=9.0)
