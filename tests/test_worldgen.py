"""Generation: determinism, independence of order, and what a start promises."""

from __future__ import annotations

import math

import numpy as np
import pytest

from worldsim.envs.blocks.biomes import MATERIALS, Biome
from worldsim.envs.blocks.blocks import BLOCK_COUNT, HEIGHT, PASSABLE, SOLID, Block
from worldsim.envs.blocks.looks import LOOKS
from worldsim.envs.blocks.noise import hashed, value_noise
from worldsim.envs.blocks.spawn import BEACON_MAX_M, BEACON_MIN_M, find_start
from worldsim.envs.blocks.structures import _KINDS
from worldsim.envs.blocks.voxels import WINDOW, VoxelWorld
from worldsim.envs.blocks.worldgen import REGION, region


def test_a_region_is_the_same_whenever_it_is_generated() -> None:
    first = region(5, Biome.FOREST, -2, 3).copy()
    region.cache_clear()
    region(5, Biome.FOREST, 7, 7)
    np.testing.assert_array_equal(first, region(5, Biome.FOREST, -2, 3))


def test_seeds_and_biomes_give_different_worlds() -> None:
    plain = region(5, Biome.MEADOW, 0, 0)
    assert (plain != region(6, Biome.MEADOW, 0, 0)).any()
    assert (plain != region(5, Biome.SNOW, 0, 0)).any()


def test_the_ground_continues_across_region_borders() -> None:
    blocks = VoxelWorld(11, Biome.MEADOW).columns(-64, -64, 128, 128)
    ground = np.isin(blocks, (Block.GRASS, Block.DIRT, Block.SAND, Block.STONE))
    height = HEIGHT - 1 - ground[:, ::-1].argmax(axis=1)
    inside = np.abs(np.diff(height, axis=0))
    at_border = inside[REGION - 1 :: REGION]
    assert at_border.mean() < 2 * inside.mean() + 0.1


def test_noise_does_not_depend_on_which_columns_are_asked_for() -> None:
    wide = value_noise(3, 1, 36, np.arange(-40, 60), np.arange(-50, 10))
    part = value_noise(3, 1, 36, np.arange(-7, 20), np.arange(-33, -5))
    np.testing.assert_array_equal(wide[33:60, 17:45], part)


def test_hashes_are_uniform_enough() -> None:
    x, z = np.meshgrid(np.arange(-100, 100), np.arange(-100, 100))
    values = hashed(9, 1, x, z)
    counts, _ = np.histogram(values, bins=10, range=(0.0, 1.0))
    assert counts.min() > 3700 and counts.max() < 4300


@pytest.mark.parametrize("biome", list(Biome))
def test_a_biome_is_covered_by_its_own_ground(biome: Biome) -> None:
    blocks = VoxelWorld(21, biome).columns(-20, -20, 40, 40)
    assert (blocks == MATERIALS[biome].top).any(axis=1).mean() > 0.3


@pytest.mark.parametrize("biome", list(Biome))
@pytest.mark.parametrize("seed", [0, 9, 2**63 - 1])
def test_a_start_is_dry_and_open_with_the_beacon_in_range(biome: Biome, seed: int) -> None:
    world = VoxelWorld(seed, biome)
    start = find_start(world)
    x, y, z = (math.floor(v) for v in start.feet)
    assert world.block(x, y - 1, z) in SOLID
    assert all(world.block(x, y + up, z) in PASSABLE for up in range(3))
    assert world.block(x, y, z) != Block.WATER
    gone = math.dist((start.feet[0], start.feet[2]), (start.beacon[0] + 0.5, start.beacon[2] + 0.5))
    assert BEACON_MIN_M <= gone <= BEACON_MAX_M


def test_every_kind_of_structure_occurs_with_its_lamps_and_crystals() -> None:
    seen: set[int] = set()
    for seed in range(12):
        seen |= set(np.unique(VoxelWorld(seed).columns(-64, -64, 128, 128)).tolist())
    assert seen >= {Block.LAMP, Block.CRYSTAL, Block.BRICK, Block.PLANKS, Block.GEM, Block.WATER}
    assert [kind[0] for kind in _KINDS] == sorted(kind[0] for kind in _KINDS)


def test_a_window_shows_the_world_around_its_centre() -> None:
    world = VoxelWorld(4)
    window = world.window(13.0, -70.0)
    x0, y0, z0 = window.origin
    assert (x0, y0, z0) == (16 - WINDOW // 2, 0, -72 - WINDOW // 2)
    assert window.blocks.flags.c_contiguous and not window.blocks.flags.writeable
    assert window.blocks[5, 20, 7] == world.block(x0 + 5, 20, z0 + 7)


def test_a_window_keeps_its_version_until_a_block_in_it_changes() -> None:
    world = VoxelWorld(4)
    before = world.window(0.0, 0.0)
    assert world.window(1.0, -2.0) is before
    world.set_block(500, 30, 500, Block.BRICK)
    assert world.window(0.0, 0.0).version == before.version
    world.set_block(3, 50, 3, Block.BRICK)
    after = world.window(0.0, 0.0)
    assert after.version != before.version
    assert after.blocks[43, 50, 43] == Block.BRICK and before.blocks[43, 50, 43] != Block.BRICK


def test_edits_stay_after_long_travels_and_never_reach_other_worlds() -> None:
    world = VoxelWorld(4)
    world.set_block(-1, 50, -1, Block.LAMP)
    for step in range(300):
        world.block(step * REGION, 1, 0)
    assert world.block(-1, 50, -1) == Block.LAMP
    assert VoxelWorld(4).block(-1, 50, -1) == Block.AIR


def test_below_the_world_is_stone_and_above_it_air() -> None:
    world = VoxelWorld(4)
    assert world.block(0, -1, 0) == Block.STONE
    assert world.block(0, HEIGHT, 0) == Block.AIR
    assert not world.set_block(0, HEIGHT, 0, Block.BRICK)


def test_every_block_has_a_colour_for_each_face() -> None:
    for look in LOOKS.values():
        assert look.palette().shape == (BLOCK_COUNT, 3, 3)
