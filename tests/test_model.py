"""The world model: presets, causality, and the key/value context that replaces recomputation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from dreams import FRAMES, as_context, frame_of, random_inputs, random_model
from torch import Tensor

from worldsim.camera import pose_matrices
from worldsim.errors import ConfigError
from worldsim.model.compositor import DRAFT_BIAS
from worldsim.model.presets import PRESETS, ModelConfig, preset
from worldsim.model.sampler import add_noise, denoise
from worldsim.model.trunk import Context, FrameKV, join_contexts
from worldsim.model.world_model import CHOICE_BIAS, FrameInputs, Prediction, WorldModel
from worldsim.types import Pose


def random_recalled(model: WorldModel, *, batch: int = 2) -> Context:
    config = model.config
    g = torch.Generator().manual_seed(8)
    pictures = torch.randn(batch, 2, 4, config.height, config.width, generator=g)
    poses = torch.from_numpy(pose_matrices([Pose(1.0, 1.6, 0.0, 30.0), Pose(0.0, 1.6, 2.0)]))
    valid = torch.ones(batch, 2, dtype=torch.bool)
    return model.recall(pictures, poses.expand(batch, -1, -1, -1), valid)


def one_by_one(model: WorldModel, inputs: FrameInputs, recalled: Context | None) -> Tensor:
    """Every frame alone, with the keys and values of the frames before it."""
    cached: list[FrameKV] = []
    clean = []
    for t in range(inputs.sigma.shape[1]):
        contexts = [c for c in (recalled, as_context(model, cached)) if c is not None]
        prediction = model(frame_of(inputs, t), join_contexts(contexts))
        cached.append(prediction.kv)
        clean.append(prediction.clean)
    return torch.cat(clean, dim=1)


@pytest.fixture(scope="module")
def model() -> WorldModel:
    return random_model()


@torch.no_grad()
def predict(model: WorldModel, inputs: FrameInputs, context: Context | None = None) -> Prediction:
    prediction: Prediction = model(inputs, context)
    return prediction


@pytest.mark.parametrize("recalls", [False, True])
@torch.no_grad()
def test_frames_one_by_one_equal_one_causal_sequence(model: WorldModel, recalls: bool) -> None:
    inputs = random_inputs(model.config)
    recalled = random_recalled(model) if recalls else None
    whole = predict(model, inputs, recalled).clean
    assert torch.allclose(one_by_one(model, inputs, recalled), whole, atol=1e-4)


@torch.no_grad()
def test_context_is_heard(model: WorldModel) -> None:
    inputs = random_inputs(model.config)
    alone = predict(model, frame_of(inputs, 3)).clean
    assert not torch.allclose(predict(model, inputs).clean[:, 3:], alone, atol=1e-3)
    recalled = predict(model, frame_of(inputs, 3), random_recalled(model)).clean
    assert not torch.allclose(recalled, alone, atol=1e-3)


@pytest.mark.parametrize("name", ["noisy", "sigma", "action", "hint", "confidence", "last"])
def test_a_frame_does_not_influence_the_frames_before_it(model: WorldModel, name: str) -> None:
    inputs = random_inputs(model.config)
    changed = getattr(inputs, name).clone()
    changed[:, 2] = 0.9 - changed[:, 2]
    before, after = predict(model, inputs), predict(model, replace(inputs, **{name: changed}))
    assert torch.equal(before.clean[:, :2], after.clean[:, :2])
    assert torch.equal(before.tokens[:, :2], after.tokens[:, :2])
    assert not torch.allclose(before.clean[:, 2], after.clean[:, 2], atol=1e-4)
    assert not torch.allclose(before.tokens[:, 3], after.tokens[:, 3], atol=1e-6)


def test_worlds_in_a_batch_do_not_influence_one_another(model: WorldModel) -> None:
    inputs = random_inputs(model.config, batch=3)
    second = FrameInputs(
        **{n: getattr(inputs, n)[1:2] for n in inputs.__slots__ if n != "time"}, time=inputs.time
    )
    together, alone = predict(model, inputs), predict(model, second)
    assert torch.allclose(together.clean[1:2], alone.clean, atol=1e-4)


def test_invalid_context_is_not_heard(model: WorldModel) -> None:
    inputs = frame_of(random_inputs(model.config), 0)
    recalled = random_recalled(model)
    none = replace(recalled, valid=torch.zeros_like(recalled.valid))
    heard = predict(model, inputs, none).clean
    assert torch.allclose(heard, predict(model, inputs).clean, atol=1e-4)
    junk = replace(none, keys=torch.full_like(none.keys, 50.0), values=none.values + 1e4)
    assert torch.allclose(heard, predict(model, inputs, junk).clean, atol=1e-4)


def test_an_untrained_model_shows_its_hint_and_a_trace_of_the_last_frame() -> None:
    torch.manual_seed(0)
    model = WorldModel(preset("tiny"))
    inputs = random_inputs(model.config)
    inputs = replace(inputs, last_confidence=torch.ones_like(inputs.last_confidence))
    trace = torch.sigmoid(torch.tensor(CHOICE_BIAS))
    draft = torch.lerp(inputs.hint, inputs.last, trace)
    _, of_hint, of_last = torch.tensor((DRAFT_BIAS, 0.0, 0.0)).softmax(dim=0)
    expected = draft + of_hint * (inputs.hint - draft) + of_last * (inputs.last - draft)
    error = (predict(model, inputs).clean - expected).abs()
    assert (error <= 0.02 * draft.abs() + 1e-6).all()


def test_a_last_frame_that_does_not_show_the_place_is_not_copied() -> None:
    torch.manual_seed(0)
    model = WorldModel(preset("tiny"))
    inputs = random_inputs(model.config)
    hidden = replace(inputs, last_confidence=torch.zeros_like(inputs.last_confidence))
    error = (predict(model, hidden).clean - inputs.hint).abs()
    assert (error <= 0.02 * inputs.hint.abs() + 1e-6).all()


def test_the_camera_is_heard(model: WorldModel) -> None:
    inputs = random_inputs(model.config)
    elsewhere = inputs.anchor_from_camera.clone()
    elsewhere[..., 0, 3] += 3.0
    moved = predict(model, replace(inputs, anchor_from_camera=elsewhere)).clean
    assert not torch.allclose(moved, predict(model, inputs).clean, atol=1e-3)


@pytest.mark.parametrize("name", ["tiny", "small"])
def test_a_preset_predicts_frames_of_its_size(name: str) -> None:
    model = WorldModel(preset(name))
    prediction = predict(model, random_inputs(model.config, batch=1, frames=1))
    config = model.config
    assert prediction.clean.shape == (1, 1, 4, config.height, config.width)
    assert prediction.tokens.shape == (1, 1, config.tokens, config.dim)
    assert prediction.kv.keys.shape == (
        config.depth, 1, config.tokens, config.heads, config.head_dim,
    )  # fmt: skip


@pytest.mark.parametrize(("name", "least", "most"), [("base", 8e7, 5e8), ("xl", 1e9, 3e9)])
def test_the_large_presets_have_their_size(name: str, least: float, most: float) -> None:
    with torch.device("meta"):
        model = WorldModel(preset(name))
    assert least < sum(p.numel() for p in model.parameters()) < most


@torch.no_grad()
def test_a_model_on_latents_runs() -> None:
    small = replace(
        preset("tiny"), codec="autoencoder", latent_channels=6, downscale=8, patch=2, stages=(),
        stage_blocks=(),
    )  # fmt: skip
    model = random_model(small)
    inputs = random_inputs(small)
    assert predict(model, inputs).clean.shape == (2, FRAMES, 6, 6, 8)
    assert torch.allclose(one_by_one(model, inputs, None), predict(model, inputs).clean, atol=1e-4)


def test_a_configuration_survives_its_record() -> None:
    for config in PRESETS.values():
        assert ModelConfig.from_record(config.to_record()) == config


@pytest.mark.parametrize(
    "change",
    [
        {"width": 100},
        {"height": 50},
        {"dim": 65},
        {"stage_blocks": (1,)},
        {"context": 0},
        {"heads": 0},
        {"depth": 2.0},
        {"codec": "mp4"},
        {"sample_levels": (0.9, 0.4)},
        {"sample_levels": ()},
    ],
)
def test_impossible_configurations_are_refused_by_name(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(change))):
        replace(preset("tiny"), **change)


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"small.*'huge'"):
        preset("huge")


def test_noise_lies_on_the_straight_path() -> None:
    clean, noise = torch.zeros(1, 3, 4, 2, 2), torch.ones(1, 3, 4, 2, 2)
    noisy = add_noise(clean, noise, torch.tensor([[0.0, 0.25, 1.0]]))
    assert noisy[0, :, 0, 0, 0].tolist() == [0.0, 0.25, 1.0]


@pytest.fixture
def lost(model: WorldModel) -> FrameInputs:
    """Three frames of noise: nothing, half and all of each is known to memory."""
    inputs = frame_of(random_inputs(model.config, batch=3), 0)
    confidence = torch.ones_like(inputs.confidence)
    confidence[0] = 0.0
    confidence[1, ..., : model.config.width // 2] = 0.0
    return replace(inputs, confidence=confidence, sigma=torch.ones_like(inputs.sigma))


@torch.no_grad()
def test_one_step_is_the_prediction_from_pure_noise(model: WorldModel, lost: FrameInputs) -> None:
    assert torch.equal(denoise(model, lost, None, (1.0,)).clean, model(lost).clean)


@torch.no_grad()
def test_further_steps_go_on_from_where_the_first_ended(
    model: WorldModel, lost: FrameInputs
) -> None:
    first = model(lost).clean
    level = torch.full_like(lost.sigma, 0.4)
    second = model(replace(lost, noisy=add_noise(first, lost.noisy, level), sigma=level)).clean
    sampled = denoise(model, lost, None, (1.0, 0.4)).clean
    assert torch.allclose(sampled[0], second[0], atol=1e-4)


@torch.no_grad()
def test_further_steps_change_only_what_memory_does_not_know(
    model: WorldModel, lost: FrameInputs
) -> None:
    first, sampled = (denoise(model, lost, None, levels) for levels in ((1.0,), (1.0, 0.6, 0.3)))
    changed = (first.clean != sampled.clean).any(dim=2, keepdim=True)
    assert changed[0].all()
    assert torch.equal(changed[1], lost.confidence[1] == 0)
    assert not changed[2].any()
    assert torch.equal(first.kv.keys[:, 2], sampled.kv.keys[:, 2])


@torch.no_grad()
def test_a_frame_is_sampled_alike_alone_and_beside_others(
    model: WorldModel, lost: FrameInputs
) -> None:
    together = denoise(model, lost, None, (1.0, 0.6, 0.3))
    for i in range(3):
        parts = {n: getattr(lost, n)[i : i + 1] for n in lost.__slots__ if n != "time"}
        alone = denoise(model, FrameInputs(**parts, time=lost.time), None, (1.0, 0.6, 0.3))
        assert torch.allclose(together.clean[i], alone.clean[0], atol=1e-5)
        assert torch.allclose(together.kv.keys[:, i], alone.kv.keys[:, 0], atol=1e-5)
