"""The Gymnasium environments: their contract, their states, and what real and dream share."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from dreams import random_model
from fakes_envs import FakeDreamer, FakeReferee, FakeSaved, FakeTaskWorld
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.vector.utils import batch_space, create_empty_array, iterate

import worldsim  # noqa: F401  # registers the ids
from worldsim import actions
from worldsim.envs.blocks.tasks import ARRIVAL_REWARD, GEM_REWARD, PROGRESS_REWARD
from worldsim.envs.blocks_env import BlocksEnv
from worldsim.envs.dream_env import DreamEnv, DreamTask
from worldsim.envs.views import VIEW_NAMES, action_view
from worldsim.errors import ActionError, ConfigError, StateError
from worldsim.model.checkpoint import save_checkpoint
from worldsim.types import Action, Pose

IDS = ("worldsim/Blocks-v0", "worldsim/Dream-v0")
CLASSES = (BlocksEnv, DreamEnv)
FORWARD = 1

both_ids = pytest.mark.parametrize("env_id", IDS)
both_classes = pytest.mark.parametrize("env_class", CLASSES)


@pytest.fixture
def make(tiny_checkpoint):
    """`gymnasium.make`, with an untrained model for the dream."""

    def made(env_id, **arguments):
        if env_id == "worldsim/Dream-v0":
            arguments = {"checkpoint": str(tiny_checkpoint)} | arguments
        return gymnasium.make(env_id, **arguments)

    return made


def fake_env(env_class=BlocksEnv, **arguments):
    return env_class(world_factory=FakeTaskWorld, **arguments)


@pytest.fixture
def no_display(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")


@both_ids
@pytest.mark.filterwarnings("error")
def test_gymnasiums_checker_finds_no_fault_with_either_id(env_id, make, no_display):
    check_env(make(env_id).unwrapped)


WINDOW_BESIDE_OPENGL = """
import gymnasium, worldsim
world = gymnasium.make("worldsim/Blocks-v0").unwrapped
world.reset(seed=0)
window = gymnasium.make("worldsim/Blocks-v0", render_mode="human")
window.reset(seed=1)
window.close()
world.reset(seed=2)
"""


def test_a_closed_window_leaves_the_worlds_of_its_process_drawing():
    screen = {"DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"}
    environment = {k: v for k, v in os.environ.items() if k not in screen}
    program = [sys.executable, "-c", WINDOW_BESIDE_OPENGL]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_the_default_dream_begins_and_goes_on():
    env = gymnasium.make("worldsim/Dream-v0")
    first, _ = env.reset(seed=0)
    second, *_ = env.step(FORWARD)
    assert not np.array_equal(first, second)


@both_classes
@pytest.mark.parametrize("view", VIEW_NAMES)
@pytest.mark.filterwarnings("error")
def test_a_thousand_random_steps_raise_no_warning(env_class, view):
    wrapped = gymnasium.wrappers.PassiveEnvChecker(fake_env(env_class, action_view=view))
    env = gymnasium.wrappers.TimeLimit(gymnasium.wrappers.OrderEnforcing(wrapped), 200)
    env.action_space.seed(0)
    env.reset(seed=0)
    for _ in range(1000):
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        if terminated or truncated:
            env.reset()


@both_ids
def test_equal_seeds_give_equal_frames_rewards_and_infos(env_id, make):
    def episode(seed):
        env = make(env_id)
        frames = [env.reset(seed=seed), *(env.step(choice) for choice in (1, 6, 1, 9, 7))]
        env.close()
        return frames

    assert data_equivalence(episode(5), episode(5), exact=True)
    assert not np.array_equal(episode(5)[0][0], episode(6)[0][0])


def test_real_and_dream_have_the_same_spaces_and_start_at_the_same_place(make):
    real, dream = (make(env_id) for env_id in IDS)
    _, real_info = real.reset(seed=3)
    _, dream_info = dream.reset(seed=3)
    assert real.observation_space == dream.observation_space
    assert real.action_space == dream.action_space
    assert real_info["world_seed"] == dream_info["world_seed"]
    np.testing.assert_allclose(real_info["pose"], dream_info["pose"], atol=1e-3)
    assert real_info["distance"] == pytest.approx(dream_info["distance"], abs=1e-3)


@both_classes
def test_a_restored_state_continues_as_if_uninterrupted(env_class):
    env = fake_env(env_class)
    env.reset(seed=1)
    before, *_ = env.step(FORWARD)
    saved = env.get_state()
    expected = [env.step(FORWARD), env.reset(), env.step(FORWARD)]
    again = fake_env(env_class)
    assert np.array_equal(again.set_state(saved), before)
    assert data_equivalence([again.step(FORWARD), again.reset(), again.step(FORWARD)], expected)


@both_ids
def test_a_state_restores_the_same_next_frames_in_the_product(env_id, make):
    env = make(env_id)
    env.reset(seed=2)
    env.step(FORWARD)
    saved = env.get_wrapper_attr("get_state")()
    expected = [env.step(choice) for choice in (1, 6, 1)]
    restored, _ = env.reset(options={"state": saved})
    assert env.observation_space.contains(restored)
    assert data_equivalence([env.step(choice) for choice in (1, 6, 1)], expected, exact=True)


def test_reset_with_a_state_and_a_seed_restores_the_world_and_reseeds_the_rest():
    env = fake_env()
    env.reset(seed=1)
    env.step(FORWARD)
    saved = env.get_state()
    _, info = env.reset(seed=9, options={"state": saved})
    assert info["pose"][2] == pytest.approx(-0.1)
    assert env.reset()[1]["world_seed"] == env.reset(seed=9)[1]["world_seed"]


@pytest.mark.parametrize("damage", [b"", b"nonsense", None])
def test_a_damaged_state_is_refused_and_the_episode_goes_on(damage):
    env = fake_env()
    env.reset(seed=1)
    data = env.get_state()
    with pytest.raises(StateError, match="cannot be read"):
        env.set_state(data[: len(data) // 2] if damage is None else damage)
    env.step(FORWARD)


def test_a_state_of_the_other_environment_is_refused_by_name():
    real, dream = fake_env(BlocksEnv), fake_env(DreamEnv)
    real.reset(seed=1)
    with pytest.raises(StateError, match=r"DreamEnv.*BlocksEnv"):
        dream.set_state(real.get_state())


def test_a_scene_comes_from_the_options_before_the_argument():
    env = fake_env(scene="snow")
    default, _ = env.reset(seed=4)
    chosen, _ = env.reset(seed=4, options={"scene": "meadow"})
    assert not np.array_equal(default, chosen)


@pytest.mark.parametrize("options", [{"sceen": "snow"}, {"scene": "snow", "state": b""}])
def test_unusable_options_are_refused_by_name(options):
    with pytest.raises(ConfigError, match=r"reset options.*scene"):
        fake_env().reset(seed=0, options=options)


def test_an_observation_of_another_size_averages_areas():
    small = fake_env(size=(64, 40)).reset(seed=0)[0]
    full = fake_env().reset(seed=0)[0].astype(float)
    means = full.reshape(40, 2, 64, 2, 3).mean(axis=(1, 3))
    assert small.shape == (40, 64, 3)
    assert np.abs(small - means).max() <= 1.0  # rows and columns are rounded one after the other


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": (64,)},
        {"size": (0, 64)},
        {"size": (64.5, 64)},
        {"render_mode": "ansi"},
        {"action_view": "buttons"},
        {"observation": "state"},
        {"task": "win"},
    ],
)
def test_a_wrong_argument_is_refused_by_name(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        fake_env(**wrong)


@pytest.mark.parametrize("choice", [-1, 12, 1.5, "forward"])
def test_a_choice_outside_the_action_space_is_an_action_error(choice):
    env = fake_env()
    env.reset(seed=0)
    with pytest.raises(ActionError, match="Discrete"):
        env.step(choice)


@pytest.mark.parametrize("call", ["step", "render", "get_state"])
def test_using_an_environment_before_reset_says_what_to_do(call):
    env = fake_env(render_mode="rgb_array")
    with pytest.raises(ResetNeeded, match="reset"):
        getattr(env, call)(*((FORWARD,) if call == "step" else ()))


def test_render_returns_its_own_copy_of_the_frame_at_the_worlds_size():
    env = fake_env(render_mode="rgb_array", size=(32, 20))
    env.reset(seed=0)
    first = env.render()
    first[:] = 0
    assert env.render().shape == (80, 128, 3)
    assert env.render().any()


def test_the_human_mode_shows_each_frame_and_returns_none(no_display):
    env = fake_env(render_mode="human")
    env.reset(seed=0)
    env.step(FORWARD)
    assert env.render() is None
    env.close()
    env.close()


def test_closing_releases_the_world_once_and_may_be_repeated():
    world = FakeTaskWorld()
    env = BlocksEnv(world_factory=lambda: world)
    env.reset(seed=0)
    env.close()
    env.close()
    assert world.closed == 1


@both_ids
def test_the_spec_survives_json(env_id):
    spec = gymnasium.make(env_id, size=[64, 40], action_view="multidiscrete").spec
    again = gymnasium.envs.registration.EnvSpec.from_json(spec.to_json())
    assert again.kwargs == spec.kwargs
    assert again.max_episode_steps == 1000
    assert json.loads(spec.to_json())["id"] == env_id


@pytest.mark.parametrize("name", ["discrete", "multidiscrete"])
def test_every_choice_of_a_view_returns_after_decoding_and_encoding(name):
    view = action_view(name)
    view.space.seed(0)
    for choice in (view.space.sample() for _ in range(100)):
        assert np.array_equal(view.to_choice(view.decode(choice)), choice)


@pytest.mark.parametrize("name", VIEW_NAMES)
def test_the_zero_choice_of_a_view_does_nothing(name):
    view = action_view(name)
    (zero,) = iterate(batch_space(view.space), create_empty_array(view.space))
    assert view.decode(zero) == Action()


def test_the_docstring_tells_the_discrete_actions_in_order():
    for index, action in enumerate(actions.DISCRETE):
        words = [name for name, on in actions.to_record(action).items() if on is True]
        row = next(line for line in BlocksEnv.__doc__.splitlines() if f"| {index} |" in line)
        assert all(word in row for word in words)


def fake_dream(dreamer=None, *, task="reach", **options):
    return DreamTask(
        dreamer or FakeDreamer(),
        state_from_bytes=FakeSaved,
        referee=FakeReferee(task),
        **options,
    )


def begun_task(dreamer, **options):
    world = fake_dream(dreamer, **options)
    world.reset(seed=0)
    return world


def test_a_dream_ends_when_its_beacon_is_seen_within_reach():
    dreamer = FakeDreamer()
    world = begun_task(dreamer, judge="seen")
    walked = [world.step(Action(forward=True)) for _ in range(3)]  # past the beacon's true radius
    dreamer.terminated = True
    arrived = world.step(Action(forward=True))
    assert [step.reward for step in walked] == pytest.approx([0.1 * PROGRESS_REWARD] * 3)
    assert not any(step.terminated for step in walked)
    assert arrived.reward == pytest.approx(0.1 * PROGRESS_REWARD + ARRIVAL_REWARD)
    assert arrived.terminated


@pytest.mark.parametrize("options", [{}, {"judge": "seen"}], ids=["by default", "head untrained"])
def test_a_dream_judged_by_its_pose_is_rewarded_as_the_true_world_would(options):
    dreamer = FakeDreamer(sees_events=not options)
    dreamer.reward, dreamer.terminated = -99.0, True
    world = begun_task(dreamer, **options)
    first = world.step(Action(forward=True))
    second = world.step(Action(forward=True))
    assert first.reward == pytest.approx(0.1 * PROGRESS_REWARD)
    assert not first.terminated
    assert second.reward == pytest.approx(0.1 * PROGRESS_REWARD + ARRIVAL_REWARD)
    assert second.terminated


def test_an_untrained_event_head_is_warned_of_once(caplog):
    world = begun_task(FakeDreamer(sees_events=False), judge="seen")
    world.reset(seed=1)
    world.step(Action())
    assert [record.message for record in caplog.records if "untrained" in record.message] == [
        "the checkpoint's event head is untrained: gems and arrivals are judged by the dreamed pose"
    ]


def test_a_dream_pays_for_gems_that_are_seen_to_be_taken():
    dreamer = FakeDreamer()
    world = begun_task(dreamer, task="gems", judge="seen")
    dreamer.terminated = True
    nothing = world.step(Action(forward=True))
    dreamer.reward = 1.0
    taken = world.step(Action(forward=True))
    assert (nothing.reward, taken.reward) == (0.0, GEM_REWARD)
    assert not nothing.terminated and not taken.terminated


def test_a_checkpoint_with_an_event_head_pays_for_gems(tmp_path):
    save_checkpoint(random_model(), tmp_path, training={})
    env = gymnasium.make("worldsim/Dream-v0", checkpoint=str(tmp_path), task="gems")
    env.reset(seed=0)
    steps = [env.step(FORWARD) for _ in range(3)]
    assert all(reward in (0.0, GEM_REWARD) for _, reward, *_ in steps)
    assert not any(terminated for _, _, terminated, *_ in steps)
    env.close()


def test_an_unknown_judge_is_refused_by_name():
    with pytest.raises(ConfigError, match="judge"):
        DreamEnv(world_factory=FakeTaskWorld, judge="jury")


def test_the_true_world_pays_for_gems_if_that_is_the_task():
    env = BlocksEnv(task="gems")
    env.reset(seed=0)
    assert env.world.task == "gems"
    env.close()


def test_a_restored_dream_keeps_its_last_pose():
    world, again = (fake_dream(judge="pose") for _ in range(2))
    world.reset(seed=7)
    world.step(Action(forward=True))
    again.set_state(world.get_state())
    assert again.step(Action(forward=True)).reward == world.step(Action(forward=True)).reward


def test_a_truncated_dream_state_is_a_state_error():
    with pytest.raises(StateError):
        fake_dream().set_state(b"short")


def test_info_tells_the_pose_and_the_distance_over_the_ground():
    env = fake_env()
    _, info = env.reset(seed=0)
    assert Pose(*info["pose"]) == Pose(0.0, 1.6, 0.0)
    assert info["distance"] == pytest.approx(1.0)
