"""The block world as a whole: seeds, edits, tasks and states, all without a renderer."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from worldsim.camera import Intrinsics
from worldsim.envs.blocks.blocks import Block
from worldsim.envs.blocks.looks import CRYSTAL, NATURAL
from worldsim.envs.blocks.physics import Body
from worldsim.envs.blocks.start import start_clip
from worldsim.envs.blocks.tasks import Deeds, Goals, Progress, reach_reward, score
from worldsim.envs.blocks.world import SCENES, WORLD_VERSION, BlockWorld
from worldsim.errors import ConfigError, SceneError, StateError
from worldsim.types import Action

GOALS = Goals(0, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))


@pytest.fixture
def world() -> BlockWorld:
    made = BlockWorld(task=None)
    made.prepare(seed=3)
    return made


def wander(world: BlockWorld, ticks: int, seed: int = 0) -> list[tuple[Body, float, bool]]:
    rng = np.random.default_rng(seed)
    trace = []
    for _ in range(ticks):
        action = Action(
            forward=bool(rng.random() < 0.8),
            jump=bool(rng.random() < 0.4),
            attack=bool(rng.random() < 0.3),
            use=bool(rng.random() < 0.2),
            yaw_deg=float(rng.normal() * 10),
            pitch_deg=float(rng.normal() * 5),
        )
        reward, terminated = world.advance(action)
        trace.append((world.body, reward, terminated))
    return trace


def test_the_same_seed_gives_the_same_episode(world: BlockWorld) -> None:
    first = wander(world, 200)
    world.prepare(seed=3)
    assert wander(world, 200) == first


def test_a_restored_world_has_the_same_future(world: BlockWorld) -> None:
    world.task = "explore"
    wander(world, 120)
    state = world.get_state()
    future, edits = wander(world, 120, seed=1), dict(world.voxels.edits)
    other = BlockWorld(task="reach")
    other.set_state(state)
    assert other.task == "explore"
    assert wander(other, 120, seed=1) == future
    assert other.voxels.edits == edits and other.day == world.day
    world.prepare()
    other.prepare()
    assert other.seed == world.seed


def test_going_back_takes_edits_back_and_keeps_untouched_land_as_it_was_drawn(
    world: BlockWorld,
) -> None:
    state, land, below = world.get_state(), world.voxels, (0, 1, 0)
    wander(world, 5)
    world.set_state(state)
    assert world.voxels is land
    before = land.block(*below)
    land.set_block(*below, Block.BRICK)
    world.set_state(state)
    assert world.voxels.block(*below) == before != Block.BRICK
    assert land.block(*below) == Block.BRICK


def test_a_state_survives_its_own_round_trip(world: BlockWorld) -> None:
    wander(world, 50)
    state = world.get_state()
    world.set_state(state)
    assert world.get_state() == state


@pytest.mark.parametrize("damage", [b"", b"[]", b"{}", b'{"version": 99}', b"\xff\xfe"])
def test_a_damaged_state_is_refused_and_changes_nothing(world: BlockWorld, damage: bytes) -> None:
    before = world.get_state()
    with pytest.raises(StateError):
        world.set_state(damage)
    assert world.get_state() == before


def test_a_state_with_a_strange_task_or_block_is_refused(world: BlockWorld) -> None:
    before = world.get_state()
    for change in (
        {"task": "win"},
        {"edits": [[0, 0, 0, 77]]},
        {"seed": -4},
        {"body": {}},
        {"scene": "moon"},
        {"look": "noir"},
    ):
        with pytest.raises(StateError):
            world.set_state(json.dumps({**json.loads(before), **change}).encode())
    assert world.get_state() == before


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, "7", True])
def test_a_bad_seed_is_refused(world: BlockWorld, seed: Any) -> None:
    with pytest.raises(SceneError, match="seed"):
        world.prepare(seed=seed)


def test_numpy_integers_and_the_largest_seed_are_fine(world: BlockWorld) -> None:
    numpys: Any = np.int64(5)
    world.prepare(seed=numpys)
    world.prepare(seed=2**63 - 1)


def test_an_unknown_scene_names_the_known_ones(world: BlockWorld) -> None:
    with pytest.raises(SceneError, match=r"meadow.*forest.*desert.*snow.*canyon"):
        world.prepare(seed=1, scene="moon")


@pytest.mark.parametrize("scene", SCENES)
def test_a_scene_is_the_biome_the_player_starts_in(world: BlockWorld, scene: str) -> None:
    world.prepare(seed=8, scene=scene)
    assert SCENES[world.voxels.biome] == scene


def test_crystal_is_the_land_of_the_seed_in_another_look(world: BlockWorld) -> None:
    world.prepare(seed=8)
    pose, blocks = world.pose, world.sight(world.pose).window.blocks
    world.prepare(seed=8, scene="crystal")
    sight = world.sight(world.pose)
    assert (world.pose, sight.window.look) == (pose, CRYSTAL)
    assert np.array_equal(sight.window.blocks, blocks)
    world.prepare(seed=8)
    assert world.sight(world.pose).window.look is NATURAL


def test_a_look_is_part_of_the_state_and_older_states_have_the_natural_one(
    world: BlockWorld,
) -> None:
    world.prepare(seed=8, scene="crystal")
    state = world.get_state()
    other = BlockWorld()
    other.set_state(state)
    assert other.voxels.look is CRYSTAL
    assert other.get_state() == state
    older = json.loads(state)
    del older["look"]
    other.set_state(json.dumps(older).encode())
    assert other.voxels.look is NATURAL


def test_resets_without_a_seed_differ_but_follow_the_last_seed(world: BlockWorld) -> None:
    world.prepare(seed=3)
    world.prepare()
    first = world.seed
    world.prepare()
    assert world.seed != first
    world.prepare(seed=3)
    world.prepare()
    assert world.seed == first


def test_an_unknown_task_is_refused() -> None:
    with pytest.raises(ConfigError, match="reach"):
        BlockWorld(task="win")


def test_the_day_is_bright_at_the_start_and_advances(world: BlockWorld) -> None:
    start = world.day
    assert 0.25 < start < 0.75
    world.advance(Action())
    assert world.day - start == pytest.approx(1 / (20 * 1200))


def look_down(world: BlockWorld) -> tuple[int, int, int]:
    """Look at the block in front of the feet; returns the block underfoot's column and level."""
    world.body = replace(world.body, pitch_deg=60.0, yaw_deg=0.0)
    return (
        math.floor(world.body.x),
        math.floor(world.body.y) - 1,
        math.floor(world.body.z),
    )


