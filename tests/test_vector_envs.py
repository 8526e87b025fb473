"""Vector environments: equal to Gymnasium's sync wrapper, in every autoreset mode."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode

import worldsim  # noqa: F401  # registers the ids
from worldsim.envs import vector
from worldsim.errors import ActionError, ConfigError, StateError

ENV_ID = "worldsim/Blocks-v0"
COUNT = 3
SEED_OF_A_BUILDER = 29  # random actions build a marker within 90 steps
MODES = [mode.value for mode in AutoresetMode]
TRUTH = {"size": (24, 16), "fast": True}
LEVELS = 2  # how far batched and single dreams may be apart, of 255

each_mode = pytest.mark.parametrize("mode", MODES)


def make_native(env_id, *, mode="NextStep", steps=23, **arguments):
    return gymnasium.make_vec(
        env_id,
        COUNT,
        vectorization_mode="vector_entry_point",
        max_episode_steps=steps,
        autoreset_mode=mode,
        **arguments,
    )


def make_sync(env_id, *, mode="NextStep", steps=23, **arguments):
    return gymnasium.make_vec(
        env_id,
        COUNT,
        vectorization_mode="sync",
        max_episode_steps=steps,
        vector_kwargs={"autoreset_mode": mode},
        **arguments,
    )


def rollout(envs, *, mode="NextStep", steps=140, seed=7):
    """What reset and steps return, with what has ended reset by hand where nobody else does it."""
    envs.action_space.seed(seed)
    trace = [envs.reset(seed=seed)]
    for _ in range(steps):
        trace.append(envs.step(envs.action_space.sample()))
        ended = trace[-1][2] | trace[-1][3]
        if mode == "Disabled" and ended.any():
            trace.append(envs.reset(options={"reset_mask": ended}))
    envs.close()
    return trace


def _listed(value):
    return list(value) if isinstance(value, np.ndarray) and value.dtype.hasobject else value


def flat(step):
    """A step with the object arrays of `final_obs` as lists, which can be compared."""
    *rest, info = step
    info = {name: _listed(value) for name, value in info.items()}
    return (*rest, info)


@each_mode
def test_the_true_worlds_equal_the_sync_wrapper_bit_for_bit(mode):
    env_id = "worldsim/BlocksBuild-v0"
    ours = rollout(make_native(env_id, mode=mode, **TRUTH), mode=mode)
    theirs = rollout(make_sync(env_id, mode=mode, **TRUTH), mode=mode)
    ends = [step for step in ours if len(step) == 5]
    assert any(step[3].any() for step in ends)
    for step, expected in zip(map(flat, ours), map(flat, theirs), strict=True):
        assert data_equivalence(step, expected, exact=True)


def test_dict_observations_and_ends_by_the_task_equal_the_sync_wrapper():
    arguments = {**TRUTH, "observation": "dict", "task": "build", "action_view": "multidiscrete"}
    made = (make(ENV_ID, steps=500, **arguments) for make in (make_native, make_sync))
    ours, theirs = (rollout(envs, steps=90, seed=SEED_OF_A_BUILDER) for envs in made)
    assert any(step[2].any() for step in ours[1:])
    assert data_equivalence(ours, theirs, exact=True)


@each_mode
def test_the_dreams_equal_the_sync_wrapper_within_rounding(mode, tiny_checkpoint):
    arguments = {"mode": mode, "steps": 6, "checkpoint": str(tiny_checkpoint), "size": (32, 20)}
    ours = rollout(make_native("worldsim/Dream-v0", **arguments), mode=mode, steps=10)
    theirs = rollout(make_sync("worldsim/Dream-v0", **arguments), mode=mode, steps=10)
    for step, expected in zip(ours, theirs, strict=True):
        assert np.abs(step[0].astype(int) - expected[0]).max() <= LEVELS
        assert all(
            np.allclose(a, b, atol=1e-4) for a, b in zip(step[1:-1], expected[1:-1], strict=True)
        )
        assert np.array_equal(step[-1]["world_seed"], expected[-1]["world_seed"])


def test_dreams_of_one_batch_size_are_repeatable_bit_for_bit(tiny_checkpoint):
    arguments = {"checkpoint": str(tiny_checkpoint), "size": (32, 20), "steps": 3}
    first, again = (
        rollout(make_native("worldsim/DreamGems-v0", **arguments), steps=5) for _ in range(2)
    )
    assert data_equivalence(first, again, exact=True)


def test_the_mode_stands_in_the_metadata_and_in_an_attribute():
    envs = make_native(ENV_ID, mode="SameStep")
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert envs.unwrapped.autoreset_mode is AutoresetMode.SAME_STEP


def test_a_vector_environment_may_be_made_by_default():
    envs = gymnasium.make_vec("worldsim/BlocksGems-v0", num_envs=2, **TRUTH)
    assert type(envs.unwrapped).__name__ == "BlocksVectorEnv"
    assert envs.observation_space.shape == (2, 16, 24, 3)


def test_one_seed_for_each_environment():
    envs = make_native(ENV_ID, **TRUTH)
    _, counted = envs.reset(seed=4)
    _, listed = envs.reset(seed=[4, 5, 6])
    assert np.array_equal(counted["world_seed"], listed["world_seed"])
    envs.close()


def test_a_saved_vector_environment_continues_as_if_uninterrupted():
    envs, again = (make_native(ENV_ID, steps=4, **TRUTH) for _ in range(2))
    envs.reset(seed=1)
    for _ in range(3):
        before, *_ = envs.step(np.array([1, 6, 10]))
    saved = envs.unwrapped.get_state()
    expected = [envs.step(np.array([1, 1, 5])) for _ in range(5)]
    assert np.array_equal(again.unwrapped.set_state(saved), before)
    assert data_equivalence([again.step(np.array([1, 1, 5])) for _ in range(5)], expected)
    envs.close()
    again.close()


def test_a_wrong_action_changes_nothing():
    envs, untouched = (make_native(ENV_ID, steps=1, **TRUTH) for _ in range(2))
    for each in (envs, untouched):
        each.reset(seed=1)
        each.step(np.array([1, 1, 1]))
    with pytest.raises(ActionError):
        envs.step(np.array([1, 1]))
    assert data_equivalence(envs.step(np.array([0, 1, 2])), untouched.step(np.array([0, 1, 2])))


def test_stepping_out_of_turn_says_what_to_do():
    envs = make_native(ENV_ID, mode="Disabled", steps=1, **TRUTH)
    with pytest.raises(ResetNeeded, match="reset"):
        envs.step(np.array([0, 0, 0]))
    envs.reset(seed=0)
    envs.step(np.array([0, 0, 0]))
    with pytest.raises(ResetNeeded, match="reset_mask"):
        envs.step(np.array([0, 0, 0]))


@pytest.mark.parametrize(
    "mask", [np.zeros(COUNT, bool), np.ones(2, bool), np.ones(COUNT), [True] * COUNT]
)
def test_an_unusable_mask_is_refused(mask):
    envs = make_native(ENV_ID, **TRUTH)
    with pytest.raises(ConfigError, match="reset_mask"):
        envs.reset(options={"reset_mask": mask})


def test_unusable_modes_seeds_and_states_are_refused():
    with pytest.raises(ConfigError, match="autoreset_mode"):
        make_native(ENV_ID, mode="Never")
    envs = make_native(ENV_ID, **TRUTH)
    with pytest.raises(ConfigError, match="seeds"):
        envs.reset(seed=[1, 2])
    envs.reset(seed=0)
    fewer = gymnasium.make_vec(ENV_ID, num_envs=2, **TRUTH)
    with pytest.raises(StateError, match="environments"):
        fewer.unwrapped.set_state(envs.unwrapped.get_state())


def test_the_two_vector_environments_render_each_world():
    envs = make_native(ENV_ID, render_mode="rgb_array", **TRUTH)
    envs.reset(seed=0)
    assert [frame.shape for frame in envs.render()] == [(16, 24, 3)] * COUNT
    envs.close()
    envs.close()


@each_mode
def test_tensors_hold_what_arrays_would(mode):
    arguments = {**TRUTH, "mode": mode, "steps": 4, "observation": "dict"}
    arrays = rollout(make_native(ENV_ID, **arguments), mode=mode, steps=6)
    envs = make_native(ENV_ID, output="torch", **arguments)
    tensors = rollout(envs, mode=mode, steps=6)
    for step, expected in zip(tensors, arrays, strict=True):
        assert step[0].keys() == expected[0].keys()
        for name, part in step[0].items():
            assert torch.equal(part, torch.from_numpy(expected[0][name]))
        for part, array in zip(step[1:-1], expected[1:-1], strict=True):
            assert torch.equal(part, torch.from_numpy(array))
        assert data_equivalence(*(flat((each[-1],))[0] for each in (step, expected)), exact=True)


def test_a_tensor_shares_memory_with_its_batch_and_with_no_later_one(monkeypatch):
    batches = []
    concatenate = vector.concatenate

    def spied(*arguments):
        batches.append(concatenate(*arguments))
        return batches[-1]

    monkeypatch.setattr(vector, "concatenate", spied)
    envs = make_native(ENV_ID, output="torch", **TRUTH)
    first, _ = envs.reset(seed=1)
    kept = first.clone()
    second, *_ = envs.step(torch.tensor([1, 6, 10]))
    assert [tensor.data_ptr() for tensor in (first, second)] == [b.ctypes.data for b in batches]
    assert torch.equal(first, kept)
    envs.close()


def test_a_dreams_tensors_are_where_its_model_is(tiny_checkpoint):
    arguments = {"checkpoint": str(tiny_checkpoint), "size": (32, 20), "device": "cpu"}
    envs = make_native("worldsim/Dream-v0", output="torch", **arguments)
    frames, _ = envs.reset(seed=1)
    assert frames.device == envs.unwrapped.device == torch.device("cpu")
    assert frames.dtype == torch.uint8 and frames.shape == (COUNT, 20, 32, 3)
    envs.close()


def test_an_unknown_output_is_refused_by_name():
    with pytest.raises(ConfigError, match="output"):
        make_native(ENV_ID, output="jax", **TRUTH)
