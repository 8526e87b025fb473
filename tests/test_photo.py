"""Photo mode: the world stands still, and a camera flies through its memory."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import platformdirs
import pytest
from fakes_play import FakeRememberer
from PIL import Image
from players import AHEAD, Shown, everything, hud_of, played

from worldsim.play.loop import LoopConfig
from worldsim.play.orders import Order
from worldsim.play.photo import PhotoCamera, flown
from worldsim.play.window import Key
from worldsim.types import Action, Pose


def test_in_photo_mode_the_world_stands_still_and_the_camera_flies() -> None:
    player = played(AHEAD, Order.photo, *[Action(jump=True, back=True)] * 5)
    dream, tick = player.worlds["dream"], player.last
    assert dream.walked_ticks == 1
    seen = tick.observation.pose
    assert seen.y == pytest.approx(dream.pose.y + 5 * 0.2)
    assert tick.extras.photo.observation is tick.observation
    assert 0.1 < tick.extras.photo.known < 1.0


def test_the_frozen_frame_is_shown_as_it_was_and_comes_back() -> None:
    player = played(AHEAD, Order.photo, Action(), Action(left=True), Order.photo, Action())
    game, frozen, flying = player.ticks[-4], player.ticks[-3], player.ticks[-2]
    assert np.array_equal(game.observation.rgb, frozen.observation.rgb)
    assert flying.observation.pose != frozen.observation.pose
    assert player.last.extras.photo is None
    assert player.worlds["dream"].walked_ticks == 2


def test_a_view_from_nearby_shows_what_memory_knows() -> None:
    dream = FakeRememberer(grey_levels=0)
    first = dream.reset(seed=3)
    camera = PhotoCamera(dream.memory, first)
    camera.step(Action(right=True))
    photo = camera.photo
    (true,) = dream._look([photo.observation.pose])
    wrong = np.abs(photo.observation.rgb.astype(int) - true.rgb).mean()
    assert photo.known > 0.8
    assert wrong < 6


def test_a_camera_flies_level_and_faster_with_sprint() -> None:
    start = Pose(0, 0, 0, 0.0, 60.0)
    assert flown(start, Action(forward=True)).z == pytest.approx(-0.2)
    assert flown(start, Action(forward=True, sprint=True)).z == pytest.approx(-0.6)
    assert flown(start, Action(sneak=True)).y == pytest.approx(-0.2)


def test_the_player_is_told_that_a_world_without_memory_cannot_be_flown_through() -> None:
    player = played(Order.photo, AHEAD, config=LoopConfig(world="real", seed=7))
    assert "memory" in player.said[0]
    assert player.last.extras.photo is None


def test_a_camera_that_flies_is_not_shown_ahead_on_the_way_that_the_player_walked() -> None:
    walking, *flying = played(AHEAD, Order.photo, AHEAD, Order.photo, AHEAD).ticks[1:]
    assert walking.step.buttons == {"forward"}
    assert [tick.step is None for tick in flying] == [True, False]


def test_a_restart_ends_photo_mode() -> None:
    assert played(AHEAD, Order.photo, AHEAD, Order.reset, AHEAD).last.extras.photo is None


def test_the_photos_hint_and_lines_are_about_the_camera() -> None:
    hud = hud_of(played(AHEAD, Order.photo, Action(left=True)).last, everything())
    assert "K back to the game" in hud.hint
    assert "memory shows" in "\n".join(hud.lines)
    assert not hud.crosshair
    assert hud.minimap is None


def test_a_photo_is_saved_large_and_without_anything_over_it_with_pose_and_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platformdirs, "user_pictures_dir", lambda: str(tmp_path))
    tick = played(AHEAD, Order.photo, Action(left=True, yaw_deg=5.0)).last
    Shown(tick, [Key("f2", True)])
    (path,) = tmp_path.glob("*.png")
    with Image.open(path) as saved:
        assert saved.size == (1920, 1200)
        assert saved.text["worldsim:seed"] == "7"
        assert json.loads(saved.text["worldsim:pose"]) == asdict(tick.observation.pose)
