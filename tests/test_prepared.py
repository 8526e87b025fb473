"""Keyframes are prepared once, and it makes no difference to a dream whether they were."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from dreams import LOOK_AROUND, all_same, begun, random_model, walk

from worldsim.camera import pose_matrices
from worldsim.engine import prepared
from worldsim.engine.hints import Remembered, make_hint, show
from worldsim.engine.prepared import Preparations
from worldsim.memory.bank import Keyframe
from worldsim.memory.planes import joined
from worldsim.model.picture import to_picture


def keyframe() -> Keyframe:
    seen = LOOK_AROUND.observations[0]
    return Keyframe(seen.rgb, seen.depth.astype("float16"), seen.pose, frame=0, trust=1.0)


def test_known_planes_give_the_same_hint() -> None:
    seen = LOOK_AROUND.observations[:3]
    shown = [show(to_picture(torch.tensor(o.rgb), torch.tensor(o.depth))) for o in seen]
    poses = torch.from_numpy(pose_matrices([o.pose for o in LOOK_AROUND.observations]))
    remembered = Remembered(
        torch.stack([source.picture for source in shown])[None],
        poses[None, :3],
        torch.ones(1, 3),
        torch.arange(3.0)[None],
        torch.ones(1, 3, dtype=torch.bool),
    )
    known = replace(remembered, planes=joined([source.planes for source in shown], 1))
    camera = random_model().config.intrinsics
    for mine, theirs in zip(
        make_hint(known, poses[3:4], camera), make_hint(remembered, poses[3:4], camera), strict=True
    ):
        assert torch.equal(mine, theirs)


def test_a_keyframe_is_prepared_once_for_each_anchor() -> None:
    kept, one = Preparations(random_model()), keyframe()
    assert kept.shown(one) is kept.shown(one)
    assert kept.recalled(one, (0.0, 0.0, 0.0)) is kept.recalled(one, (0.0, 0.0, 0.0))
    here, there = kept.recalled(one, (0.0, 0.0, 0.0)), kept.recalled(one, (5.0, 0.0, 0.0))
    assert not torch.equal(here.keys, there.keys)


def test_dreams_do_not_depend_on_what_was_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = walk(begun())
    monkeypatch.setattr(prepared, "KEPT", 0)
    assert all_same(walk(begun()), usual)
