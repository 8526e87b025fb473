"""Sticks of a gamepad: walking, turning, dead zones."""

from __future__ import annotations

import pytest
from fakes_play import DEG_PER_PX, KEYMAP, down, grabbed_controls, up
from hypothesis import given
from hypothesis import strategies as st

from worldsim.play.controls import Controls
from worldsim.play.mailbox import Mailbox
from worldsim.play.sticks import Deflection, shaped, walked
from worldsim.play.window import FocusLost, MouseMoved, StickMoved
from worldsim.types import Action


def test_the_left_stick_walks_in_eight_directions_and_stops() -> None:
    controls, mailbox = grabbed_controls()
    controls.handle([StickMoved("left", 0.0, -1.0)], 0.0)
    assert mailbox.take().action == Action(forward=True)
    controls.handle([StickMoved("left", 0.7, -0.7)], 0.0)
    mailbox.take()
    assert mailbox.take().action == Action(forward=True, right=True)
    controls.handle([StickMoved("left", 0.0, 0.0)], 0.0)
    mailbox.take()
    assert mailbox.take().action == Action()


def test_a_key_held_beside_the_stick_keeps_its_button_down() -> None:
    controls, mailbox = grabbed_controls()
    controls.handle([down("w"), StickMoved("left", 0.0, -1.0)], 0.0)
    for release in (StickMoved("left", 0.0, 0.0), StickMoved("left", 0.0, -1.0), up("w")):
        controls.handle([release], 0.0)
        mailbox.take()
        assert mailbox.take().action.forward


def test_the_right_stick_turns_by_time_and_sums_like_the_mouse() -> None:
    controls, mailbox = grabbed_controls()
    controls.handle([StickMoved("right", 1.0, 0.0)], 0.05)
    controls.handle([MouseMoved(10, 0)], 0.05)
    controls.handle([StickMoved("right", 0.0, 0.0)], 0.05)
    turned = mailbox.take().action
    assert turned.yaw_deg == pytest.approx(0.1 * KEYMAP.pad.deg_per_s + 10 * DEG_PER_PX)


def test_axes_of_mouse_and_pad_can_be_swapped_apart() -> None:
    keymap = KEYMAP.with_setting("look", "invert_x", True).with_setting("pad", "invert_y", True)
    mailbox = Mailbox()
    controls = Controls(keymap, mailbox)
    controls.handle([down("mouse left"), MouseMoved(10, 10)], 0.0)
    assert mailbox.take().action == Action(yaw_deg=-10 * DEG_PER_PX, pitch_deg=10 * DEG_PER_PX)
    controls.handle([StickMoved("right", 0.0, 1.0)], 0.05)
    assert mailbox.take().action.pitch_deg == pytest.approx(-0.05 * KEYMAP.pad.deg_per_s)


def test_losing_the_keyboard_centres_the_sticks() -> None:
    controls, mailbox = grabbed_controls()
    controls.handle([StickMoved("left", 0, -1), StickMoved("right", 1, 0), FocusLost()], 0.1)
    controls.handle([], 0.1)
    assert mailbox.take().action == Action()


def test_a_stick_in_its_dead_zone_neither_turns_nor_walks() -> None:
    assert shaped(Deflection(0.1, 0.1), dead_zone=0.15, curve=1.8) == Deflection()
    assert walked(Deflection(0.2, 0.2), frozenset(), dead_zone=0.15) == frozenset()


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(0, 0.6), st.floats(1, 4))
def test_shaping_keeps_the_direction_and_ends_at_one(
    x: float, y: float, dead_zone: float, curve: float
) -> None:
    raw = Deflection(x, y)
    out = shaped(raw, dead_zone=dead_zone, curve=curve)
    assert out.length <= 1 + 1e-9
    assert out.x * raw.y == pytest.approx(out.y * raw.x, abs=1e-9)
    assert shaped(Deflection(1.0, 0.0), dead_zone=dead_zone, curve=curve).x == pytest.approx(1)


def test_a_walking_stick_does_not_stutter_at_its_threshold() -> None:
    walking = walked(Deflection(0.0, -0.4), frozenset(), dead_zone=0.15)
    assert walked(Deflection(0.0, -0.3), walking, dead_zone=0.15) == walking
    assert walked(Deflection(0.0, -0.3), frozenset(), dead_zone=0.15) == frozenset()
