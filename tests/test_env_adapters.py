"""Other people's interfaces: Stable-Baselines3, float pictures."""

from __future__ import annotations

import copy
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from fakes_envs import FakeTaskWorld
from gymnasium.utils.env_checker import data_equivalence

import worldsim  # noqa: F401  # registers the ids
from worldsim.envs.blocks_env import BlocksEnv
from worldsim.envs.dream_env import DreamEnv
from worldsim.envs.float_image import FloatImage
from worldsim.errors import ConfigError

FORWARD = 1
SMALL = {"size": (40, 36), "fast": True}


def fake_env(env_class=BlocksEnv, **arguments):
    return env_class(world_factory=FakeTaskWorld, **arguments)


def sb3_envs(count=2, **arguments):
    pytest.importorskip("stable_baselines3")
    from worldsim.envs.sb3 import make_sb3

    return make_sb3("worldsim/Blocks-v0", count, **SMALL, **arguments)


@pytest.mark.parametrize("channels_first", [False, True])
@pytest.mark.parametrize("observation", ["rgb", "dict"])
@pytest.mark.filterwarnings("error")
def test_float_pictures_lie_between_0_and_1(observation, channels_first):
    env = FloatImage(fake_env(observation=observation), channels_first=channels_first)
    seen, _ = env.reset(seed=0)
    assert seen in env.observation_space
    rgb = seen["rgb"] if observation == "dict" else seen
    assert rgb.shape == ((3, 80, 128) if channels_first else (80, 128, 3))
    assert rgb.dtype == np.float32 and 0.9 < rgb.max() <= 1.0
    assert env.step(FORWARD)[0] in env.observation_space


def test_what_observes_no_picture_has_no_float_picture():
    with pytest.raises(ConfigError, match="uint8"):
        FloatImage(FloatImage(fake_env()))


@pytest.mark.parametrize("env_class", [BlocksEnv, DreamEnv])
def test_a_copy_through_wrappers_goes_on_as_the_original(env_class):
    env = gymnasium.wrappers.TimeLimit(fake_env(env_class), 4)
    env.reset(seed=1)
    env.step(FORWARD)
    twin = copy.deepcopy(env)
    expected = [env.step(FORWARD), env.step(FORWARD), env.step(FORWARD), env.reset()]
    assert expected[2][3]
    again = [twin.step(FORWARD), twin.step(FORWARD), twin.step(FORWARD), twin.reset()]
    assert data_equivalence(again, expected, exact=True)


@pytest.mark.parametrize("env_id", ["worldsim/BlocksGems-v0", "worldsim/DreamReturn-v0"])
def test_a_fork_of_the_product_goes_on_as_the_original(env_id, tiny_checkpoint):
    arguments = {"checkpoint": str(tiny_checkpoint)} if "Dream" in env_id else {"fast": True}
    env = gymnasium.make(env_id, size=(32, 20), **arguments)
    env.reset(seed=2)
    env.step(FORWARD)
    twin = env.get_wrapper_attr("fork")()
    expected = [env.unwrapped.step(choice) for choice in (1, 6, 1)]
    env.unwrapped.step(5)  # is nothing to the twin
    assert data_equivalence([twin.step(choice) for choice in (1, 6, 1)], expected, exact=True)
    twin.close()
    env.unwrapped.step(FORWARD)
    env.close()


ASYNC = """
from functools import partial
import gymnasium
import numpy as np

def main():
    make = partial(gymnasium.make, "worldsim:worldsim/Blocks-v0", size=(16, 10), fast=True)
    for context in ("fork", "forkserver", "spawn"):  # before this process has used OpenGL
        envs = gymnasium.vector.AsyncVectorEnv([make] * 2, context=context)
        envs.reset(seed=0)
        for _ in range(3):
            frames, *_ = envs.step(np.array([1, 6]))
        assert frames.any(), context
        envs.close()

if __name__ == "__main__":
    main()
"""


def test_worker_processes_of_every_kind_step(tmp_path):
    program = tmp_path / "workers.py"
    program.write_text(ASYNC)
    done = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.filterwarnings("error")
def test_stable_baselines3_finds_no_fault():
    pytest.importorskip("stable_baselines3")
    from stable_baselines3.common.env_checker import check_env as check_for_sb3

    check_for_sb3(fake_env(), warn=True)


def test_its_environments_equal_its_own_of_the_same_id():
    envs = sb3_envs(max_episode_steps=5)
    from stable_baselines3.common.vec_env import DummyVecEnv

    def make():
        return gymnasium.make("worldsim/Blocks-v0", max_episode_steps=5, **SMALL)

    theirs = DummyVecEnv([make] * 2)
    traces = []
    for each in (envs, theirs):
        each.seed(3)
        trace = [each.reset(), each.reset_infos]
        trace += [each.step(np.array([1, 6])) for _ in range(12)]
        traces.append([*trace, each.reset_infos])
        each.close()
    assert any(done.any() for _, _, done, _ in traces[0][2:-1])
    for ours, expected in zip(*traces, strict=True):
        assert data_equivalence(ours, expected)


def test_it_learns_for_a_while():
    envs = sb3_envs()
    from stable_baselines3 import PPO

    learned = PPO("CnnPolicy", envs, n_steps=16, batch_size=16, n_epochs=1, seed=0).learn(32)
    assert learned.num_timesteps == 32
    assert envs.env_method("get_state", indices=0)[0]
    assert envs.get_attr("render_mode") == [None, None]
    envs.close()


def test_it_refuses_what_begins_anew_a_step_late():
    pytest.importorskip("stable_baselines3")
    from worldsim.envs.sb3 import SB3VecEnv

    envs = gymnasium.make_vec("worldsim/Blocks-v0", num_envs=2, **SMALL)
    with pytest.raises(ConfigError, match="SameStep"):
        SB3VecEnv(envs.unwrapped)
