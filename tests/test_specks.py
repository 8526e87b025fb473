"""Telling a frame of surfaces from one that has come apart."""

from __future__ import annotations

import numpy as np
import pytest
from dreams import begun, plane_clip

from worldsim.engine import dream_world
from worldsim.engine.specks import is_torn
from worldsim.envs.blocks.world import BlockWorld
from worldsim.model.presets import preset
from worldsim.types import SKY_DEPTH_M, Action


@pytest.fixture(scope="module")
def depths() -> list[np.ndarray]:
    world = BlockWorld(preset("small").intrinsics, renderer="torch")
    return [world.reset(seed=seed).depth for seed in range(5)]


def test_true_pictures_are_whole(depths: list[np.ndarray]) -> None:
    assert not any(is_torn(depth) for depth in depths)
    assert not is_torn(np.full((80, 128), SKY_DEPTH_M, np.float32))


def test_a_picture_with_specks_has_come_apart(depths: list[np.ndarray]) -> None:
    chance = np.random.default_rng(0)
    for depth in depths:
        specks = chance.random(depth.shape) < 0.03
        assert is_torn(np.where(specks, 0.5, depth)) and is_torn(np.where(specks, 1e-3, depth))


def test_what_has_come_apart_is_not_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for torn in (True, False):
        monkeypatch.setattr(dream_world, "is_torn", lambda _, torn=torn: torn)
        engine = begun(clip=plane_clip([]))
        for _ in range(4):
            engine.step(Action(yaw_deg=45.0))
        assert (len(engine.memory) == 1) is torn


def test_a_hand_is_remembered_even_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dream_world, "is_torn", lambda _: True)
    engine = begun(clip=plane_clip([]))
    engine.step(Action(yaw_deg=45.0, attack=True))
    assert len(engine.memory) == 2
