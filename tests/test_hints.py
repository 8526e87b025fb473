"""The last frame, moved along a hint's surfaces."""

from __future__ import annotations

import torch

from worldsim.camera import Intrinsics, pose_matrices
from worldsim.engine.hints import HIDDEN, moved_along
from worldsim.model.picture import to_picture
from worldsim.types import Pose

CAMERA = Intrinsics(width=32, height=20)
HERE = Pose(0.0, 1.6, 0.0)


def wall(distance_m: float) -> torch.Tensor:  # [1, 4, H, W] with a gradient from left to right
    rgb = torch.arange(32.0).mul(8).to(torch.uint8)[None, :, None].expand(20, 32, 3)
    return to_picture(rgb[None], torch.full((1, 20, 32), distance_m))


def move(hint: torch.Tensor, to: Pose, trust: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    there, here = (torch.from_numpy(pose_matrices([pose])) for pose in (to, HERE))
    return moved_along(wall(4.0), here, torch.tensor([trust]), hint, there, CAMERA)


def test_a_camera_at_rest_sees_the_last_frame_again() -> None:
    moved, confidence = move(wall(4.0), HERE)
    assert torch.allclose(moved, wall(4.0), atol=1e-4)
    assert (confidence == 1.0).all()


def test_a_step_aside_moves_colours_by_fractions_of_a_pixel() -> None:
    aside = HERE.moved(0.5 * 4.0 / CAMERA.focal_px, 0.0, 0.0)  # half a pixel at 4 m
    moved, _ = move(wall(4.0), aside)
    step = float(wall(4.0)[0, 0, 0, 1] - wall(4.0)[0, 0, 0, 0])
    inner = moved[0, 0, 5, 2:-2] - wall(4.0)[0, 0, 5, 2:-2]
    assert torch.allclose(inner, torch.full_like(inner, 0.5 * step), atol=1e-3)


def test_what_was_outside_of_the_last_frame_is_not_trusted() -> None:
    _, confidence = move(wall(4.0), HERE.turned(30.0, 0.0))
    assert not confidence[0, 0, :, -4:].any()
    assert confidence[0, 0, :, 4:10].all()


def test_a_place_hidden_behind_another_surface_is_hardly_trusted() -> None:
    _, confidence = move(wall(9.0), HERE, trust=0.8)
    assert torch.allclose(confidence, torch.full_like(confidence, 0.8 * HIDDEN))


def test_beside_a_silhouette_trust_follows_the_share_of_the_mix_and_never_jumps() -> None:
    last = wall(4.0)
    last[..., 16:] = wall(12.0)[..., 16:]  # the right half shows another surface
    here = torch.from_numpy(pose_matrices([HERE]))
    steps = torch.linspace(0.0, 1.0, 101) * 4.0 / CAMERA.focal_px  # a pixel at 4 m, by hundredths
    trusts = []
    for step in steps.tolist():
        there = torch.from_numpy(pose_matrices([HERE.moved(step, 0.0, 0.0)]))
        _, confidence = moved_along(last, here, torch.ones(1), wall(4.0), there, CAMERA)
        trusts.append(confidence[0, 0, 10, 15])
    trust = torch.stack(trusts)
    assert trust[0] == 1.0
    assert torch.isclose(trust[50], torch.tensor(0.5), atol=0.02)
    assert trust[-1] <= HIDDEN + 1e-3
    assert trust.diff().abs().max() <= 0.03
