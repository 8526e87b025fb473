from __future__ import annotations

import threading
from pathlib import Path

import pytest
from fakes_play import DEG_PER_PX, KEYMAP, down, grabbed_controls, up
from hypothesis import given
from hypothesis import strategies as st

from worldsim.errors import ActionError
from worldsim.play.controls import Controls, Demand, Say, Wish
from worldsim.play.keymap import default_keymap
from worldsim.play.keymap_file import load_keymap
from worldsim.play.mailbox import Mailbox, Motion, ScriptedInput
from worldsim.play.menu import Menu
from worldsim.play.menu_pages import Choices
from worldsim.play.orders import Load, Order, SaveAs, Start
from worldsim.play.saves import QUICK
from worldsim.play.window import FileDropped, FocusLost, Key, MouseMoved, Quit, StickMoved
from worldsim.types import MAX_TURN_DEG, Action


def test_a_held_button_is_in_every_action_until_it_is_released() -> None:
    mailbox = Mailbox()
    mailbox.press("forward")
    assert [mailbox.take().action.forward for _ in range(2)] == [True, True]
    mailbox.release("forward")
    assert not mailbox.take().action.forward


def test_a_tap_between_two_ticks_is_in_exactly_one_action() -> None:
    mailbox = Mailbox()
    mailbox.press("jump")
    mailbox.release("jump")
    assert [mailbox.take().action.jump for _ in range(2)] == [True, False]


def test_an_unknown_button_is_refused_by_name() -> None:
    with pytest.raises(ActionError, match="fly"):
        Mailbox().press("fly")


@given(st.lists(st.tuples(st.floats(-500, 500), st.floats(-500, 500)), max_size=20))
def test_the_sum_of_motion_in_is_the_sum_of_motion_in_actions(
    motions: list[tuple[float, float]],
) -> None:
    mailbox = Mailbox()
    actions = []
    for yaw, pitch in motions:
        mailbox.turn(yaw, pitch)
        actions.append(mailbox.take().action)
    for _ in range(60):  # what exceeds 180 degrees a tick comes out later
        actions.append(mailbox.take().action)
    assert sum(a.yaw_deg for a in actions) == pytest.approx(sum(y for y, _ in motions), abs=1e-6)
    assert sum(a.pitch_deg for a in actions) == pytest.approx(sum(p for _, p in motions), abs=1e-6)
    assert all(abs(a.yaw_deg) <= MAX_TURN_DEG for a in actions)


def test_motion_written_by_another_thread_is_not_lost() -> None:
    mailbox = Mailbox()

    def shake() -> None:
        for _ in range(2000):
            mailbox.turn(0.25, -0.5)

    thread = threading.Thread(target=shake)
    thread.start()
    taken = Motion()
    while thread.is_alive() or mailbox.unused(taken) != Motion():
        action = mailbox.take().action
        taken += Motion(action.yaw_deg, action.pitch_deg)
    thread.join()
    assert taken == Motion(500.0, -1000.0)


def test_unused_motion_is_what_no_action_has_had_yet() -> None:
    mailbox = Mailbox()
    mailbox.turn(5.0, 1.0)
    frame = mailbox.take()
    mailbox.turn(2.0, 0.0)
    assert mailbox.unused(frame.used) == Motion(2.0, 0.0)


def test_forgetting_drops_taps_and_waiting_motion() -> None:
    mailbox = Mailbox()
    mailbox.turn(5.0, 1.0)
    mailbox.press("jump")
    mailbox.release("jump")
    used = mailbox.forget()
    assert mailbox.unused(used) == Motion()
    assert mailbox.take().action == Action()


def test_a_script_repeats_and_never_turns_the_view_ahead_of_its_frame() -> None:
    source = ScriptedInput([Action(yaw_deg=3.0), Action(forward=True)])
    taken = [source.take() for _ in range(3)]
    assert [t.action.forward for t in taken] == [False, True, False]
    assert source.unused(taken[-1].used) == Motion()


def test_keys_become_buttons() -> None:
    controls, mailbox = grabbed_controls()
    controls.handle([down("w"), down("left shift"), down("mouse right")], 0.0)
    assert mailbox.take().action == Action(forward=True, sneak=True, use=True)


def test_mouse_motion_turns_only_a_grabbed_view() -> None:
    mailbox = Mailbox()
    controls = Controls(KEYMAP, mailbox)
    controls.handle([MouseMoved(10, 5)], 0.0)
    assert mailbox.take().action == Action()
    controls.handle([down("mouse left"), MouseMoved(10, 5)], 0.0)
    assert mailbox.take().action == Action(yaw_deg=10 * DEG_PER_PX, pitch_deg=5 * DEG_PER_PX)


