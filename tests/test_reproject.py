"""Reprojection: an analytic room seen again, edits, flying pixels, and equal batches."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch
from torch import Tensor

from worldsim.camera import Intrinsics, pixel_rays, pose_matrices
from worldsim.errors import ConfigError
from worldsim.memory.planes import FLYING, FRINGE, RIM, fit_planes
from worldsim.memory.reproject import Hint, Sources, compact, reproject
from worldsim.types import SKY_DEPTH_M, Pose

INTRINSICS = Intrinsics(width=64, height=40)
GROUND_Y = -1.6
PILLAR = ((-0.5, GROUND_Y, -6.5), (0.5, 2.0, -5.5))
FAR_TOWER = ((-8.0, GROUND_Y, -50.0), (8.0, 24.0, -40.0))


def render(pose: Pose, boxes=(PILLAR,)) -> tuple[Tensor, Tensor]:  # rgb [3, H, W], depth [H, W]
    """An endless floor under a sky, with boxes; smooth colours that are a function of place."""
    matrix = torch.from_numpy(pose_matrices([pose])[0])
    rays = pixel_rays(INTRINSICS) @ matrix[:3, :3].T
    eye = matrix[:3, 3]
    depth = torch.where(rays[..., 1] < -1e-3, (GROUND_Y - eye[1]) / rays[..., 1], torch.inf)
    for low, high in boxes:
        near, far = ((torch.tensor(side) - eye) / rays for side in (low, high))
        enter = torch.minimum(near, far).amax(-1)
        leave = torch.maximum(near, far).amin(-1)
        depth = torch.where((enter < leave) & (enter > 0) & (enter < depth), enter, depth)
    far_ground = (depth > 14) & (rays[..., 1] < 0)  # too fine for so few pixels
    sky = far_ground | depth.isinf()
    depth = depth.masked_fill(sky, SKY_DEPTH_M)
    place = torch.where(
        sky[..., None], rays / rays.norm(dim=-1, keepdim=True), eye + rays * depth[..., None]
    )
    rgb = torch.sin(place * torch.tensor([0.9, 1.3, 1.1]) + sky[..., None]) * 0.8
    return rgb.permute(2, 0, 1), depth


def seen_from(poses: list[Pose], boxes=None, *, trust=None, age=None) -> Sources:
    """One world's frames; `boxes` holds each frame's boxes, later poses are newer."""
    K = len(poses)
    frames = [render(pose, *([boxes[k]] if boxes else [])) for k, pose in enumerate(poses)]
    return Sources(
        torch.stack([rgb for rgb, _ in frames])[None],
        torch.stack([depth for _, depth in frames])[None],
        torch.from_numpy(pose_matrices(poses))[None],
        torch.tensor([trust or [1.0] * K]),
        torch.tensor([age or list(range(K - 1, -1, -1))], dtype=torch.float32),
        torch.ones(1, K, dtype=torch.bool),
    )


def hint_at(pose: Pose, sources: Sources) -> Hint:
    return reproject(sources, torch.from_numpy(pose_matrices([pose])), INTRINSICS)


def psnr(hint: Hint, truth: Tensor, mask: Tensor) -> float:
    error = (hint.rgb[0] - truth).square().mean(0)[mask] / 4
    return float(-10 * torch.log10(error.mean()))


WALK = [Pose(0, 0, 0), Pose(0.5, 0, -0.5, 12), Pose(-0.6, 0, -0.2, -14), Pose(0.2, 0, -1, 4, 8)]


def test_a_frame_seen_again_from_its_own_pose_is_unchanged():
    hint = hint_at(WALK[0], seen_from(WALK[:1]))
    rgb, depth = render(WALK[0])
    known = hint.confidence[0] > 0
    assert known.float().mean() > 0.97
    assert psnr(hint, rgb, known) > 40
    torch.testing.assert_close(hint.depth[0][known], depth[known], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "pose",
    [Pose(0.8, 0, -2, -5), Pose(-1, 0.2, 1, 10), Pose(1.5, 0, 0, -30), Pose(0, 0, -3, 0, 15)],
)
def test_a_walk_through_a_room_is_seen_again_from_a_new_pose(pose):
    hint = hint_at(pose, seen_from(WALK))
    rgb, depth = render(pose)
    known = hint.confidence[0] > 0.3
    wrong_depth = (hint.depth[0] - depth).abs() > 0.05 * depth
    inner = (
        fit_planes(depth[None, None]).doubt.view_as(depth) == 0
    )  # silhouettes fall between pixels
    assert known.float().mean() > 0.6
    assert psnr(hint, rgb, known & inner) > 28
    assert wrong_depth[known & inner].float().mean() < 0.01


def test_the_floor_at_a_flat_angle_keeps_its_exact_depth():
    pose = Pose(0.4, 0.1, -1.3, 9)
    hint = hint_at(pose, seen_from(WALK, [()] * 4))
    _, depth = render(pose, ())
    floor = (hint.confidence[0] > 0) & (depth < 14)
    assert floor.sum() > 500
    error = (hint.depth[0] - depth).abs() / depth
    assert (error[floor] < 2e-3).float().mean() > 0.99


def test_unknown_pixels_are_zero_everywhere():
    hint = hint_at(Pose(0, 0, 0, 180), seen_from(WALK))
    assert hint.confidence.count_nonzero() == 0
    assert hint.rgb.count_nonzero() == 0
    assert hint.depth.count_nonzero() == 0


def test_sky_is_infinitely_far_and_moves_with_the_rotation_only():
    hint = hint_at(Pose(3, 0, 0, 0, -20), seen_from([Pose(0, 0, 0, 0, -20)], [()]))
    truth, _ = render(Pose(0, 0, 0, 0, -20), ())
    sky = hint.depth[0] == SKY_DEPTH_M
    assert sky.float().mean() > 0.5
    assert psnr(hint, truth, sky & (hint.confidence[0] > 0)) > 40


def test_a_newer_frame_looks_through_a_block_that_was_removed():
    sources = seen_from(WALK[:2], [(PILLAR,), ()])
    hint = hint_at(WALK[0], sources)
    truth, _ = render(WALK[0], ())
    _, with_pillar = render(WALK[0])
    was_pillar = with_pillar < 7
    seen_again = was_pillar & (hint.confidence[0] > 0)
    assert seen_again.sum() > 0.5 * was_pillar.sum()
    assert psnr(hint, truth, seen_again) > 25


def test_an_older_frame_does_not_look_through_a_block_that_was_placed():
    sources = seen_from([Pose(0.3, 0, 0), WALK[0]], [(), (PILLAR,)])
    hint = hint_at(WALK[0], sources)
    _, depth = render(WALK[0])
    inside = depth < 6.4
    assert (hint.depth[0][inside] < 7).float().mean() > 0.9


def test_a_dreamed_frame_with_little_trust_does_not_carve_a_real_one():
    sources = seen_from(WALK[:2], [(PILLAR,), ()], trust=[1.0, 0.3])
    hint = hint_at(WALK[0], sources)
    _, depth = render(WALK[0])
    assert (hint.depth[0][depth < 6.4] < 7).float().mean() > 0.9


@pytest.mark.parametrize(("later", "stands"), [(0.6, False), (0.8, True)])
def test_a_dream_puts_nothing_where_an_elder_one_saw_through_unless_a_hand_did(later, stands):
    sources = seen_from([Pose(0.3, 0, 0), WALK[0]], [(), (PILLAR,)], trust=[0.6, later])
    hint = hint_at(WALK[0], sources)
    (_, depth), (_, behind) = render(WALK[0]), render(WALK[0], ())
    pillar = (hint.confidence[0] > 0) & ((hint.depth[0] - depth).abs() < 0.5)
    share = pillar[behind - depth > 2].float().mean()
    assert share > 0.9 if stands else share < 0.1


@pytest.mark.parametrize(("trust", "shows"), [(0.6, True), (0.75, False)])
def test_what_was_really_seen_shows_through_what_a_dream_put_before_it(trust, shows):
    elsewhere = Pose(0, 0, -7)  # beyond the pillar, of which it cannot know
    sources = seen_from([elsewhere, WALK[0]], [(), (PILLAR,)], trust=[1.0, trust])
    hint = hint_at(WALK[0], sources)
    (_, depth), (_, behind) = render(WALK[0]), render(WALK[0], ())
    hidden = (depth < 7) & (behind > 10) & (behind < SKY_DEPTH_M)
    share = ((hint.depth[0] - behind).abs() < 0.5)[hidden].float().mean()
    assert share > 0.7 if shows else share < 0.05


@pytest.mark.parametrize("trust", [0.6, 1.0])
def test_among_frames_of_one_kind_nothing_is_asked_twice(trust):
    sources = seen_from(WALK, [(), *[(PILLAR,)] * (len(WALK) - 1)], trust=[trust] * len(WALK))
    pose = torch.from_numpy(pose_matrices([WALK[0]]))
    whole, spared = (reproject(sources, pose, INTRINSICS, mixed=mixed) for mixed in (True, False))
    for name in ("rgb", "depth", "confidence"):
        assert torch.equal(getattr(whole, name), getattr(spared, name))


@pytest.mark.parametrize("trust", [0.75, 1.0])
def test_a_block_that_a_hand_placed_stands_before_what_was_really_seen(trust):
    sources = seen_from([Pose(0.3, 0, 0), WALK[0]], [(), (PILLAR,)], trust=[1.0, trust])
    hint = hint_at(WALK[0], sources)
    _, depth = render(WALK[0])
    assert (hint.depth[0][depth < 6.4] < 7).float().mean() > 0.9


@pytest.mark.parametrize(("metres", "stands"), [(1.0, False), (4.0, True)])
def test_fog_may_hide_what_is_far_but_not_from_where_the_sky_was_seen(metres, stands):
    sources = seen_from([Pose(0, 0, metres), Pose(0, 0, 0)], [(), (FAR_TOWER,)], trust=[0.6, 0.6])
    hint = hint_at(Pose(0, 0, 0), sources)
    _, depth = render(Pose(0, 0, 0), (FAR_TOWER,))
    tower = hint.depth[0][(depth > 30) & (depth < SKY_DEPTH_M)]
    assert (tower < SKY_DEPTH_M).float().mean() == pytest.approx(float(stands), abs=0.2)


def test_the_more_trusted_of_two_frames_gives_the_colour():
    sources = seen_from([WALK[0], WALK[0]], trust=[1.0, 0.5])
    rgb = sources.rgb.clone()
    rgb[:, 1] = -1.0
    hint = hint_at(WALK[0], Sources(rgb, *[getattr(sources, f.name) for f in fields(Sources)[1:]]))
    assert psnr(hint, render(WALK[0])[0], hint.confidence[0] > 0) > 40


def test_padding_is_never_looked_at():
    sources = seen_from(WALK)
    valid = torch.tensor([[True, False, False, False]])
    parts = [getattr(sources, f.name) for f in fields(Sources)]
    alone = hint_at(WALK[3], Sources(*[part[:, :1] for part in parts]))
    padded = hint_at(WALK[3], Sources(*parts[:-1], valid))
    torch.testing.assert_close(alone.rgb, padded.rgb)
    torch.testing.assert_close(alone.depth, padded.depth)


def test_a_batch_gives_what_its_worlds_give_alone():
    worlds = [
        seen_from(WALK),
        seen_from(WALK[::-1], [()] * 4),
        seen_from(WALK, [(), (PILLAR,)] * 2),
    ]
    together = Sources(
        *[torch.cat([getattr(world, f.name) for world in worlds]) for f in fields(Sources)]
    )
    targets = [Pose(0.8, 0, -2, -5), Pose(0, 0, 0, 180), Pose(-1, 0, 1, 10)]
    batch = reproject(together, torch.from_numpy(pose_matrices(targets)), INTRINSICS)
    for i, (world, target) in enumerate(zip(worlds, targets, strict=True)):
        alone = hint_at(target, world)
        torch.testing.assert_close(batch.rgb[i], alone.rgb[0], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(batch.confidence[i], alone.confidence[0], rtol=1e-4, atol=1e-4)


def test_inputs_are_left_unchanged():
    sources = seen_from(WALK)
    before = [getattr(sources, f.name).clone() for f in fields(Sources)]
    hint_at(Pose(0.8, 0, -2, -5), sources)
    for f, old in zip(fields(Sources), before, strict=True):
        assert torch.equal(getattr(sources, f.name), old)


def test_a_point_between_two_surfaces_leaves_no_confetti():
    _, depth = render(WALK[0])
    blurred = depth.clone()
    beside = (depth[:, 1:] - depth[:, :-1]).abs() > 3
    blurred[:, 1:][beside] = 0.5 * (depth[:, 1:] + depth[:, :-1])[beside]
    sources = seen_from(WALK[:1])
    parts = [getattr(sources, f.name) for f in fields(Sources)]
    hint = hint_at(Pose(1, 0, 0, -8), Sources(parts[0], blurred[None, None], *parts[2:]))
    _, truth = render(Pose(1, 0, 0, -8))
    floating = (hint.confidence[0] > 0) & (hint.depth[0] > 7) & (hint.depth[0] < 0.8 * truth)
    assert floating.sum() == 0


def test_a_wall_that_was_seen_from_afar_is_whole_from_nearby():
    wall = ((-8.0, GROUND_Y, -9.0), (8.0, 9.0, -8.0))
    hidden = ((-2.0, GROUND_Y, -14.0), (2.0, 2.0, -13.0))
    afar, behind = Pose(0, 0, 4), Pose(0, 0, -9.5)  # what stands behind it was seen, too
    nose = Pose(0, 0.5, -7.4)  # twenty times nearer than it was seen
    hint = hint_at(nose, seen_from([behind, afar], [(wall, hidden)] * 2))
    _, depth = render(nose, (wall,))
    known = hint.confidence[0] > 0
    assert known.float().mean() > 0.95
    assert ((hint.depth[0] - depth).abs() / depth)[known].max() < 0.1


def test_where_there_are_many_specks_nothing_is_known():
    here = Pose(0, 0, 0, 0, 30)
    sources = seen_from([here], [()])
    rows, columns = torch.meshgrid(torch.arange(16, 32), torch.arange(16, 48), indexing="ij")
    sources.depth[0, 0, rows, columns] *= torch.where((rows + columns // 2) % 3 == 0, 0.4, 1.0)
    known = hint_at(here, sources).confidence[0] > 0
    assert known[18:30, 18:46].float().mean() < 0.02
    assert known[:, :8].all()


def test_silhouettes_are_told_apart_from_surfaces():
    depth = torch.full((1, 1, 8, 8), 10.0)
    depth[..., 4:] = 2.0
    doubt = fit_planes(depth).doubt.view(8, 8)
    assert (doubt[:, 3] == FRINGE).all()
    assert (doubt[:, 4] == RIM).all()
    assert (doubt[:, :3] == 0).all()
    depth[..., 4] = 4.0
    assert (fit_planes(depth).doubt.view(8, 8)[:, 4] == FLYING).all()


def test_compaction_lists_every_true_place_and_pads_the_rest():
    mask = torch.tensor([[False, True, True, False], [False, False, False, True]])
    assert compact(mask).tolist() == [[1, 2], [3, 0]]
    assert compact(torch.zeros(2, 4, dtype=torch.bool)).shape == (2, 0)


def test_sources_of_unequal_shapes_are_refused():
    sources = seen_from(WALK[:1])
    parts = [getattr(sources, f.name) for f in fields(Sources)]
    with pytest.raises(ConfigError, match="depth"):
        Sources(parts[0][0], *parts[1:])


def test_the_threads_of_the_caller_are_restored():
    before = torch.get_num_threads()
    hint_at(WALK[0], seen_from(WALK[:1]))
    assert torch.get_num_threads() == before


def test_no_number_is_lost_to_rounding_or_infinity():
    hint = hint_at(Pose(0, 0, -5.4), seen_from(WALK))  # almost inside the pillar
    for f in fields(Hint):
        assert np.isfinite(getattr(hint, f.name).numpy()).all()
