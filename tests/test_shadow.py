"""The truth beside a dream: told only when asked, and the same as the truth alone."""

from __future__ import annotations

import copy

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env, data_equivalence

import worldsim  # noqa: F401  # registers the ids
from worldsim.envs.blocks.world import BlockWorld
from worldsim.envs.shadow import Shadow
from worldsim.errors import StateError
from worldsim.types import Action

NAMES = {"shadow_pose", "shadow_reward", "shadow_terminated"}
CHOICES = (1, 1, 6, 10, 9, 1)


@pytest.fixture
def make(tiny_checkpoint):
    """A dream of an untrained model."""

    def made(**arguments):
        arguments = {"checkpoint": str(tiny_checkpoint), "size": (32, 20), **arguments}
        return gymnasium.make("worldsim/DreamGems-v0", **arguments)

    return made


def told(step):
    return {name: value for name, value in step[-1].items() if name in NAMES}


def untold(step):
    return (*step[:-1], {name: v for name, v in step[-1].items() if name not in NAMES})


def episode(env, choices=CHOICES):
    return [env.reset(seed=4), *(env.step(choice) for choice in choices)]


def test_a_shadow_is_the_true_environment_of_the_same_seed_and_actions(make):
    shadows = [told(step) for step in episode(make(shadow=True))]
    truth = episode(gymnasium.make("worldsim/BlocksGems-v0", size=(8, 8), fast=True))
    assert np.array_equal(shadows[0]["shadow_pose"], truth[0][1]["pose"])
    for shadow, (_, reward, terminated, _, info) in zip(shadows[1:], truth[1:], strict=True):
        assert np.array_equal(shadow["shadow_pose"], info["pose"])
        assert (shadow["shadow_reward"], shadow["shadow_terminated"]) == (reward, terminated)


def test_a_shadow_changes_nothing_else_and_is_told_only_when_asked(make):
    with_shadow, without = episode(make(shadow=True)), episode(make())
    assert not any(told(step) for step in without)
    assert data_equivalence([untold(step) for step in with_shadow], without, exact=True)


@pytest.mark.filterwarnings("error")
def test_gymnasiums_checker_finds_no_fault_with_a_shadow(make):
    check_env(make(shadow=True).unwrapped, skip_render_check=True)


def test_a_shadow_is_saved_and_forked_with_its_dream(make):
    env = make(shadow=True)
    episode(env)
    saved, twin = env.unwrapped.get_state(), copy.deepcopy(env)
    expected = [env.step(choice) for choice in (1, 5, 1)]
    assert data_equivalence([twin.step(choice) for choice in (1, 5, 1)], expected, exact=True)
    again = make(shadow=True)
    again.reset(options={"state": saved})
    assert data_equivalence([again.step(choice) for choice in (1, 5, 1)], expected, exact=True)


def test_a_state_without_a_shadow_is_refused_where_there_is_one(make):
    env, plain = make(shadow=True), make()
    before = env.reset(seed=1)[1]
    plain.reset(seed=2)
    with pytest.raises(StateError):
        env.unwrapped.set_state(plain.unwrapped.get_state())
    assert data_equivalence(env.unwrapped.present()[1], before, exact=True)


def test_dreams_that_step_together_have_a_shadow_each(make, tiny_checkpoint):
    envs = gymnasium.make_vec(
        "worldsim/DreamGems-v0",
        2,
        vectorization_mode="vector_entry_point",
        checkpoint=str(tiny_checkpoint),
        size=(32, 20),
        shadow=True,
    )
    envs.reset(seed=4)
    infos = envs.step(np.array([1, 6]))[-1]
    assert infos["shadow_pose"].shape == (2, 5)
    assert np.array_equal(
        infos["shadow_pose"][0], told(episode(make(shadow=True))[1])["shadow_pose"]
    )
    envs.close()


def test_a_true_player_whose_task_has_ended_stands_still():
    world = BlockWorld(task="reach")
    shadow = Shadow(world)
    shadow.begin(3, None)
    world.body = type(world.body)(*(world.beacon[0], world.beacon[1] - 0.5, world.beacon[2]))
    shadow.act(Action())
    ended = shadow.info()
    shadow.act(Action(forward=True))
    assert ended["shadow_terminated"] and ended["shadow_reward"] > 9.0
    assert np.array_equal(shadow.info()["shadow_pose"], ended["shadow_pose"])
    assert shadow.info()["shadow_reward"] == 0.0


@pytest.mark.parametrize("damage", [b"", b"{}", b"nonsense"])
def test_a_damaged_state_is_refused(damage):
    with pytest.raises(StateError, match="shadow"):
        Shadow(BlockWorld()).set_state(damage)