def test_the_click_that_takes_the_mouse_is_no_attack_and_the_next_one_is() -> None:
    mailbox = Mailbox()
    controls = Controls(KEYMAP, mailbox)
    controls.handle([down("mouse left"), up("mouse left")], 0.0)
    assert controls.grabbed
    assert not mailbox.take().action.attack
    controls.handle([down("mouse left"), up("mouse left")], 0.0)
    assert mailbox.take().action.attack


def test_arrow_keys_turn_by_time() -> None:
    controls, mailbox = grabbed_controls()
    controls.handle([down("right"), down("up")], 0.05)
    controls.handle([], 0.05)
    controls.handle([up("right"), up("up")], 0.05)
    controls.handle([], 0.05)
    turned = mailbox.take().action
    step = 3 * 0.05 * KEYMAP.look.keys_deg_per_s
    assert (turned.yaw_deg, turned.pitch_deg) == pytest.approx((step, -step))


def test_a_stall_does_not_turn_a_held_arrow_key_far() -> None:
    controls, mailbox = grabbed_controls()
    controls.handle([down("right")], 5.0)
    assert mailbox.take().action.yaw_deg <= 0.1 * KEYMAP.look.keys_deg_per_s


def test_escape_frees_the_mouse_and_opens_the_menu_and_again_goes_on() -> None:
    controls, _ = grabbed_controls()
    assert controls.handle([down("escape"), up("escape")], 0.0) == [Order.pause]
    assert (controls.menu.is_open, controls.paused, controls.grabbed) == (True, True, False)
    assert controls.handle([down("escape"), up("escape")], 0.0) == [Order.resume]
    assert (controls.menu.is_open, controls.paused, controls.grabbed) == (False, False, True)


def test_in_the_menu_no_input_reaches_the_world() -> None:
    controls, mailbox = grabbed_controls()
    controls.handle([down("w"), down("escape"), up("escape")], 0.0)
    controls.handle([down("a"), MouseMoved(9, 9), StickMoved("right", 1, 0)], 0.1)
    assert mailbox.take().action == Action()


def test_choosing_a_world_in_the_menu_starts_it_and_goes_on() -> None:
    controls = Controls(KEYMAP, Mailbox(), Menu(Choices(seed=5, scenes=("snow",))))
    taps = [down(key) for key in ("escape", "down", "return", "down", "down", "right", "return")]
    assert controls.handle(taps, 0.0) == [Order.pause, Start(seed=5, scene="snow"), Order.resume]
    assert not controls.menu.is_open


def test_a_setting_changed_in_the_menu_holds_at_once_and_is_saved() -> None:
    controls, _ = grabbed_controls()
    taps = [down(key) for key in ("escape", "down", "down", "down", "return", "right")]
    assert controls.handle(taps, 0.0) == [Order.pause, Wish.save_keymap]
    assert controls.keymap.look.mouse_deg_per_px == pytest.approx(DEG_PER_PX + 0.01)


def test_quitting_from_the_menu() -> None:
    controls, _ = grabbed_controls()
    assert controls.handle([down(k) for k in ("escape", "up", "return")], 0.0)[-1] is Wish.quit


def test_a_picture_of_the_menu_can_be_taken() -> None:
    controls, _ = grabbed_controls()
    assert controls.handle([down("escape"), down("f2")], 0.0)[-1] is Wish.take_screenshot


def test_a_picture_dropped_onto_the_window_is_a_world_to_begin_in() -> None:
    controls, _ = grabbed_controls()
    (start,) = controls.handle([FileDropped(Path("photo.jpg"))], 0.0)
    assert start == Start(seed=0, image=Path("photo.jpg"))
    assert controls.grabbed


def test_pausing_lets_go_of_held_keys_and_takes_no_input() -> None:
    controls, mailbox = grabbed_controls()
    controls.handle([down("w"), down("p")], 0.0)
    controls.handle([down("a"), MouseMoved(9, 9), down("left")], 0.1)
    assert mailbox.take().action == Action()


def test_resuming_with_the_pause_key_takes_the_mouse_again() -> None:
    controls, _ = grabbed_controls()
    demands = controls.handle([down("p"), up("p"), down("p"), up("p")], 0.0)
    assert demands == [Order.pause, Order.resume]
    assert controls.grabbed


def test_a_click_resumes_and_takes_the_mouse() -> None:
    controls, _ = grabbed_controls()
    controls.handle([down("p")], 0.0)
    assert controls.handle([down("mouse left")], 0.0) == [Order.resume]
    assert controls.grabbed


def test_losing_the_keyboard_lets_go_of_everything() -> None:
    controls, mailbox = grabbed_controls()
    controls.handle([down("w"), FocusLost()], 0.0)
    assert mailbox.take().action == Action()
    assert not controls.grabbed


