"""The overlays: what the memory looks like from above, what it recalled, which keys are held."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pygame
import pytest
from dreams import begun, walk
from fakes_play import FakePlayWorld
from players import AHEAD, KEYMAP, Shown, everything, hud_of, played

from worldsim.camera import Intrinsics
from worldsim.memory.keyframe import Keyframe
from worldsim.play.controls import Controls
from worldsim.play.hud import Hud
from worldsim.play.hud_painter import HudPainter
from worldsim.play.keymap import OVERLAY_KEYS
from worldsim.play.mailbox import Mailbox
from worldsim.play.orders import Order
from worldsim.play.overlays import CAPS
from worldsim.play.overview import Surveyor, minimap
from worldsim.play.photo import PhotoCamera
from worldsim.play.tick import Phase
from worldsim.play.window import Key, MouseMoved
from worldsim.types import Action, Pose

SIZES = [(1280, 720), (1920, 1080), (640, 400)]


def test_the_overlays_are_off_until_asked_for_and_each_has_its_own_key() -> None:
    tick = played(*[AHEAD] * 4).last
    hud = hud_of(tick)
    assert (hud.minimap, hud.recalled, hud.keys, hud.recent_ms) == (None, (), (), ())
    controls = Controls(KEYMAP, Mailbox())
    for command, field in zip(
        OVERLAY_KEYS, ("recent_ms", "minimap", "recalled", "keys"), strict=True
    ):
        (key, *_) = KEYMAP.keys_of(command.name, on_pad=False)
        controls.handle([Key(key, True), Key(key, False)], 0.0)
        assert getattr(hud_of(tick, controls.keymap), field)
        controls.handle([Key(key, True), Key(key, False)], 0.0)
        assert not getattr(hud_of(tick, controls.keymap), field)


@pytest.mark.parametrize(
    ("name", "part"), [("seed", "seed 7"), ("rates", "fps"), ("latency", "tick"), ("pose", "x ")]
)
def test_each_line_has_its_own_switch(name: str, part: str) -> None:
    tick = played(AHEAD).last
    without = KEYMAP.with_setting("overlays", name, False)
    assert any(part in line for line in hud_of(tick).lines)
    assert not any(part in line for line in hud_of(tick, without).lines)


def test_a_hidden_display_hides_the_overlays_too() -> None:
    hud = hud_of(played(AHEAD).last, everything(), visible=False)
    assert hud == Hud()


def test_while_time_goes_back_the_overlays_of_the_present_are_hidden() -> None:
    tick = replace(played(AHEAD).last, phase=Phase.rewinding)
    hud = hud_of(tick, everything())
    assert (hud.minimap, hud.recalled, hud.keys) == (None, (), ())


def test_the_pressed_keys_are_those_of_the_ticks_action() -> None:
    tick = played(Action(forward=True, jump=True)).last
    caps = hud_of(tick, everything()).keys
    assert {cap.label for cap in caps if cap.down} == {"W", "Space"}
    assert len(caps) == len(CAPS)


def test_the_recalled_pictures_are_those_of_the_last_step() -> None:
    player = played(AHEAD, AHEAD)
    recalled = player.last.extras.overview.recalled
    asked = player.worlds["dream"].recalled
    assert recalled
    assert all(one.rgb is key.rgb for one, key in zip(recalled, asked, strict=True))
    assert recalled[0].caption.startswith("seen")  # at the start; a dream does not go before that
    assert any(one.caption.startswith("dreamed") for one in recalled)  # the step before


def test_an_engine_tells_what_it_dreamed_from() -> None:
    engine = begun()
    assert not engine.recalled
    walk(engine, [Action(yaw_deg=10.0)])
    known = {id(one) for one in engine.memory.keyframes}
    assert engine.recalled
    assert all(id(one) in known for one in engine.recalled)


def test_looking_at_an_engine_changes_none_of_its_dreams() -> None:
    watched, alone = begun(), begun()
    surveyor = Surveyor()
    for action in [Action(forward=True, yaw_deg=20.0)] * 3:
        ours = watched.step(action).observation
        theirs = alone.step(action).observation
        surveyor.survey(watched, ours.pose, action)
        PhotoCamera(watched.memory, ours).step(Action(left=True))
        assert np.array_equal(ours.rgb, theirs.rgb)
    assert list(watched.memory.snapshot().used) == list(alone.memory.snapshot().used)


def keyframe(pose: Pose) -> Keyframe:
    return Keyframe(np.zeros((20, 32, 3), np.uint8), np.ones((20, 32), np.float16), pose, 0, 1.0)


def test_on_the_map_north_is_up_and_what_was_recalled_is_marked() -> None:
    east, south = keyframe(Pose(4.0, 0, 0, 90.0)), keyframe(Pose(0, 0, 2.0, 180.0))
    eye = Pose(0.0, 5.0, 0.0, 0.0)
    chart = minimap(eye, [east, south], [south], [Pose(0, 0, 4.0)], Intrinsics())
    first, second = chart.marks
    assert (first.x, first.y, second.x, second.y) == (0.5, 0.0, 0.0, 0.25)
    assert (first.dx, first.dy) == pytest.approx((1.0, 0.0))
    assert (second.dx, second.dy) == pytest.approx((0.0, 1.0), abs=1e-9)
    assert [mark.recalled for mark in chart.marks] == [False, True]
    assert chart.path == ((0.0, 0.5), (0.0, 0.0))
    assert (chart.camera.dx, chart.camera.dy) == pytest.approx((0.0, -1.0))


def test_the_map_reaches_as_far_as_the_memory_and_no_farther_than_its_last_step() -> None:
    def reach_m(distance_m: float) -> float:
        far = keyframe(Pose(distance_m, 0, 0))
        return minimap(Pose(0, 0, 0), [far], [], [], Intrinsics()).reach_m

    assert [reach_m(one) for one in (1.0, 7.9, 8.1, 20.0, 500.0)] == [8, 8, 16, 32, 32]


def test_the_path_has_a_step_each_half_metre_and_begins_anew_after_a_jump() -> None:
    surveyor, world = Surveyor(), FakePlayWorld()

    def path(x: float) -> int:
        return len(surveyor.survey(world, Pose(x, 0, 0), Action()).minimap.path)

    assert [path(x) for x in (0.0, 0.2, 0.6, 1.2, 9.0)] == [2, 2, 3, 4, 2]


def test_a_look_is_timed_from_the_motion_to_the_view(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Shown(played(AHEAD).last, [Key("mouse left", True)])
    monkeypatch.setattr(shown.window, "present", lambda _: shown.clock.spend(0.012))
    monkeypatch.setattr(shown.window, "poll", lambda: [MouseMoved(9.0, 0.0)])
    views = []
    shown.display.refresh()
    shown.clock.spend(0.3)
    monkeypatch.setattr(shown.window, "present", views.append)
    shown.display.refresh()
    assert any("look 12.0 ms" in line for line in views[-1].hud.lines)


@pytest.mark.parametrize("size", SIZES)
def test_every_screen_is_painted_without_a_display_at_any_size(size: tuple[int, int]) -> None:
    painter = HudPainter()
    twins = played(Order.twin, *[AHEAD] * 3).last
    walked = played(*[AHEAD] * 8).last
    keys, chart, words = (0.0, 0.2, 0.7, 0.9), (0.82, 1.0, 0.6, 0.9), (0.52, 0.7, 0.5, 0.7)
    for tick, box in ((walked, keys), (walked, chart), (twins, words)):
        screen = pygame.Surface(size)
        painter.paint(screen, hud_of(tick, everything()))
        painted = pygame.surfarray.array3d(screen).any(axis=2)
        left, right = round(box[0] * size[0]), round(box[1] * size[0])
        top, bottom = round(box[2] * size[1]), round(box[3] * size[1])
        assert painted[left:right, top:bottom].mean() > 0.1
