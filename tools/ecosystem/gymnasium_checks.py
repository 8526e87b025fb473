"""Gymnasium's own checks, with every warning an error."""

from __future__ import annotations

import multiprocessing
import warnings
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import av
import gymnasium
import numpy as np
import torch
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.utils.env_match import check_environments_match
from gymnasium.utils.performance import benchmark_step
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

import worldsim  # noqa: F401  # registers the ids
from worldsim.envs.registration import IDS
from worldsim.envs.views import VIEW_NAMES
from worldsim.types import TICK_HZ

TRUTH, DREAM = "worldsim/Blocks-v0", "worldsim/Dream-v0"
SMALL: dict[str, Any] = {"size": (24, 16), "fast": True}
PARITY_STEPS = 140
EPISODE_STEPS = 23
FILMED_STEPS = 30


def every_id(folder: Path) -> str:
    """`check_env` on every id in every action view; the dreams are an untrained model's."""
    checkpoint = untrained_checkpoint(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for env_id, view in product(IDS, VIEW_NAMES):
            arguments: dict[str, Any] = {"checkpoint": checkpoint} if "Dream" in env_id else {}
            env = gymnasium.make(env_id, action_view=view, **arguments)
            check_env(env.unwrapped)
            env.close()
    return f"{len(IDS)} ids in {len(VIEW_NAMES)} action views"


def vector_parity(_: Path) -> str:
    """The true worlds together equal Gymnasium's SyncVectorEnv, bit for bit, in every mode."""
    ended = 0
    for mode in AutoresetMode:
        ours, theirs = (_rollout(_vector(kind, mode), mode) for kind in ("native", "sync"))
        for step, expected in zip(ours, theirs, strict=True):
            assert data_equivalence(step, expected, exact=True), f"{mode} differs"
        ended += sum(int(step[3].sum()) for step in ours if len(step) == 5)
    assert ended, "no episode ended"
    return f"{PARITY_STEPS} steps in 3 modes, {ended} episodes ended"


def async_workers(_: Path) -> str:
    """Worker processes of every kind that the system knows step true worlds."""
    make = partial(gymnasium.make, "worldsim:worldsim/Blocks-v0", **SMALL)
    methods = multiprocessing.get_all_start_methods()
    for method in methods:  # before this process has used OpenGL
        envs = gymnasium.vector.AsyncVectorEnv([make] * 2, context=method)
        envs.reset(seed=0)
        frames, *_rest = envs.step(np.array([1, 6]))
        assert frames.any(), f"{method} shows nothing"
        envs.close()
    return ", ".join(methods)


def record_video(folder: Path) -> str:
    """RecordVideo's file has every frame, at the tick's rate."""
    env = gymnasium.make(TRUTH, render_mode="rgb_array", max_episode_steps=FILMED_STEPS)
    env = gymnasium.wrappers.RecordVideo(env, str(folder / "films"), episode_trigger=lambda _: True)
    env.reset(seed=0)
    ended = False
    while not ended:
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        ended = terminated or truncated
    env.close()
    (path,) = (folder / "films").glob("*.mp4")
    with av.open(path) as container:
        stream = container.streams.video[0]
        rate, frames = stream.average_rate, sum(1 for _ in container.decode(stream))
    assert (frames, rate) == (FILMED_STEPS + 1, TICK_HZ), f"{frames} frames at {rate}/s"
    return f"{frames} frames at {rate}/s"


def play(_: Path) -> str:
    """`gymnasium.utils.play` opens its window, holds a key and steps, without a screen."""
    import pygame
    from gymnasium.utils.play import play as play_with_keys

    env = gymnasium.make(TRUTH, render_mode="rgb_array")
    taken: list[Any] = []

    def after_step(*step: Any) -> None:
        taken.append(step[2])
        key = pygame.event.Event(pygame.KEYDOWN, key=pygame.K_w)
        pygame.event.post(key if len(taken) < 10 else pygame.event.Event(pygame.QUIT))

    play_with_keys(env, callback=after_step, noop=0, fps=200, seed=0)
    assert 1 in taken, f"w did not walk: {taken}"
    return f"{len(taken)} steps"


def environments_match(folder: Path) -> str:
    """Truth and dream have one interface: spaces, infos' names, ends."""
    truth = gymnasium.make(TRUTH)
    dream = gymnasium.make(DREAM, checkpoint=untrained_checkpoint(folder))
    check_environments_match(
        truth,
        dream,
        num_steps=20,
        skip_obs=True,
        skip_rew=True,
        info_comparison="keys-equivalence",
    )
    assert truth.observation_space == dream.observation_space
    return "20 steps"


def step_benchmark(_: Path) -> str:
    """Gymnasium's own benchmark runs."""
    env = gymnasium.make(TRUTH, size=(64, 64), fast=True)
    return f"{benchmark_step(env, target_duration=2, seed=0):,.0f} steps/s at 64 x 64"


def untrained_checkpoint(folder: Path) -> str:
    """A model of the smallest preset: interfaces do not depend on weights."""
    from worldsim.model.checkpoint import save_checkpoint
    from worldsim.model.presets import preset
    from worldsim.model.world_model import WorldModel

    torch.manual_seed(0)
    save_checkpoint(WorldModel(preset("tiny")), folder / "tiny", training={})
    return str(folder / "tiny")


def _vector(kind: str, mode: AutoresetMode) -> gymnasium.vector.VectorEnv[Any, Any, Any]:
    own: dict[str, Any] = {
        "native": {"vectorization_mode": "vector_entry_point", "autoreset_mode": mode.value},
        "sync": {"vectorization_mode": "sync", "vector_kwargs": {"autoreset_mode": mode.value}},
    }
    return gymnasium.make_vec(TRUTH, 3, max_episode_steps=EPISODE_STEPS, **own[kind], **SMALL)


def _rollout(
    envs: gymnasium.vector.VectorEnv[Any, Any, Any], mode: AutoresetMode
) -> list[tuple[Any, ...]]:
    """What reset and steps return, with what has ended reset by hand where nobody else does it."""
    envs.action_space.seed(7)
    trace: list[tuple[Any, ...]] = [envs.reset(seed=7)]
    for _ in range(PARITY_STEPS):
        step = envs.step(envs.action_space.sample())
        trace.append((*step[:-1], {name: _listed(value) for name, value in step[-1].items()}))
        ended: NDArray[np.bool_] = step[2] | step[3]
        if mode is AutoresetMode.DISABLED and ended.any():
            trace.append(envs.reset(options={"reset_mask": ended}))
    envs.close()
    return trace


def _listed(value: Any) -> Any:
    """Object arrays, as of `final_obs`, cannot be compared; lists can."""
    return list(value) if isinstance(value, np.ndarray) and value.dtype.hasobject else value
