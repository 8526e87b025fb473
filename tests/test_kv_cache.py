"""The ring of cached keys and values, and what the model reads from it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from dreams import as_context, frame_of, random_inputs, random_model

from worldsim.engine.kv_cache import KVCache
from worldsim.model.presets import ModelConfig, preset
from worldsim.model.trunk import Context, FrameKV
from worldsim.model.world_model import FrameInputs, WorldModel


def make_cache(config: ModelConfig) -> KVCache:
    return KVCache(config, torch.float32, torch.device("cpu"))


def commit_numbers(cache: KVCache, config: ModelConfig, numbers: range) -> None:
    """Frames whose keys are all one number, and whose values are its negative."""
    shape = (config.depth, config.tokens, config.heads, config.head_dim)
    for number in numbers:
        cache.commit(torch.full(shape, float(number)), torch.full(shape, -float(number)))


def frames_in(cache: KVCache, config: ModelConfig) -> list[int]:
    keys, values = cache.read()
    assert torch.equal(keys, -values)
    return [int(k) for k in keys[0, :: config.tokens, 0, 0]]


@pytest.fixture
def config() -> ModelConfig:
    return replace(preset("tiny"), context=4)


@pytest.mark.parametrize(
    ("count", "kept"),
    [
        (0, []), (1, [0]), (3, [0, 1, 2]), (4, [0, 1, 2, 3]), (5, [0, 2, 3, 4]),
        (23, [0, 20, 21, 22]),
    ],
)  # fmt: skip
def test_the_first_frame_stays_and_the_newest_follow_it(
    config: ModelConfig, count: int, kept: list[int]
) -> None:
    cache = make_cache(config)
    commit_numbers(cache, config, range(count))
    assert frames_in(cache, config) == kept
    assert len(cache) == len(kept)


def test_a_cache_of_one_frame_holds_the_newest(config: ModelConfig) -> None:
    config = replace(config, context=1)
    cache = make_cache(config)
    commit_numbers(cache, config, range(3))
    assert frames_in(cache, config) == [2]


def test_a_cut_keeps_the_first_and_the_last_frame(config: ModelConfig) -> None:
    cache = make_cache(config)
    commit_numbers(cache, config, range(9))
    cache.cut()
    assert frames_in(cache, config) == [0, 8]
    commit_numbers(cache, config, range(9, 13))
    assert frames_in(cache, config) == [0, 10, 11, 12]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_cut_of_a_short_cache_changes_nothing(config: ModelConfig, count: int) -> None:
    cache = make_cache(config)
    commit_numbers(cache, config, range(count))
    cache.cut()
    assert frames_in(cache, config) == list(range(count))


def test_a_state_is_untouched_by_later_commits(config: ModelConfig) -> None:
    cache = make_cache(config)
    commit_numbers(cache, config, range(6))
    state = cache.state()
    commit_numbers(cache, config, range(6, 9))
    other = make_cache(config)
    other.load(state)
    assert frames_in(other, config) == [0, 3, 4, 5]
    commit_numbers(other, config, range(50, 60))
    third = make_cache(config)
    third.load(state)
    assert frames_in(third, config) == [0, 3, 4, 5]


def test_what_was_read_is_untouched_by_later_commits(config: ModelConfig) -> None:
    cache = make_cache(config)
    commit_numbers(cache, config, range(6))
    keys, _ = cache.read()
    before = keys.clone()
    commit_numbers(cache, config, range(6, 12))
    assert torch.equal(keys, before)


def run_with_cache(
    model: WorldModel, inputs: FrameInputs, cache: KVCache, frames: range
) -> torch.Tensor:  # the clean picture of the last frame
    """Dream frame after frame; each stands at the position after those that are cached."""
    for t in frames:
        time = torch.tensor([[float(len(cache))]])
        prediction = model(replace(frame_of(inputs, t), time=time), read(model, cache))
        cache.commit(prediction.kv.keys[:, 0], prediction.kv.values[:, 0])
    clean: torch.Tensor = prediction.clean
    return clean


def read(model: WorldModel, cache: KVCache) -> Context | None:
    if not len(cache):
        return None
    keys, values = cache.read()
    return as_context(model, [FrameKV(keys[:, None], values[:, None])], frames=len(cache))


def pick(inputs: FrameInputs, frames: list[int]) -> FrameInputs:
    parts = {n: getattr(inputs, n)[:, frames] for n in inputs.__slots__ if n != "time"}
    return FrameInputs(**parts, time=torch.arange(float(len(frames)))[None])


@torch.no_grad()
def test_a_wrapped_cache_equals_a_recomputation_at_fresh_positions() -> None:
    """With one layer, keys depend on their own frame alone, so that the past can be recomputed."""
    model = random_model(replace(preset("tiny"), depth=1, context=3))
    inputs = random_inputs(model.config, batch=1, frames=8)
    last = run_with_cache(model, inputs, make_cache(model.config), range(8))
    recomputed = model(pick(inputs, [0, 5, 6, 7])).clean[:, -1:]
    assert torch.allclose(last, recomputed, atol=1e-4)
    other = model(pick(inputs, [0, 4, 6, 7])).clean[:, -1:]
    assert not torch.allclose(last, other, atol=1e-4)


@torch.no_grad()
def test_a_cache_that_is_not_full_equals_one_causal_sequence() -> None:
    model = random_model(replace(preset("tiny"), context=6))
    inputs = random_inputs(model.config, batch=1, frames=5)
    last = run_with_cache(model, inputs, make_cache(model.config), range(5))
    assert torch.allclose(last, model(inputs).clean[:, -1:], atol=1e-4)
