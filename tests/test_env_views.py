"""What an environment's keywords choose: actions, observations, sizes, pictures, keys."""

from __future__ import annotations

import json

import gymnasium
import numpy as np
import pytest
from fakes_envs import FakeTaskWorld
from gymnasium.utils.env_checker import check_env

import worldsim  # noqa: F401  # registers the ids
from worldsim import actions
from worldsim.envs.blocks_env import BlocksEnv
from worldsim.envs.keys import keys_to_choices
from worldsim.envs.observations import OBSERVATION_NAMES, nearest_resized
from worldsim.envs.registration import IDS
from worldsim.envs.views import VIEW_NAMES, action_view
from worldsim.errors import ActionError
from worldsim.types import SKY_DEPTH_M, Action

BUSY = Action(forward=True, left=True, jump=True, use=True, yaw_deg=10.0, pitch_deg=-4.0)
SMALL = (32, 20)


def fake_env(**arguments):
    return BlocksEnv(world_factory=FakeTaskWorld, **arguments)


@pytest.fixture
def make(tiny_checkpoint, monkeypatch):
    """`gymnasium.make` of small pictures, with an untrained model for dreams and no screen."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")

    def made(env_id, **arguments):
        small = {"fast": True} if "Blocks" in env_id else {"checkpoint": str(tiny_checkpoint)}
        return gymnasium.make(env_id, size=SMALL, **small, **arguments)

    return made


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.filterwarnings("error")
def test_gymnasiums_checker_finds_no_fault_with_any_id(env_id, make):
    check_env(make(env_id).unwrapped)


@pytest.mark.parametrize("view", VIEW_NAMES)
@pytest.mark.parametrize("observation", OBSERVATION_NAMES)
@pytest.mark.filterwarnings("error")
def test_gymnasiums_checker_finds_no_fault_with_any_view(view, observation, make):
    check_env(make("worldsim/Blocks-v0", action_view=view, observation=observation).unwrapped)


@pytest.mark.parametrize("view", VIEW_NAMES)
@pytest.mark.filterwarnings("error")
def test_gymnasiums_checker_finds_no_fault_with_any_view_of_a_dream(view, make):
    faked = {"world_factory": FakeTaskWorld, "observation": "dict"}
    check_env(make("worldsim/Dream-v0", action_view=view, **faked).unwrapped)


@pytest.mark.parametrize("view", ["multidiscrete", "dict", "box"])
def test_an_action_survives_a_view_that_can_express_it(view):
    made = action_view(view)
    again = made.decode(made.to_choice(BUSY))
    assert again.yaw_deg == pytest.approx(10.0) and again.pitch_deg == pytest.approx(-4.0)
    assert actions.to_record(again) == pytest.approx(actions.to_record(BUSY))


def test_opposite_buttons_cancel_in_the_box_view():
    both = actions.to_box(Action(forward=True, back=True, right=True))
    assert actions.from_box(both) == Action(right=True)


@pytest.mark.parametrize(
    ("view", "wrong"),
    [
        ("discrete", np.array([1.0])),
        ("multidiscrete", np.zeros(10, dtype=np.int64)),
        ("multidiscrete", np.zeros(11)),
        ("dict", {"buttons": np.zeros(9, dtype=np.int64)}),
        ("box", np.full(9, 2.0, dtype=np.float32)),
        ("box", np.full(9, np.nan, dtype=np.float32)),
        ("box", np.zeros(8, dtype=np.float32)),
    ],
)
def test_a_choice_of_the_wrong_shape_type_or_range_is_an_action_error(view, wrong):
    with pytest.raises(ActionError, match="an element of"):
        action_view(view).decode(wrong)


def test_the_dict_observation_has_picture_depth_and_pose_of_one_frame():
    env = fake_env(observation="dict", size=(64, 40))
    seen, info = env.reset(seed=0)
    assert {name: part.shape for name, part in seen.items()} == {
        "rgb": (40, 64, 3),
        "depth": (40, 64),
        "pose": (5,),
    }
    np.testing.assert_allclose(seen["pose"], info["pose"], atol=1e-5)
    assert seen in env.observation_space


def test_a_resized_depth_is_one_that_was_seen():
    depth = np.array([[1.0, SKY_DEPTH_M], [2.0, 3.0]], dtype=np.float32)
    assert np.array_equal(nearest_resized(depth, (4, 4))[::3, ::3], depth)
    assert set(nearest_resized(depth, (3, 1)).ravel()) <= set(depth.ravel())


def test_the_fast_mode_shows_the_same_view():
    slow, fast = (BlocksEnv(size=(32, 32), observation="dict", fast=on) for on in (False, True))
    averaged, drawn = (env.reset(seed=4)[0] for env in (slow, fast))
    difference = np.abs(averaged["rgb"].astype(int) - drawn["rgb"])
    assert difference.mean() < 10.0
    closer = np.minimum(averaged["depth"], drawn["depth"])
    assert np.mean(np.abs(averaged["depth"] - drawn["depth"]) < 0.1 * closer + 0.2) > 0.9
    for env in (slow, fast):
        env.close()


def test_the_depth_mode_renders_metres_and_its_own_copy():
    env = fake_env(render_mode="depth_array")
    seen, _ = env.reset(seed=0)
    depth = env.render()
    assert depth.shape == seen.shape[:2] and depth.dtype == np.float32
    depth[:] = 0
    assert env.render().any()


@pytest.mark.parametrize("view", VIEW_NAMES)
def test_keys_held_together_are_choices_of_the_view(view):
    made = action_view(view)
    choices = keys_to_choices(made)
    assert all(choice in made.space for choice in choices.values())
    assert made.decode(choices[("w",)]) == Action(forward=True)
    assert made.decode(choices[("w", " ")]) == Action(forward=True, jump=True)


def test_gymnasiums_play_runs_with_the_environments_own_keys(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    import pygame
    from gymnasium.utils.play import play

    env = gymnasium.wrappers.OrderEnforcing(fake_env(render_mode="rgb_array"))
    taken = []

    def note(before, after, action, reward, terminated, truncated, info):
        taken.append(action)
        held = pygame.KEYDOWN if len(taken) == 1 else pygame.QUIT
        pygame.event.post(pygame.event.Event(held, key=ord("w")))

    play(env, fps=1000, callback=note, noop=env.unwrapped.noop)
    assert taken[-1] == 1  # forward


def test_every_keyword_survives_json():
    spec = gymnasium.spec("worldsim/BlocksBuild-v0")
    assert json.loads(spec.to_json())["kwargs"] == {"task": "build", "action_view": "multidiscrete"}
