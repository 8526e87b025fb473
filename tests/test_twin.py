"""The twin view: a dream beside the truth, under the same actions."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dreams import make_engine, same
from fakes_play import FakeRememberer, FakeTruth
from players import AHEAD, ASIDE, Shown, hud_of, played

from worldsim.engine.engine import WorldEngine
from worldsim.errors import SceneError
from worldsim.play import twin
from worldsim.play.loop import LoopConfig
from worldsim.play.orders import Order, Start
from worldsim.play.stage import Stage
from worldsim.play.timeline import RewindConfig
from worldsim.play.twin_picture import compared, heat_map
from worldsim.play.window import Key, MouseMoved
from worldsim.record.format import WorldInfo
from worldsim.record.worlds import MadeWorld
from worldsim.types import Action, Pose


def test_a_twin_walks_the_dreams_actions_from_its_seed_and_then_leads() -> None:
    player = played(*[AHEAD] * 5, Order.twin, *[ASIDE] * 3, dream=FakeRememberer(drift_m=0.1))
    alone = FakeTruth()
    alone.reset(seed=7)
    for action in [AHEAD] * 5 + [ASIDE] * 3:
        alone.advance(action)
    shot = player.last.extras.twin
    assert shot is not None
    assert shot.pose == player.last.observation.pose == alone.pose
    assert player.worlds["real"].walked_ticks == 8
    assert shot.jump_m == pytest.approx(0.5, abs=1e-3)


def test_a_twin_measures_what_the_dream_gets_wrong_on_pixels_it_was_shown() -> None:
    player = played(AHEAD, Order.twin, *[AHEAD] * 3, dream=FakeRememberer(grey_levels=8))
    shot = player.last.extras.twin
    assert shot.psnr_db == pytest.approx(10 * math.log10(255**2 / 8**2), abs=0.3)
    assert 0.5 < shot.seen <= 1.0
    assert len(shot.recent_db) == 3


def test_what_was_never_shown_counts_for_nothing() -> None:
    away = Action(yaw_deg=180.0)
    shot = played(Order.twin, replace(away), dream=FakeRememberer()).last.extras.twin
    assert shot.seen < 0.2


def test_the_same_key_shuts_the_twin_and_the_dream_goes_on_by_itself() -> None:
    dream = FakeRememberer(drift_m=0.1)
    player = played(Order.twin, AHEAD, Order.twin, AHEAD, dream=dream)
    assert player.last.extras.twin is None
    assert player.worlds["real"].walked_ticks == 1


def test_a_restart_begins_both() -> None:
    player = played(*[AHEAD] * 4, Order.twin, AHEAD, Order.reset, AHEAD)
    assert player.worlds["real"].walked_ticks == 1
    assert player.last.extras.twin.jump_m == 0.0


def test_a_twin_opened_again_has_walked_all_of_the_way() -> None:
    player = played(AHEAD, Order.twin, AHEAD, Order.twin, *[ASIDE] * 3, Order.twin, AHEAD)
    assert player.worlds["real"].walked_ticks == 6


def test_a_look_at_the_real_world_in_between_changes_no_twin() -> None:
    switch = Order.switch_world
    steps = [AHEAD, AHEAD, switch, ASIDE, switch, Order.twin, AHEAD]
    shot = played(*steps, dream=FakeRememberer()).last.extras.twin
    assert shot is not None
    assert shot.jump_m == 0.0


def test_the_player_is_told_that_the_real_world_has_no_twin() -> None:
    player = played(Order.twin, AHEAD, config=LoopConfig(world="real", seed=7))
    assert "Switch to the dream" in player.said[0]
    assert player.last.extras.twin is None


def test_the_player_is_told_that_a_dream_from_a_picture_has_no_twin() -> None:
    config = LoopConfig(world="dream", seed=7, image=Path("photo.jpg"))
    player = played(AHEAD, Order.twin, AHEAD, config=config)
    assert "began in a picture" in player.said[0]
    assert player.last.extras.twin is None
    assert player.last.extras.seed is None


def begun(dream: WorldEngine | FakeRememberer, origin: Start) -> tuple[Stage, twin.Twin]:
    """A dream on a stage, and its twin, not yet open."""
    stage = Stage(MadeWorld(dream, WorldInfo(kind="dream", version="1")), RewindConfig())
    stage.start(origin)
    one = twin.Twin(lambda _: FakeTruth().made())
    one.begin(stage)
    return stage, one


def test_a_dream_that_went_back_leaves_its_twin_until_a_restart() -> None:
    stage, one = begun(make_engine(), Start(seed=3))
    one.open(stage)
    for _ in range(3):
        one.step(stage, Action())
    stage.halt()
    stage.go_back()
    stage.go_on()
    assert not one.follows(stage)
    one.step(stage, AHEAD)
    assert not one.is_open
    with pytest.raises(SceneError, match="Restart"):
        one.open(stage)


def test_a_led_dream_that_went_back_is_led_again() -> None:
    stage, one = begun(make_engine(), Start(seed=3))
    for action in (AHEAD, AHEAD):
        one.step(stage, action)
    one.open(stage)
    led = [one.step(stage, AHEAD).observation for _ in range(4)]
    stage.halt()
    stage.go_back()
    stage.go_on()
    assert same(stage.observation, led[2])


def test_an_order_back_in_time_shuts_the_twin() -> None:
    player = played(AHEAD, Order.twin, AHEAD, Order.rewind, Order.go_on, AHEAD)
    assert any("left its twin behind" in said for said in player.said)
    assert player.last.extras.twin is None


def test_a_past_too_long_to_be_walked_again_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twin, "MAX_TICKS", 3)
    player = played(*[AHEAD] * 4, Order.twin, AHEAD)
    assert "at most 3 ticks" in player.said[0]


def test_a_twin_open_for_too_long_is_shut_and_the_player_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(twin, "MAX_TICKS", 3)
    player = played(Order.twin, *[AHEAD] * 6)
    assert player.last.extras.twin is None
    assert "left its twin behind" in player.said[-1]


def test_the_graph_of_the_difference_forgets_its_oldest_ticks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(twin, "RECENT", 3)
    shot = played(Order.twin, *[AHEAD] * 5).last.extras.twin
    assert len(shot.recent_db) == 3
    assert shot.recent_db[-1] == shot.psnr_db


def test_every_world_is_closed() -> None:
    player = played(AHEAD, Order.twin, AHEAD)
    assert (player.worlds["real"].closed, player.worlds["dream"].closed) == (1, 1)


def test_the_heat_map_is_black_where_both_agree_and_hot_where_they_do_not() -> None:
    dream, truth = np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2, 3), np.uint8)
    dream[0, 1] = dream[1, 1] = 255
    seen = np.array([[True, True], [False, False]])
    heat = heat_map(dream, truth, seen).astype(int)
    assert heat[0, 0].max() < 10
    assert heat[0, 1].min() > 150
    assert (heat[1, :, 2] > heat[1, :, 0]).all()


def test_equal_frames_have_no_difference_and_nothing_seen_has_no_number() -> None:
    frame, none = np.full((4, 6, 3), 9, np.uint8), np.zeros((4, 6), np.bool_)
    shot = compared(frame, frame, none, Pose(0, 0, 0), jump_m=0.0)
    assert math.isnan(shot.psnr_db)
    assert math.isinf(shot.whole_db)
    assert shot.picture.shape == (8, 12, 3)


def test_the_twins_words_take_the_place_of_what_would_hide_a_picture() -> None:
    hud = hud_of(played(Order.twin, AHEAD).last)
    assert not hud.lines
    assert not hud.crosshair
    assert "on seen pixels" in hud.twin.heading
    assert "seed 7" in "\n".join(hud.twin.lines)


def test_the_twin_is_shown_as_it_was_drawn_however_the_mouse_moves() -> None:
    tick = played(Order.twin, AHEAD).last
    moved = [Key("mouse left", True), MouseMoved(80.0, 0.0)]
    view = Shown(tick, moved, []).window.views[-1]
    assert view.rgb is tick.extras.twin.picture
    assert np.array_equal(view.frame_from_view, np.eye(3))


def test_a_true_world_of_another_camera_is_fitted_to_the_dream() -> None:
    stage, one = begun(make_engine(), Start(seed=3))
    one.open(stage)
    seen = one.step(stage, AHEAD).observation
    assert one.shot.picture.shape == (2 * seen.rgb.shape[0], 2 * seen.rgb.shape[1], 3)
    assert one.shot.pose == seen.pose
