"""One training step: losses, gradients, own frames, averages and updates."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from dreams import LATENT, plane_episode, random_model
from torch import Tensor, nn

from worldsim.engine.hints import TRUST_DREAM
from worldsim.model.presets import preset
from worldsim.model.world_model import WorldModel
from worldsim.train.batch import ClipBatch, ClipConfig, sample_clips
from worldsim.train.ema import Ema
from worldsim.train.hints import remembered_keyframes
from worldsim.train.losses import noise_levels, picture_loss, pose_loss, relative_loss
from worldsim.train.optim import Muon, make_optimizers, orthogonalised, scale_learning_rates
from worldsim.train.rollouts import dream_keyframes
from worldsim.train.teacher import (
    ANCHOR_REACH_M,
    TeacherConfig,
    anchor_from_world,
    teacher_losses,
)
from worldsim.types import Action

CPU = torch.device("cpu")
OWN = TeacherConfig(own_from=0, own_share=1.0)


@pytest.fixture(scope="module")
def batch() -> ClipBatch:
    walk = [Action(forward=True, yaw_deg=6.0 * math.sin(i / 4)) for i in range(24)]
    config = ClipConfig(clips=2, frames=3)
    return sample_clips([plane_episode(walk)], config, np.random.default_rng(0))


def losses_of(
    model: WorldModel, batch: ClipBatch, config: TeacherConfig, *, dreamer: WorldModel | None = None
) -> dict[str, Tensor]:
    torch.manual_seed(0)
    rng = np.random.default_rng(1)  # draws two hops of dreamed keyframes
    return teacher_losses(model, dreamer or model, batch, config, 0, rng)


# The whole step


@pytest.mark.parametrize("config", [TeacherConfig(), OWN], ids=["real frames", "own frames"])
def test_a_step_gives_finite_gradients_to_every_parameter(
    batch: ClipBatch, config: TeacherConfig
) -> None:
    model, dreamer = random_model(), random_model(seed=1).requires_grad_(False)
    losses = losses_of(model, batch, config, dreamer=dreamer)
    losses["total"].backward()
    assert all(torch.isfinite(loss) for loss in losses.values())
    for name, parameter in model.named_parameters():
        if name.startswith(("event_head.", "outpainter.")):  # of other stages
            continue
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.any(), name
    assert all(parameter.grad is None for parameter in dreamer.parameters())


def test_an_untrained_model_has_finite_gradients_from_its_first_step(batch: ClipBatch) -> None:
    torch.manual_seed(0)
    model = WorldModel(preset("tiny"))
    losses_of(model, batch, TeacherConfig())["total"].backward()
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    assert all(torch.isfinite(grad).all() for grad in grads)
    assert model.out.weight.grad is not None
    assert model.out.weight.grad.any()


def test_a_model_on_latents_trains_with_its_codec_frozen(batch: ClipBatch) -> None:
    model = random_model(LATENT)
    model.codec.requires_grad_(False)
    losses_of(model, batch, OWN)["total"].backward()
    assert model.stem.weight.grad is not None
    assert torch.isfinite(model.stem.weight.grad).all()


def test_own_frames_begin_at_their_step(batch: ClipBatch) -> None:
    asked: list[nn.Module] = []
    model, dreamer = random_model(), random_model(seed=1)
    dreamer.register_forward_pre_hook(lambda module, _: asked.append(module))
    config = TeacherConfig(own_from=3, own_share=1.0)
    for step, dreams in ((2, False), (3, True)):
        asked.clear()
        teacher_losses(model, dreamer, batch, config, step, np.random.default_rng(1))
        assert bool(asked) == dreams


def test_a_step_does_not_change_its_batch(batch: ClipBatch) -> None:
    before = {name: getattr(batch, name).clone() for name in batch.__slots__}
    losses_of(random_model(), batch, OWN)
    for name, tensor in before.items():
        assert torch.equal(getattr(batch, name), tensor), name


def test_a_few_steps_lower_the_loss(batch: ClipBatch) -> None:
    model = random_model()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    losses = []
    for _ in range(6):  # the same noise each time
        loss = losses_of(model, batch, TeacherConfig())["total"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


# Own frames


@pytest.mark.parametrize("hops", [0, 1, 2])
def test_only_the_newest_keyframes_are_dreamed(batch: ClipBatch, hops: int) -> None:
    torch.manual_seed(0)
    real = remembered_keyframes(batch)
    before = real.pictures.clone()
    dreamed = dream_keyframes(random_model(), batch, real, hops)
    assert torch.equal(real.pictures, before)
    assert torch.equal(dreamed.pictures[:, hops:], real.pictures[:, hops:])
    for k in range(hops):
        assert not torch.equal(dreamed.pictures[:, k], real.pictures[:, k])
        assert (dreamed.trust[:, k] == TRUST_DREAM).all()
    assert (dreamed.trust[:, hops:] == 1.0).all()
    assert dreamed.pictures.abs().max() <= 1.0


# Losses


def test_noise_is_mostly_pure_and_otherwise_between_zero_and_one() -> None:
    torch.manual_seed(0)
    sigma = noise_levels((64, 64), CPU)
    assert sigma.min() > 0.0
    assert sigma.max() == 1.0
    pure = (sigma == 1.0).float().mean()
    assert 0.3 < pure < 0.95


def test_the_picture_loss_of_the_truth_is_nothing() -> None:
    truth = torch.rand(1, 2, 4, 6, 8)
    assert picture_loss(truth, truth).tolist() == [[0.0, 0.0]]
    assert (picture_loss(truth + 0.1, truth) < picture_loss(truth + 0.2, truth)).all()


def test_a_ragged_error_costs_more_than_a_smooth_one() -> None:
    truth = torch.zeros(1, 1, 4, 8, 8)
    ragged = torch.where(torch.arange(8) % 2 == 0, 0.1, -0.1).expand_as(truth)
    assert (picture_loss(ragged, truth) > picture_loss(truth + 0.1, truth)).all()


def test_unknown_pixels_weigh_less_but_something() -> None:
    truth = torch.zeros(1, 1, 4, 8, 8)
    known = torch.zeros(1, 1, 1, 8, 8)
    unseen, seen = (picture_loss(truth + 0.1, truth, k) for k in (known, known + 1.0))
    assert 0.0 < unseen.item() < 0.5 * seen.item()
    assert torch.allclose(seen, picture_loss(truth + 0.1, truth))


def test_a_frame_counts_by_its_ratio_to_the_bare_hint() -> None:
    good, bad = torch.tensor([[0.1, 10.0]]), torch.tensor([[0.2, 20.0]])
    assert relative_loss(good, bad).item() == pytest.approx(0.5, abs=0.05)
    assert relative_loss(bad, bad).item() == pytest.approx(1.0, abs=0.05)
    perfect = torch.zeros(1, 2)
    assert torch.isfinite(relative_loss(good, perfect))


def test_the_pose_loss_of_the_truth_is_nothing() -> None:
    truth = torch.randn(5, 2)
    assert pose_loss(truth, truth).item() == 0.0
    assert pose_loss(truth + 0.1, truth) < pose_loss(truth + 0.2, truth)


def test_anchors_keep_the_axes_of_the_world_and_stay_near(batch: ClipBatch) -> None:
    torch.manual_seed(0)
    poses = batch.poses.repeat(20, 1, 1, 1)
    anchors = anchor_from_world(poses)
    assert torch.equal(anchors[..., :3, :3], torch.eye(3).expand_as(anchors[..., :3, :3]))
    first = (anchors @ poses)[:, 0, :3, 3]
    assert first.abs().max() <= ANCHOR_REACH_M + 1e-4
    renewed = (anchors[:, 0] != anchors[:, -1]).flatten(1).any(dim=1)
    assert renewed.any()
    assert not renewed.all()


# The average


def test_an_average_follows_its_model_and_is_never_stale() -> None:
    model = nn.Linear(2, 2)
    ema = Ema(model, decay=0.5)
    with torch.no_grad():
        model.weight.fill_(1.0)
        ema.model.weight.fill_(0.0)
    ema.update(model)
    assert torch.allclose(ema.model.weight, torch.full((2, 2), 9 / 11))  # early: 2/11, not 0.5
    ema.updates = 1_000
    ema.update(model)
    assert torch.allclose(ema.model.weight, torch.full((2, 2), 1 - (2 / 11) * 0.5))


def test_an_average_needs_no_gradients_and_copies_buffers() -> None:
    model = nn.BatchNorm1d(3)
    ema = Ema(model, decay=0.9)
    assert model.running_mean is not None
    model.running_mean.fill_(5.0)
    ema.update(model)
    assert ema.model.running_mean is not None
    assert torch.equal(ema.model.running_mean, model.running_mean)
    assert not any(parameter.requires_grad for parameter in ema.model.parameters())
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert not ema.model.training


# Optimizers


def test_every_parameter_belongs_to_one_optimizer() -> None:
    model = random_model()
    model.pose_head.requires_grad_(False)
    groups = [g["params"] for o in make_optimizers(model, 1e-3, 0.01) for g in o.param_groups]
    numbers = [id(parameter) for group in groups for parameter in group]
    assert len(set(numbers)) == len(numbers)
    assert set(numbers) == {id(p) for p in model.parameters() if p.requires_grad}


def test_muon_turns_matrices_into_nearly_orthogonal_ones() -> None:
    torch.manual_seed(0)
    for shape in ((16, 16), (8, 40), (40, 8)):
        matrix = 1e-4 * torch.randn(shape)
        singular = torch.linalg.svdvals(orthogonalised(matrix))
        assert singular.min() > 0.3
        assert singular.max() < 1.5


@pytest.mark.parametrize("make", [lambda p: Muon(p, lr=0.02)])
def test_muon_descends(make: Callable[[list[nn.Parameter]], Muon]) -> None:
    torch.manual_seed(0)
    layer, x, y = nn.Conv2d(3, 5, 3, bias=False), torch.randn(4, 3, 6, 6), torch.randn(4, 5, 4, 4)
    layer.weight = nn.Parameter(layer.weight.contiguous(memory_format=torch.channels_last))
    optimizer = make(list(layer.parameters()))
    losses = []
    for _ in range(20):
        loss = (layer(x) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


def test_learning_rates_are_scaled_from_their_base_not_from_the_last_value() -> None:
    optimizers = make_optimizers(random_model(), 1e-3, 0.0)
    base = [group["lr"] for o in optimizers for group in o.param_groups]
    for factor in (0.1, 0.5, 1.0):
        scale_learning_rates(optimizers, 1e-3, factor)
    assert np.allclose([group["lr"] for o in optimizers for group in o.param_groups], base)
