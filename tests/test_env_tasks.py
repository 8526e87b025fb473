"""Tasks: what they lay out, what they pay, that they can be done, alike in truth and dream."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from fakes_envs import FakeSaved

from worldsim.actions import DISCRETE
from worldsim.camera import Intrinsics
from worldsim.envs.blocks.blocks import Block
from worldsim.envs.blocks.layout import GEMS_LAID, KEEPSAKE_FAR_M, KEEPSAKE_NEAR_M
from worldsim.envs.blocks.maze import (
    CELLS,
    SIDE_M,
    cell_at,
    is_wall,
    maze_of,
    middle_of,
    steps_to_exit,
)
from worldsim.envs.blocks.scripted import ScriptedPlayer
from worldsim.envs.blocks.tasks import (
    ARRIVAL_REWARD,
    MARKER_LEVELS,
    TASKS,
    TURNING_POINT_REWARD,
    Deeds,
    Goals,
    Progress,
    score,
)
from worldsim.envs.blocks.world import BlockWorld
from worldsim.envs.dream_env import DreamTask
from worldsim.envs.referee import Referee
from worldsim.errors import StateError
from worldsim.types import Action, Observation, StepResult

HOME, BEACON, GEM = (0.5, 30.0, 0.5), (12.5, 30.5, 0.5), (0.5, 30.5, -5.5)
GOALS = Goals(3, HOME, BEACON, GEM)
ENDING = ("reach", "return", "build", "maze")
STEPS = 400

each_task = pytest.mark.parametrize("task", TASKS)


def begun(task, seed=0):
    world = BlockWorld(Intrinsics(width=16, height=10), task=task)
    world.prepare(seed=seed)
    return world


def scripted(task, seed):
    """Rewards and ends of a scripted player in the truth."""
    world, player = begun(task, seed), ScriptedPlayer(task)
    player.begin(seed)
    outcomes = []
    for _ in range(STEPS):
        outcomes.append(world.advance(player.act(world.pose)))
        if outcomes[-1][1]:
            break
    return outcomes


class TrueDream:
    """An engine that dreams the true world, but for its pictures."""

    sees_events = True

    def __init__(self, task):
        self.world = begun(task)

    def reset(self, *, seed, scene=None, clip=None):
        self.world.prepare(seed=seed, scene=scene)
        return self._observe()

    def step(self, action):
        self.world.advance(action)
        return StepResult(self._observe())

    def snapshot(self):
        return FakeSaved(self.world.get_state())

    def restore(self, state):
        self.world.set_state(state.data)

    def fork(self):
        twin = TrueDream(self.world.task)
        twin.restore(self.snapshot())
        return twin

    def close(self):
        self.world.close()

    def _observe(self):
        blank = np.zeros((10, 16, 3), np.uint8)
        return Observation(blank, blank[..., 0].astype(np.float32), self.world.pose)


def dream_of(task):
    return DreamTask(
        TrueDream(task), state_from_bytes=FakeSaved, referee=Referee(begun(task)), judge="pose"
    )


@pytest.mark.parametrize("task", ENDING)
def test_a_scripted_player_does_what_can_be_done(task):
    ends = [scripted(task, seed)[-1] for seed in range(4)]
    assert all(terminated and reward > ARRIVAL_REWARD - 1 for reward, terminated in ends)


@pytest.mark.parametrize("task", ["gems", "explore"])
def test_a_scripted_player_earns_more_than_a_random_one(task):
    earned = sum(reward for reward, _ in scripted(task, 1))
    world, rng = begun(task, 1), np.random.default_rng(0)
    by_chance = sum(world.advance(DISCRETE[rng.integers(12)])[0] for _ in range(STEPS))
    assert earned > 2 * by_chance


@each_task
def test_a_task_is_laid_out_alike_for_equal_seeds_and_unlike_for_others(task):
    first, again, other = (begun(task, seed) for seed in (5, 5, 6))
    assert first.goals == again.goals and first.voxels.edits == again.voxels.edits
    assert first.goals != other.goals


@each_task
def test_a_dream_that_is_true_is_rewarded_as_the_truth(task):
    dream, player = dream_of(task), ScriptedPlayer(task)
    seen = dream.reset(seed=2)
    player.begin(2)
    rewarded = []
    for _ in range(STEPS):
        result = dream.step(player.act(seen.pose))
        seen = result.observation
        rewarded.append((result.reward, result.terminated))
        if result.terminated:
            break
    assert rewarded == scripted(task, 2)


@pytest.mark.parametrize("kind", ["restored", "forked"])
def test_a_saved_dream_keeps_its_tasks_progress(kind):
    dream = dream_of("build")
    seen = dream.reset(seed=2)
    player = ScriptedPlayer("build")
    player.begin(2)
    for _ in range(6):
        seen = dream.step(player.act(seen.pose)).observation
    twin = dream.fork() if kind == "forked" else dream_of("build")
    if kind == "restored":
        twin.set_state(dream.get_state())
    rest = [player.act(seen.pose), *[Action(use=True), Action()] * 3]
    expected = [(step.reward, step.terminated) for step in map(dream.step, rest)]
    assert [(step.reward, step.terminated) for step in map(twin.step, rest)] == expected


def test_a_dreams_damaged_state_changes_nothing():
    dream = dream_of("gems")
    dream.reset(seed=0)
    saved = dream.get_state()
    for damaged in (saved[:40], saved[:8] + b"x" + saved[9:]):
        with pytest.raises(StateError):
            dream.set_state(damaged)
    assert dream.get_state() == saved


def test_gems_are_laid_where_a_walker_gets_to():
    plain, rich = begun("reach", 4), begun("gems", 4)
    laid = [at for at, block in rich.voxels.edits.items() if block == Block.GEM]
    assert len(laid) == GEMS_LAID
    assert all(plain.voxels.block(*at) == Block.AIR for at in laid)


def test_the_gem_of_return_is_in_view_of_the_start():
    for seed in range(6):
        world = begun("return", seed)
        right, back = world.goals.gem[0] - world.body.x, world.goals.gem[2] - world.body.z
        aside = (math.degrees(math.atan2(right, -back)) - world.body.yaw_deg + 180) % 360 - 180
        assert abs(aside) < 30.0
        assert KEEPSAKE_NEAR_M - 1 <= math.hypot(right, back) <= KEEPSAKE_FAR_M + 1


def test_return_pays_the_beacon_once_and_ends_at_the_gem():
    def step(progress, before, now):
        return score("return", progress, Deeds(before, now), GOALS)

    early = step(Progress(), HOME, GEM)
    assert not early.terminated
    there = step(Progress(), (10.0, 30.0, 0.5), (11.0, 30.0, 0.5))
    assert there.progress.turned_back and not there.terminated
    assert there.reward == pytest.approx(0.1 + TURNING_POINT_REWARD)
    back = step(there.progress, (0.5, 30.0, -2.5), (0.5, 30.0, -3.6))
    assert back.terminated and back.reward == pytest.approx(0.11 + ARRIVAL_REWARD)


def test_build_pays_each_level_once():
    progress, paid = Progress(), []
    for levels in (1, 1, 2, 1, MARKER_LEVELS):
        outcome = score("build", progress, Deeds(HOME, HOME, levels=levels), GOALS)
        progress = outcome.progress
        paid.append(outcome.reward)
    assert paid == [1.0, 0.0, 1.0, 0.0, 1.0 + ARRIVAL_REWARD]
    assert outcome.terminated


def test_only_the_players_own_planks_are_a_marker():
    world = begun("build", 1)
    world.body = replace(world.body, pitch_deg=60.0)
    assert world.advance(Action(use=True)) == (1.0, False)
    world.advance(Action())
    world.advance(Action(attack=True))
    world.advance(Action())
    assert world.advance(Action(use=True)) == (0.0, False)


def test_every_cell_of_a_maze_is_one_way_from_the_exit():
    maze = maze_of(11)
    assert len(maze.steps) == CELLS**2 and maze.steps[maze.exit] == 0
    assert sum(len(ways) for ways in maze.ways.values()) == 2 * (CELLS**2 - 1)


def test_a_mazes_walls_stand_between_cells_that_are_not_joined():
    maze = maze_of(11)
    for cell in maze.ways:
        x, z = (math.floor(c) for c in middle_of(cell, HOME))
        corner = tuple(math.floor(c) for c in middle_of((0, 0), HOME))
        column, row = x - corner[0] + 2, z - corner[1] + 2
        assert not is_wall(maze, column, row)
        assert is_wall(maze, column + 1, row) == ((cell[0] + 1, cell[1]) not in maze.ways[cell])
    assert all(is_wall(maze, i, j) for i in (0, SIDE_M - 1) for j in range(SIDE_M))


def test_the_way_to_the_exit_is_counted_in_cells():
    maze = maze_of(GOALS.seed)
    exit_x, exit_z = middle_of(maze.exit, HOME)
    assert steps_to_exit(GOALS.seed, HOME, (exit_x, 30.0, exit_z)) == 0
    assert cell_at(HOME, HOME) == (CELLS // 2, CELLS // 2)
    assert steps_to_exit(GOALS.seed, HOME, HOME) == max(
        maze.steps[cell] for cell in [(CELLS // 2, CELLS // 2)]
    )


def test_a_mazes_blocks_cannot_be_changed():
    world = begun("maze", 1)
    edits = dict(world.voxels.edits)
    world.body = replace(world.body, pitch_deg=40.0)
    for action in (Action(attack=True), Action(use=True)):
        world.advance(action)
    assert world.voxels.edits == edits


@each_task
def test_a_restored_world_goes_on_with_its_task(task):
    world, again = begun(task, 3), BlockWorld(task=None)
    player = ScriptedPlayer(task)
    player.begin(3)
    for _ in range(40):
        world.advance(player.act(world.pose))
    again.set_state(world.get_state())
    assert again.goals == world.goals
    rest = [Action(forward=True, yaw_deg=9.0, use=i % 3 == 0) for i in range(40)]
    assert [again.advance(a) for a in rest] == [world.advance(a) for a in rest]
