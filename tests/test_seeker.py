"""The scripted player who knows where things are, and what happens on its way."""

from __future__ import annotations

import math
from dataclasses import astuple, fields, replace
from itertools import islice

import numpy as np

from worldsim.envs.blocks.blocks import Block
from worldsim.envs.blocks.events import Happened, advance_watched
from worldsim.envs.blocks.seeker import gems_near, seek, strew_gems
from worldsim.envs.blocks.world import BlockWorld
from worldsim.model.heads import EVENTS
from worldsim.types import Action

TICKS = 150


def sought(seed: int) -> tuple[list[Action], list[Happened]]:
    """The actions and events of a seeker in a world of many gems."""
    world, rng = BlockWorld(), np.random.default_rng(seed)
    world.prepare(seed=seed)
    strew_gems(world, rng)
    actions, events = [], []
    for action in islice(seek(world, rng), TICKS):
        actions.append(action)
        events.append(advance_watched(world, action))
    return actions, events


def test_seekers_find_gems_and_the_beacon() -> None:
    ways = [sought(seed)[1] for seed in range(8)]
    assert sum(any(event.reward for event in way) for way in ways) >= 6
    assert sum(any(event.end for event in way) for way in ways) >= 3
    assert not any(all(event.end for event in way) for way in ways)


def test_a_way_is_repeated_by_its_seed() -> None:
    assert sought(3) == sought(3)
    assert sought(3) != sought(4)


def test_the_events_of_the_world_are_those_of_the_head_in_order() -> None:
    assert tuple(field.name for field in fields(Happened)) == EVENTS


def test_the_nearest_gem_comes_first() -> None:
    world = BlockWorld()
    world.prepare(seed=0)
    x, y, z = (math.floor(c) for c in (world.body.x, world.body.y, world.body.z))
    for ahead in (5, 2):
        world.voxels.set_block(x, y, z - ahead, Block.GEM)
    assert gems_near(world)[:2].tolist() == [[x, y, z - 2], [x, y, z - 5]]


def test_strewn_gems_lie_within_reach_of_a_walker() -> None:
    world = BlockWorld()
    world.prepare(seed=0)
    few = len(gems_near(world))
    strew_gems(world, np.random.default_rng(0))
    gems = gems_near(world).tolist()
    assert len(gems) > few + 10
    for x, y, z in gems:
        assert world.voxels.block(x, y + 1, z) == Block.AIR
        assert world.voxels.block(x, y - 1, z) not in (Block.AIR, Block.WATER, Block.GEM)


def test_a_gem_is_an_event_when_it_is_taken_and_the_beacon_while_it_is_near() -> None:
    world = BlockWorld(task=None)
    world.prepare(seed=0)
    x, y, z = (math.floor(c) for c in (world.body.x, world.body.y, world.body.z))
    world.voxels.set_block(x, y, z - 1, Block.GEM)
    world.body = replace(world.body, yaw_deg=0.0)
    rewards = [advance_watched(world, Action(forward=True)).reward for _ in range(6)]
    assert sum(rewards) == 1
    beacon_x, _, beacon_z = world.beacon
    for aside_m, near in ((1.9, True), (1.9, True), (2.1, False)):
        world.body = replace(world.body, x=beacon_x + aside_m, y=60.0, z=beacon_z, vx=0.0, vz=0.0)
        assert astuple(advance_watched(world, Action())) == (False, near)
