from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worldsim.errors import ActionError
from worldsim.play.controls import Controls, Wish
from worldsim.play.keymap import TARGETS, Command, default_keymap, load_keymap
from worldsim.play.mailbox import Mailbox, Motion, ScriptedInput
from worldsim.play.window import FocusLost, Key, MouseMoved, Quit
from worldsim.types import BUTTONS, MAX_TURN_DEG, Action

KEYMAP = default_keymap()
DEG_PER_PX = KEYMAP.look.mouse_deg_per_px


def down(key: str) -> Key:
    return Key(key, down=True)


def up(key: str) -> Key:
    return Key(key, down=False)


def grabbed_controls() -> tuple[Controls, Mailbox]:
    mailbox = Mailbox()
    controls = Controls(KEYMAP, mailbox)
    controls.handle([down("mouse left"), up("mouse left")], 0.0)
    return controls, mailbox


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


def test_escape_pauses_and_frees_the_mouse_and_then_quits() -> None:
    controls, _ = grabbed_controls()
    assert controls.handle([down("escape"), up("escape")], 0.0) == [Wish.pause]
    assert (controls.paused, controls.grabbed) == (True, False)
    assert controls.handle([down("escape")], 0.0) == [Wish.quit]


def test_pausing_lets_go_of_held_keys_and_takes_no_input() -> None:
    controls, mailbox = grabbed_controls()
    controls.handle([down("w"), down("p")], 0.0)
    controls.handle([down("a"), MouseMoved(9, 9), down("left")], 0.1)
    assert mailbox.take().action == Action()


def test_resuming_with_the_pause_key_takes_the_mouse_again() -> None:
    controls, _ = grabbed_controls()
    wishes = controls.handle([down("p"), up("p"), down("p"), up("p")], 0.0)
    assert wishes == [Wish.pause, Wish.resume]
    assert controls.grabbed


def test_a_click_resumes_and_takes_the_mouse() -> None:
    controls, _ = grabbed_controls()
    controls.handle([down("escape")], 0.0)
    assert controls.handle([down("mouse left")], 0.0) == [Wish.resume]
    assert controls.grabbed


def test_losing_the_keyboard_lets_go_of_everything() -> None:
    controls, mailbox = grabbed_controls()
    controls.handle([down("w"), FocusLost()], 0.0)
    assert mailbox.take().action == Action()
    assert not controls.grabbed


@pytest.mark.parametrize(
    ("key", "wish"),
    [
        ("r", Wish.reset),
        ("tab", Wish.switch_world),
        ("f1", Wish.toggle_hud),
        ("f2", Wish.take_screenshot),
        ("f3", Wish.toggle_debug),
        ("f11", Wish.toggle_fullscreen),
        ("b", Wish.branch),
        ("page down", Wish.next_branch),
        ("page up", Wish.previous_branch),
        ("f5", Wish.quick_save),
        ("f6", Wish.save),
        ("f9", Wish.quick_load),
    ],
)
def test_command_keys(key: str, wish: Wish) -> None:
    controls, _ = grabbed_controls()
    assert controls.handle([down(key)], 0.0) == [wish]


def test_time_goes_back_while_its_key_is_held_and_on_when_it_is_let_go() -> None:
    controls, _ = grabbed_controls()
    assert controls.handle([down("backspace")], 0.0) == [Wish.rewind]
    assert controls.handle([], 0.0) == []
    assert controls.handle([up("backspace")], 0.0) == [Wish.go_on]
    assert controls.handle([down("backspace"), up("backspace")], 0.0) == [Wish.rewind, Wish.go_on]


@pytest.mark.parametrize(("event", "wishes"), [(FocusLost(), []), (down("p"), [Wish.pause])])
def test_time_goes_on_when_the_key_can_no_longer_be_seen(
    event: FocusLost | Key, wishes: list[Wish]
) -> None:
    controls, _ = grabbed_controls()
    controls.handle([down("backspace")], 0.0)
    assert controls.handle([event], 0.0) == [*wishes, Wish.go_on]
    assert controls.handle([up("backspace")], 0.0) == []


def test_closing_the_window_quits() -> None:
    controls, _ = grabbed_controls()
    assert controls.handle([Quit()], 0.0) == [Wish.quit]


def test_two_keys_of_one_button_release_it_with_the_last(tmp_path: Path) -> None:
    path = tmp_path / "keymap.toml"
    path.write_text('[buttons]\nforward = ["w", "i"]\n')
    mailbox = Mailbox()
    controls = Controls(load_keymap(path), mailbox)
    controls.handle([down("w"), down("i"), up("w")], 0.0)
    mailbox.take()
    assert mailbox.take().action.forward
    controls.handle([up("i")], 0.0)
    assert not mailbox.take().action.forward


def test_the_bundled_keymap_has_a_key_for_everything() -> None:
    for target in (*BUTTONS, *TARGETS["turns"], *(command.name for command in Command)):
        assert KEYMAP.keys_of(target), target


def test_a_missing_user_keymap_means_the_default_one(tmp_path: Path) -> None:
    assert load_keymap(tmp_path / "none.toml") == KEYMAP


def test_a_rebound_target_leaves_its_old_key_and_takes_a_used_one(tmp_path: Path) -> None:
    path = tmp_path / "keymap.toml"
    path.write_text('[buttons]\njump = ["R"]\n[look]\nmouse_deg_per_px = 1\ninvert_y = true\n')
    keymap = load_keymap(path)
    assert keymap.keys_of("jump") == ("r",)
    assert keymap.keys_of("reset") == ()
    assert (keymap.look.mouse_deg_per_px, keymap.look.invert_y) == (1.0, True)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[buttons\n", "cannot be read"),
        ('[buttons]\nfly = ["f"]\n', "buttons.fly"),
        ("[buttons]\nforward = 3\n", "buttons.forward"),
        ("[buttons]\nforward = [3]\n", "buttons.forward"),
        ('buttons = "w"\n', "buttons"),
        ("look = 1\n", "look"),
        ("[look]\nmouse_deg_per_px = -1.0\n", "look.mouse_deg_per_px"),
        ('[look]\ninvert_y = "yes"\n', "look.invert_y"),
        ("[look]\nspeed = 1.0\n", "look.speed"),
        ("[keys]\n", "keys"),
    ],
)
def test_a_line_that_makes_no_sense_is_logged_and_the_default_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str, named: str
) -> None:
    path = tmp_path / "keymap.toml"
    path.write_text(text)
    assert load_keymap(path) == KEYMAP
    assert named in caplog.text


def test_a_key_that_no_keyboard_has_leaves_the_default(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "keymap.toml"
    path.write_text('[buttons]\njump = ["spcae"]\n')
    keymap = load_keymap(path, knows_key=lambda name: name != "spcae")
    assert keymap == KEYMAP
    assert "spcae" in caplog.text


def test_a_key_bound_twice_keeps_its_first_meaning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "keymap.toml"
    path.write_text('[buttons]\njump = ["x"]\nuse = ["x", "v"]\n')
    keymap = load_keymap(path)
    assert (keymap.target_of["x"], keymap.target_of["v"]) == ("jump", "use")
    assert "already" in caplog.text