def test_a_press_breaks_once_and_a_held_button_again_after_five_ticks(world: BlockWorld) -> None:
    look_down(world)
    count = len(world.voxels.edits)
    broken = []
    for _ in range(7):
        world.advance(Action(attack=True))
        broken.append(len(world.voxels.edits) - count)
    assert broken == [1, 1, 1, 1, 1, 2, 2]


def test_use_places_planks_that_stay(world: BlockWorld) -> None:
    look_down(world)
    world.advance(Action(use=True))
    place, block = list(world.voxels.edits.items())[-1]
    assert block == Block.PLANKS
    wander(world, 0)
    assert world.voxels.block(*place) == Block.PLANKS


def test_a_block_is_never_placed_inside_the_body(world: BlockWorld) -> None:
    world.body = replace(world.body, pitch_deg=89.0)
    count = len(world.voxels.edits)
    world.advance(Action(use=True))
    assert len(world.voxels.edits) == count


def test_the_beacon_cannot_be_broken(world: BlockWorld) -> None:
    x, y, z = world.beacon
    world.body = replace(world.body, x=x, y=y - 0.5, z=z + 2.0, yaw_deg=0.0, pitch_deg=0.0)
    for level in (0, 1, 2):
        world.voxels.set_block(math.floor(x), math.floor(y) + level, math.floor(z) + 1, Block.AIR)
    world.advance(Action(attack=True))
    assert world.voxels.block(math.floor(x), math.floor(y) + 1, math.floor(z)) == Block.BEACON


