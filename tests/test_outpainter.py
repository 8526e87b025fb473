"""The outpainter: what it is told, what it keeps, and that it learns."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from dreams import begun, plane_episode, random_model, walk

from worldsim.camera import pose_matrices
from worldsim.engine import imagine
from worldsim.engine.hints import IMAGINED, with_imagined
from worldsim.engine.state import EngineState
from worldsim.errors import ConfigError
from worldsim.model.outpainter import COARSE_PX, CoarseView, coarse_rays, moved
from worldsim.model.presets import preset
from worldsim.train.distill_stage import (
    DistillRunConfig,
    DistillStage,
    behind,
    distillation_loss,
    many_levels,
)
from worldsim.train.outpainter_stage import OutpainterRunConfig, OutpainterStage, outpainter_loss
from worldsim.train.views import (
    ViewConfig,
    Views,
    ViewStore,
    half_known_first,
    joined,
    look_at,
    worn,
)
from worldsim.types import Action, Pose

CAMERA = preset("tiny").intrinsics
H, W = CAMERA.height // COARSE_PX, CAMERA.width // COARSE_PX
TURN = Action(yaw_deg=12.0)
AHEAD = Action(forward=True)


@pytest.fixture(scope="module")
def views() -> Views:
    walk = [Action(forward=True, yaw_deg=9.0 * math.sin(i / 4)) for i in range(24)]
    episode = plane_episode(walk)
    return look_at([(episode, t) for t in (3, 8, 15, 24)], CAMERA, np.random.default_rng(4))


def blank(known: float) -> CoarseView:
    return CoarseView(
        torch.full((1, 4, H, W), 0.25),
        torch.full((1, 1, H, W), known),
        torch.zeros(1, 4, H, W),
        coarse_rays(torch.from_numpy(pose_matrices([Pose(0.0, 2.0, 0.0)])), CAMERA),
    )


def test_what_is_wholly_known_stays_as_it_is() -> None:
    sample = random_model().outpainter.sample(blank(1.0), torch.randn(1, 4, H, W))
    assert torch.equal(sample, blank(1.0).hint)


def test_what_is_unknown_depends_on_the_noise_and_stays_in_range() -> None:
    outpainter = random_model().outpainter
    a, b = (outpainter.sample(blank(0.0), torch.randn(1, 4, H, W)) for _ in range(2))
    assert not torch.equal(a, b)
    assert max(a.abs().max(), b.abs().max()) <= 1.0


def test_coarse_rays_are_of_unit_length_and_turn_with_the_camera() -> None:
    poses = pose_matrices([Pose(0.0, 2.0, 0.0), Pose(5.0, 2.0, 1.0, yaw_deg=90.0)])
    north, east = coarse_rays(torch.from_numpy(poses), CAMERA)
    assert torch.allclose(north.norm(dim=0), torch.ones(H, W), atol=1e-5)
    assert torch.allclose(east[0], -north[2], atol=1e-5)


def test_only_unknown_pixels_are_filled_and_marked_as_imagined() -> None:
    hint, confidence = torch.zeros(1, 4, 8, 8), torch.zeros(1, 1, 8, 8)
    confidence[..., :4] = 0.9
    filled, told = with_imagined(hint, confidence, torch.ones(1, 4, 2, 2))
    assert not filled[..., :4].any() and (filled[..., 4:] == 1.0).all()
    assert torch.equal(told.unique(), torch.tensor([IMAGINED, 0.9]))


# Training


def test_a_view_knows_a_part_of_what_it_shows(views: Views) -> None:
    told = views.told
    assert views.truth.shape == told.hint.shape == (4, 4, H, W)
    assert 0.0 < float(told.known.mean()) <= 1.0
    sure = (told.known == 1.0).expand_as(told.hint)
    assert (told.hint - views.truth)[sure].abs().mean() < 0.1


def test_a_mirror_image_is_a_view_of_a_world_with_x_reversed(views: Views) -> None:
    mirrored = views.mirrored(torch.tensor([True, False, False, False]))
    assert torch.equal(mirrored.truth[0], views.truth[0].flip(-1))
    assert torch.equal(mirrored.told.rays[0, 0], -views.told.rays[0, 0].flip(-1))
    assert torch.equal(mirrored.truth[1:], views.truth[1:])


def test_views_are_kept_of_which_there_is_most_to_learn(views: Views) -> None:
    shares = torch.tensor((1.0, 0.4, 0.0, 0.7))[:, None, None, None]
    told = replace(views.told, known=shares.expand_as(views.told.known))
    order = half_known_first(replace(views, told=told)).tolist()
    assert order[:2] == [1, 3] and set(order) == {0, 1, 2, 3}


def test_a_store_makes_several_views_for_each_one_that_it_keeps() -> None:
    episode, rng = plane_episode([AHEAD, TURN] * 6), np.random.default_rng(0)
    store = ViewStore(ViewConfig(batch=4, fresh=2, choice=3), CAMERA)
    drawn = store.draw([episode], rng, torch.device("cpu"))
    assert len(drawn.truth) == 4 and len(store.drawn) == 6


def test_what_is_worn_is_paler_and_what_is_new_beside_it_is_not(views: Views) -> None:
    torch.manual_seed(0)
    many = joined([views] * 8)
    after = worn(many)
    spread = [x.told.hint[:, :3].var(dim=(2, 3)).mean(dim=1) for x in (many, after)]
    is_worn = (after.told.hint != many.told.hint).any(dim=(1, 2, 3)).bool()
    assert 8 <= int(is_worn.sum()) <= 24 and bool((spread[1] < spread[0])[is_worn].all())
    new = (many.told.known < 1.0).expand_as(many.truth)
    assert torch.equal(after.truth[new], many.truth[new])
    known = ~new & is_worn[:, None, None, None]
    assert torch.equal(after.truth[known], after.told.hint[known])
    assert torch.equal(after.truth[~is_worn], many.truth[~is_worn])


def test_what_was_not_told_is_not_told_in_worn_colours(views: Views) -> None:
    alone = replace(views, told=replace(views.told, elsewhere=torch.zeros(4, 4, H, W)))
    assert not worn(alone).told.elsewhere.any()


def test_the_outpainter_learns_a_view(views: Views) -> None:
    torch.manual_seed(0)
    model = random_model()
    optimizer = torch.optim.Adam(model.outpainter.parameters(), 2e-3)
    losses = []
    for _ in range(40):
        loss = outpainter_loss(model, views)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-8:]) < 0.5 * np.mean(losses[:8])


def test_its_stage_trains_nothing_else() -> None:
    model = random_model()
    OutpainterStage(model, OutpainterRunConfig())
    trained = {name.split(".")[0] for name, p in model.named_parameters() if p.requires_grad}
    assert trained == {"outpainter"}


# Distillation


def test_the_picture_behind_a_step_is_the_one_that_leads_there() -> None:
    noisy, clean = torch.randn(2, 4, H, W), torch.randn(2, 4, H, W)
    for level, lower in ((1.0, 0.7), (0.7, 0.4), (0.4, 0.0)):
        reached = moved(noisy, clean, level, lower)
        assert torch.allclose(behind(noisy, reached, level, lower), clean, atol=1e-4)


def test_a_student_that_does_as_its_teacher_in_one_step_has_nothing_to_learn(views: Views) -> None:
    outpainter = random_model().outpainter
    outpainter.out.weight.data.mul_(0.05)
    told = views.told  # in the middle of its range, so that nothing has to be clamped
    told = replace(told, hint=0.5 * told.hint, known=torch.zeros_like(told.known))
    outside = Views(views.truth, told)
    with torch.no_grad():
        as_one = distillation_loss(outpainter, outpainter, outside, (1.0, 0.5), 1)
        as_many = distillation_loss(outpainter, outpainter, outside, (1.0, 0.5), 4)
    assert float(as_one) < 1e-3 * float(as_many)


def test_a_distilled_model_keeps_the_levels_of_its_student() -> None:
    model = random_model()
    stage = DistillStage(model, DistillRunConfig(levels=(1.0, 0.5)))
    assert stage.model.config.outpaint_levels == stage.model.outpainter.levels == (1.0, 0.5)
    assert stage.teacher.levels != (1.0, 0.5)


def test_a_teacher_takes_several_steps_for_one_of_its_student() -> None:
    assert many_levels((1.0, 0.4), 2) == pytest.approx((1.0, 0.7, 0.4, 0.2))


def test_an_untrained_outpainter_cannot_be_distilled() -> None:
    model = random_model()
    torch.nn.init.zeros_(model.outpainter.out.weight)
    with pytest.raises(ConfigError, match="train_outpainter"):
        DistillStage(model, DistillRunConfig())


# In the engine


def test_a_turn_into_the_unknown_is_imagined_ahead() -> None:
    engine = begun()
    walk(engine, [TURN])
    ahead = engine.snapshot().imagined
    assert ahead is not None and ahead.trust == IMAGINED
    assert ahead.pose.yaw_deg != engine.snapshot().observation.pose.yaw_deg


def test_after_some_metres_the_sky_is_imagined_anew() -> None:
    engine = begun()
    start = engine.snapshot().observation.pose
    for metres in (2.0, 4.0):
        engine.step(AHEAD, pose=start.moved(metres, 0.0, 0.0))
        assert engine.snapshot().horizon == (start.x, start.y, start.z)
    engine.step(AHEAD, pose=start.moved(imagine.HORIZON_M + 0.5, 0.0, 0.0))
    assert engine.snapshot().horizon == (start.x + imagine.HORIZON_M + 0.5, start.y, start.z)


def test_a_world_that_has_imagined_goes_on_alike_from_a_file() -> None:
    engine, twin = begun(), begun(seed=8)
    walk(engine, [TURN] * 2)
    state = EngineState.from_bytes(engine.snapshot().to_bytes())
    assert state.imagined is not None
    twin.restore(state)
    for a, b in zip(walk(engine, [TURN] * 3), walk(twin, [TURN] * 3), strict=True):
        assert np.array_equal(a.rgb, b.rgb)


def test_an_untrained_outpainter_imagines_nothing() -> None:
    engine = begun()
    outpainter = engine._dreamer.model.outpainter
    torch.nn.init.zeros_(outpainter.out.weight)
    walk(engine, [TURN] * 3)
    assert engine.snapshot().imagined is None