@pytest.mark.parametrize(
    ("key", "demand"),
    [
        ("r", Order.reset),
        ("tab", Order.switch_world),
        ("f1", Wish.toggle_hud),
        ("f2", Wish.take_screenshot),
        ("f3", Wish.toggle_debug),
        ("f11", Wish.toggle_fullscreen),
        ("t", Order.twin),
        ("k", Order.photo),
        ("m", Order.hand_over),
        ("b", Order.branch),
        ("page down", Order.next_branch),
        ("page up", Order.previous_branch),
        ("f5", SaveAs(QUICK)),
        ("f6", SaveAs()),
        ("f9", Load(QUICK)),
        ("pad right shoulder", Order.branch),
        ("pad right", Order.next_branch),
        ("pad left", Order.previous_branch),
        ("pad y", SaveAs(QUICK)),
        ("pad x", Load(QUICK)),
    ],
)
def test_command_keys(key: str, demand: Demand) -> None:
    controls, _ = grabbed_controls()
    assert controls.handle([down(key)], 0.0) == [demand]


def test_time_goes_back_while_its_key_is_held_and_on_when_it_is_let_go() -> None:
    controls, _ = grabbed_controls()
    assert controls.handle([down("backspace")], 0.0) == [Order.rewind]
    assert controls.handle([], 0.0) == []
    assert controls.handle([up("backspace")], 0.0) == [Order.go_on]
    assert controls.handle([down("backspace"), up("backspace")], 0.0) == [Order.rewind, Order.go_on]


@pytest.mark.parametrize(
    ("event", "demands"),
    [(FocusLost(), []), (down("p"), [Order.pause]), (down("pad start"), [Order.pause])],
)
def test_time_goes_on_when_the_key_can_no_longer_be_seen(
    event: FocusLost | Key, demands: list[Demand]
) -> None:
    controls, _ = grabbed_controls()
    controls.handle([down("pad left shoulder")], 0.0)
    assert controls.handle([event], 0.0) == [*demands, Order.go_on]
    assert controls.handle([up("pad left shoulder")], 0.0) == []


@pytest.mark.parametrize(("key", "order"), [("t", Order.twin), ("k", Order.photo)])
def test_twin_and_photo_go_on_with_a_paused_game(key: str, order: Order) -> None:
    controls, _ = grabbed_controls()
    controls.handle([down("p"), up("p")], 0.0)
    assert controls.handle([down(key)], 0.0) == [Order.resume, order]
    assert controls.grabbed


def test_closing_the_window_quits() -> None:
    controls, _ = grabbed_controls()
    assert controls.handle([Quit()], 0.0) == [Wish.quit]


def test_two_keys_of_one_button_release_it_with_the_last(tmp_path: Path) -> None:
    path = tmp_path / "keymap.toml"
    path.write_text('[buttons]\nforward = ["w", "i"]\n')
    mailbox = Mailbox()
    controls = Controls(load_keymap(path).keymap, mailbox)
    controls.handle([down("w"), down("i"), up("w")], 0.0)
    mailbox.take()
    assert mailbox.take().action.forward
    controls.handle([up("i")], 0.0)
    assert not mailbox.take().action.forward


def test_n_pauses_and_each_time_lets_one_tick_pass_with_what_is_held() -> None:
    mailbox = Mailbox()
    controls = Controls(default_keymap(), mailbox)
    pressed, step = [Key("w", down=True)], [Key("n", down=True), Key("n", down=False)]
    controls.handle(pressed, 0.02)
    assert controls.handle(step, 0.02) == [Order.pause, Order.step]
    assert mailbox.take().action == Action(forward=True)
    assert controls.handle(step, 0.02) == [Order.step]
    assert mailbox.take().action == Action(forward=True)
    controls.handle([Key("w", down=False)], 0.02)
    assert controls.handle(step, 0.02) == [Order.step]
    assert mailbox.take().action == Action()
    assert controls.handle([Key("p", down=True)], 0.02) == [Order.resume]


def test_what_is_held_in_a_paused_game_is_let_go_when_the_menu_opens() -> None:
    mailbox = Mailbox()
    controls = Controls(default_keymap(), mailbox)
    controls.handle([Key("w", down=True), Key("n", down=True)], 0.02)
    controls.handle([Key("escape", down=True), Key("w", down=False)], 0.02)
    assert mailbox.held() == set()


def test_sound_is_switched_by_its_key_and_it_is_told() -> None:
    controls = Controls(default_keymap(), Mailbox())
    assert controls.handle([Key("v", down=True)], 0.02) == [Say("Sound is off")]
    assert not controls.keymap.hearing.sound
    assert controls.handle([Key("v", down=True)], 0.02) == [Say("Sound is on")]