def test_walking_into_a_gem_collects_it(world: BlockWorld) -> None:
    world.task = "gems"
    x, y, z = math.floor(world.body.x), math.floor(world.body.y), math.floor(world.body.z)
    world.voxels.set_block(x, y, z - 1, Block.GEM)
    world.body = replace(world.body, yaw_deg=0.0)
    rewards = [world.advance(Action(forward=True))[0] for _ in range(6)]
    assert sum(rewards) == 1.0 and world.gems == 1
    assert world.voxels.block(x, y, z - 1) == Block.AIR


def test_reach_pays_progress_and_ends_on_arrival() -> None:
    beacon = (10.0, 30.0, 0.0)
    assert reach_reward((0, 30, 0), (1, 30, 0), beacon) == (pytest.approx(0.1), False)
    assert reach_reward((1, 30, 0), (0, 30, 0), beacon) == (pytest.approx(-0.1), False)
    assert reach_reward((7.5, 30, 0), (8.5, 31, 0), beacon) == (pytest.approx(10.1), True)


def test_going_in_circles_pays_nothing() -> None:
    way = [(math.sin(a), 30.0, math.cos(a)) for a in np.linspace(0, 2 * math.pi, 30)]
    paid = sum(reach_reward(a, b, (9.0, 30.0, 0.0))[0] for a, b in itertools.pairwise(way))
    assert paid == pytest.approx(0.0, abs=1e-9)


def test_exploring_pays_each_place_once() -> None:
    progress, paid = Progress(), 0.0
    for x in (0.0, 1.0, 5.0, 1.0, 5.0):
        outcome = score("explore", progress, Deeds((0, 0, 0), (x, 0, 0)), GOALS)
        progress, paid = outcome.progress, paid + outcome.reward
    assert paid == pytest.approx(0.2)


def test_steering_at_the_beacon_and_jumping_arrives() -> None:
    world = BlockWorld(task="reach")
    arrived = 0
    for seed in range(8):
        world.prepare(seed=seed)
        for _ in range(300):
            x, z = world.beacon[0] - world.body.x, world.beacon[2] - world.body.z
            turn = math.degrees(math.atan2(x, -z)) - world.body.yaw_deg
            turn = (turn + 180.0) % 360.0 - 180.0
            _, terminated = world.advance(Action(forward=True, jump=True, yaw_deg=turn))
            if terminated:
                arrived += 1
                break
    assert arrived >= 6


def test_a_start_clip_looks_all_around_and_ends_where_it_began() -> None:
    clip = start_clip(3, scene="forest", intrinsics=Intrinsics(width=32, height=20))
    assert len(clip.observations) == 11 and len(clip.actions) == 10
    first, last = clip.observations[0], clip.observations[-1]
    assert last.pose == first.pose
    assert np.abs(last.rgb.astype(int) - first.rgb).mean() < 2.0
    assert np.abs(clip.observations[4].rgb.astype(int) - first.rgb).mean() > 2.0


def test_a_world_that_changes_gets_another_version() -> None:
    """Where this fails on purpose, raise WORLD_VERSION: recorded episodes no longer replay."""
    digest = hashlib.sha256()
    world = BlockWorld(task=None)
    for scene in SCENES:
        world.prepare(seed=5, scene=scene)
        digest.update(world.voxels.columns(-40, -40, 80, 80).tobytes())
        path = [[body.x, body.y, body.z] for body, _, _ in wander(world, 100)]
        digest.update((np.array(path) * 1000).round().astype(np.int64).tobytes())
    assert (WORLD_VERSION, digest.hexdigest()[:16]) == (1, "64b3ac0c283deb84")


def test_stepping_gives_the_picture_after_the_action() -> None:
    world = BlockWorld(Intrinsics(width=32, height=20), task=None)
    before = world.reset(seed=3)
    after = world.step(Action(yaw_deg=90.0)).observation
    assert after.pose == world.pose != before.pose
    np.testing.assert_array_equal(after.rgb, world.render([after.pose]).rgb[0])
    world.close()
