"""Vector environments whose steps hold an action for several ticks, and dreams that are lost."""

from __future__ import annotations

import math
from dataclasses import replace

import gymnasium
import numpy as np
import pytest

import worldsim  # noqa: F401  # registers the ids
from worldsim.envs.blocks.world import BlockWorld
from worldsim.envs.referee import Referee
from worldsim.errors import ConfigError
from worldsim.types import Action, Pose

FORWARD = 1
HELD = np.array([FORWARD, 6])


def make(env_id, **arguments):
    return gymnasium.make_vec(env_id, 2, vectorization_mode="vector_entry_point", **arguments)


def arguments_of(kind, tiny_checkpoint):
    if kind == "Dream":
        return {"checkpoint": str(tiny_checkpoint), "size": (24, 16)}
    return {"size": (24, 16), "fast": True}


@pytest.mark.parametrize("kind", ["Blocks", "Dream"])
def test_a_step_of_three_ticks_is_three_steps_of_one(kind, tiny_checkpoint):
    arguments = arguments_of(kind, tiny_checkpoint)
    held, plain = (make(f"worldsim/{kind}-v0", action_repeat=n, **arguments) for n in (3, 1))
    for envs in (held, plain):
        envs.reset(seed=1)
    frames, rewards, *_ = held.step(HELD)
    steps = [plain.step(HELD) for _ in range(3)]
    assert np.array_equal(frames, steps[-1][0])
    assert rewards == pytest.approx(sum(step[1] for step in steps))
    held.close()
    plain.close()


def test_nothing_moves_after_the_end_within_a_step():
    envs = make("worldsim/Blocks-v0", action_repeat=8, size=(24, 16), fast=True)
    envs.reset(seed=1)
    world = envs.unwrapped.envs[0].world
    x, y, z = world.beacon
    world.body = replace(world.body, x=x, y=y - 0.5, z=z + 2.2, yaw_deg=0.0)
    _, rewards, terminated, *_ = envs.step(np.array([FORWARD, 0]))
    assert terminated.tolist() == [True, False]
    assert 10.0 < rewards[0] < 10.1
    assert math.dist((world.pose.x, world.pose.z), (x, z)) > 1.5
    envs.close()


@pytest.mark.parametrize("ticks", [0, -1, 1.5])
def test_steps_hold_actions_for_whole_ticks(ticks):
    with pytest.raises(ConfigError, match="action_repeat"):
        make("worldsim/Blocks-v0", action_repeat=ticks)


def test_who_is_deep_in_rock_or_high_above_the_land_is_adrift():
    world = BlockWorld()
    referee = Referee(world)
    world.prepare(seed=3)
    eye = world.pose
    for up_m, adrift in ((0.0, False), (1.0, False), (-6.0, True), (30.0, True)):
        referee.judge(Action(), Pose(eye.x, eye.y + up_m, eye.z), None)
        assert referee.is_adrift is adrift


def test_a_dream_that_is_adrift_is_cut_off_if_that_is_wanted(tiny_checkpoint):
    arguments = arguments_of("Dream", tiny_checkpoint)
    for wanted in (False, True):
        envs = make("worldsim/Dream-v0", end_adrift=wanted, **arguments)
        _, infos = envs.reset(seed=1)
        x, y, z = infos["pose"][0, :3].tolist()
        envs.unwrapped._dreams[0]._referee.judge(Action(), Pose(x, y + 30.0, z), None)
        assert envs.unwrapped.adrift().tolist() == [wanted, False]
        envs.close()
