"""The menu as a state: what keyboard, mouse and gamepad do in it, and what it would draw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pygame
import pytest

from worldsim.play.hud import Hud, HudMode, compose_hud
from worldsim.play.hud_painter import HudPainter
from worldsim.play.keymap import TARGETS, Keymap, default_keymap
from worldsim.play.menu import Menu
from worldsim.play.menu_pages import Choices, Page, Reply
from worldsim.play.menu_screen import Row, Screen, Step, boxes_of, hidden, moved, scrolled
from worldsim.play.orders import Load, SaveAs, Start
from worldsim.play.save_file import Preview, SaveInfo
from worldsim.play.sticks import Deflection
from worldsim.play.window import Key, PointerAt, StickMoved
from worldsim.record.format import WorldInfo

KEYMAP = default_keymap()
SCENES = ("canyon", "desert", "forest", "meadow", "snow")
SAVED = Preview(
    Path("/games/hill.wsave"),
    SaveInfo(
        world=WorldInfo(kind="dream", version="hash", seed=31, scene="snow"),
        tick=12,
        saved_at="2026-01-02T03:04:05+00:00",
    ),
    np.linspace(0, 255, 80 * 128 * 3).astype(np.uint8).reshape(80, 128, 3),
)
SIZES = [(1280, 720), (1920, 1080), (640, 400), (500, 900)]


class Hand:
    """A player in a menu, and the keymap as it has become."""

    def __init__(self, page: Page = Page.main, keymap: Keymap = KEYMAP) -> None:
        self.keymap = keymap
        self.saves = [SAVED]
        self.menu = Menu(
            Choices(
                seed=7, scenes=SCENES, draw_seed=lambda: 123, list_saves=lambda: list(self.saves)
            )
        )
        self.menu.open()
        if page is not Page.main:
            self.tap(*["down"] * list(Page).index(page), "return")

    def tap(self, *keys: str) -> Reply:
        """Press and release keys one after another; returns what the last one led to."""
        reply = Reply()
        for key in keys:
            reply = self._done(self.menu.handle(Key(key, down=True), self.keymap))
            self._done(self.menu.handle(Key(key, down=False), self.keymap))
        return reply

    def point(self, label: str, across: float = 0.2, window: tuple[int, int] = (1280, 720)) -> None:
        """Move the mouse over the row of this name."""
        screen = self.screen()
        row = next(n for n, row in enumerate(screen.rows) if row.label == label)
        box = next(box for box in boxes_of(screen, window) if box.row == row)
        x, y = box.left + across * box.width, box.top + box.height / 2
        self.menu.handle(PointerAt(x, y, window), self.keymap)

    def pass_time(self, seconds: float, refreshes: int) -> None:
        for _ in range(refreshes):
            self._done(self.menu.advance(seconds / refreshes, self.keymap))

    def screen(self) -> Screen:
        screen = self.menu.screen(self.keymap)
        assert screen is not None
        return screen

    def chosen(self) -> Row:
        return self.screen().rows[self.screen().selected]

    def _done(self, reply: Reply) -> Reply:
        self.keymap = reply.keymap or self.keymap
        return reply


def test_a_closed_menu_shows_nothing() -> None:
    assert Menu().screen(KEYMAP) is None


def test_the_menu_opens_at_resume_and_enter_goes_on() -> None:
    hand = Hand()
    assert hand.chosen().label == "Resume"
    assert hand.tap("return").leave
    assert not hand.menu.is_open


@pytest.mark.parametrize("page", list(Page)[1:])
def test_every_page_opens_from_the_first_and_escape_leads_back_to_its_row(page: Page) -> None:
    hand = Hand(page)
    assert hand.screen().title == page.value
    assert not hand.tap("escape").leave
    assert (hand.screen().title, hand.screen().selected) == ("worldsim", list(Page).index(page))


def test_moving_up_from_the_first_row_is_the_last() -> None:
    hand = Hand()
    hand.tap("up")
    assert hand.chosen().label == "Quit"
    assert hand.tap("return").quit


def test_a_gamepad_works_the_menu() -> None:
    hand = Hand()
    hand.tap("pad down", "pad down", "pad down", "pad a")
    assert hand.screen().title == "Settings"
    hand.tap("pad right", "pad b")
    assert hand.keymap.look.mouse_deg_per_px > KEYMAP.look.mouse_deg_per_px
    assert hand.tap("pad start").leave


def test_the_left_stick_moves_once_and_repeats_while_held() -> None:
    hand = Hand()
    hand.menu.handle(StickMoved("left", 0.0, 0.9), KEYMAP)
    assert hand.screen().selected == 1
    hand.pass_time(0.3, 20)
    assert hand.screen().selected == 1
    hand.pass_time(0.2, 20)
    assert hand.screen().selected in (2, 3)
    hand.menu.handle(StickMoved("left", 0.0, 0.1), KEYMAP)
    here = hand.screen().selected
    hand.pass_time(2.0, 20)
    assert hand.screen().selected == here


def test_a_stick_held_when_the_menu_opens_moves_nothing_until_it_has_been_let_go() -> None:
    hand = Hand()
    hand.menu.open(Deflection(0.0, 1.0))
    hand.menu.handle(StickMoved("left", 0.0, 0.98), KEYMAP)
    hand.pass_time(3.0, 30)
    assert hand.screen().selected == 0
    for y in (0.0, 1.0):
        hand.menu.handle(StickMoved("left", 0.0, y), KEYMAP)
    assert hand.screen().selected == 1


def test_the_mouse_chooses_what_it_points_at_and_a_click_takes_it() -> None:
    hand = Hand()
    hand.point("Worlds")
    assert hand.chosen().label == "Worlds"
    hand.tap("mouse left")
    assert hand.screen().title == "Worlds"
    hand.tap("mouse right")
    assert hand.screen().title == "worldsim"


def test_a_click_beside_the_rows_does_nothing() -> None:
    hand = Hand()
    hand.menu.handle(PointerAt(2.0, 2.0, (1280, 720)), KEYMAP)
    assert hand.tap("mouse left") == Reply()


@pytest.mark.parametrize(("across", "direction"), [(0.6, -1), (0.95, 1)])
def test_a_click_beside_a_value_changes_it(across: float, direction: int) -> None:
    hand = Hand(Page.settings)
    hand.point("Pad: speed", across)
    hand.tap("mouse left")
    assert hand.keymap.pad.deg_per_s == KEYMAP.pad.deg_per_s + 10 * direction


@pytest.mark.parametrize("key", ["return", "left", "right"])
def test_a_switch_is_turned_by_any_of_them(key: str) -> None:
    hand = Hand(Page.settings)
    hand.tap("down", "down", key)
    assert hand.keymap.look.invert_y
    assert hand.chosen() == Row(label="Mouse: swap up and down", value="yes", adjustable=True)


def test_the_usual_settings_come_back_and_the_keys_stay() -> None:
    hand = Hand(Page.settings, KEYMAP.rebound("jump", "x").keymap)
    hand.tap("right", "up", "return")
    assert hand.keymap == KEYMAP.rebound("jump", "x").keymap


def test_a_scene_is_begun_with_the_seed_shown() -> None:
    hand = Hand(Page.worlds)
    hand.tap("right", "down", "down", "right")
    assert (hand.chosen().label, hand.chosen().picture) == ("Canyon", "canyon")
    assert hand.tap("return").order == Start(seed=8, scene="canyon")
    assert not hand.menu.is_open


def test_a_seed_can_be_typed_and_is_begun_with_enter() -> None:
    hand = Hand(Page.worlds)
    hand.tap("backspace", "4", "[2]", "x", "9", "backspace")
    assert hand.chosen().value == "42"
    assert hand.tap("return").order == Start(seed=42)


def test_a_seed_stays_in_its_range() -> None:
    hand = Hand(Page.worlds)
    hand.tap("backspace", "left", *["9"] * 30)
    assert 0 < hand.menu._choices.seed < 2**63


def test_a_seed_can_be_drawn() -> None:
    hand = Hand(Page.worlds)
    hand.tap("down", "return", "up")
    assert hand.chosen().value == "123"


def test_the_present_is_saved_under_a_name_of_its_own() -> None:
    hand = Hand(Page.saves)
    assert hand.tap("return").order == SaveAs()
    assert hand.screen().title == "worldsim"


def test_a_saved_game_is_shown_by_its_picture_and_goes_on_when_it_is_chosen() -> None:
    hand = Hand(Page.saves)
    hand.tap("down")
    assert hand.chosen() == Row(label="hill", picture=SAVED)
    assert hand.tap("return").order == Load("/games/hill.wsave")
    assert not hand.menu.is_open
    hand.menu.open()
    hand.tap("down", "return")
    assert hand.chosen().value == "31"


def test_the_saved_games_are_those_there_are_when_their_page_is_opened() -> None:
    hand = Hand(Page.saves)
    hand.tap("escape")
    hand.saves = []
    hand.tap("return")
    assert [row.label for row in hand.screen().rows] == ["Save this moment"]


def test_while_a_recording_is_watched_nothing_else_can_be_begun() -> None:
    menu = Menu(Choices(recorded=True))
    menu.open()
    screen = menu.screen(KEYMAP)
    assert screen is not None
    assert not {"Worlds", "Saved games"} & {row.label for row in screen.rows}
    assert menu.dropped(Path("photo.jpg")) == Reply()


def test_rebinding_waits_for_a_key_and_says_which_one_had_to_move() -> None:
    hand = Hand(Page.keys)
    hand.tap(*["down"] * 4, "return")
    assert "press a key" in hand.screen().note
    hand.tap("w")
    assert hand.screen().note == "Jump is now on W. Forward was there, and is now on Space."
    assert hand.chosen() == Row(label="Jump", value="W")
    assert hand.keymap.keys_of("forward") == ("space",)


def test_a_mouse_button_can_be_bound_by_the_hand_that_clicked() -> None:
    hand = Hand(Page.keys)
    hand.point("Jump")
    hand.tap("mouse left", "mouse middle")
    assert hand.keymap.keys_of("jump", on_pad=False) == ("mouse middle",)


def test_pad_buttons_are_bound_on_their_own_page_and_keep_the_keys() -> None:
    hand = Hand(Page.pad)
    hand.tap(*["down"] * 4, "pad a", "pad y")
    assert hand.keymap.keys_of("jump") == ("space", "pad y")


@pytest.mark.parametrize(
    ("page", "key"),
    [(Page.keys, "escape"), (Page.keys, "pad a"), (Page.pad, "escape"), (Page.pad, "x")],
)
def test_escape_or_a_key_of_another_device_leaves_the_binding(page: Page, key: str) -> None:
    hand = Hand(page)
    hand.tap("return", key)
    assert hand.keymap == KEYMAP
    assert hand.screen().title == page.value
    assert not hand.menu.is_capturing


def test_the_usual_keys_come_back_and_the_pads_stay() -> None:
    changed = KEYMAP.rebound("jump", "x").keymap.rebound("jump", "pad y").keymap
    hand = Hand(Page.keys, changed)
    hand.tap("up", "return")
    assert hand.keymap.keys_of("jump", on_pad=False) == ("space",)
    assert hand.keymap.keys_of("jump", on_pad=True) == ("pad y",)


def test_the_menus_own_key_leaves_it_wherever_it_is_bound() -> None:
    hand = Hand(Page.help, KEYMAP.rebound("menu", "q").keymap)
    assert hand.tap("q").leave


def test_the_help_names_a_key_for_everything() -> None:
    rows = {row.label: row.value for row in Hand(Page.help).screen().rows}
    assert rows["Jump"] == "Space, Pad A"
    assert rows["Walk"] == "W A S D, left stick"
    assert len(rows) == 3 + len(TARGETS["buttons"][4:]) + len(TARGETS["commands"]) + 1


@pytest.mark.parametrize("page", list(Page))
@pytest.mark.parametrize("size", SIZES)
def test_the_chosen_row_is_in_the_window_wherever_one_moves(
    page: Page, size: tuple[int, int]
) -> None:
    hand = Hand(page)
    for _ in hand.screen().rows:
        hand.tap("down")
        screen = hand.screen()
        (box,) = [box for box in boxes_of(screen, size) if box.row == screen.selected]
        assert box.left >= 0
        assert box.left + box.width <= size[0]
        assert box.top > 0
        assert box.top + box.height < size[1]


def test_rows_never_overlap() -> None:
    for page in Page:
        boxes = boxes_of(Hand(page).screen(), (1280, 720))
        for n, a in enumerate(boxes):
            for b in boxes[n + 1 :]:
                apart = b.left >= a.left + a.width or b.top >= a.top + a.height
                assert apart, (page, a, b)


def test_pointing_at_a_row_in_sight_never_scrolls() -> None:
    hand = Hand(Page.keys)
    hand.tap(*["down"] * 15)
    first = hand.screen().first
    assert first > 0
    hand.point(hand.screen().rows[first].label)
    assert hand.screen().first == first
    assert hidden(hand.screen()) == (True, True)


def test_cards_stand_three_in_a_line_and_moves_keep_the_column() -> None:
    rows = [Row(label="a"), *[Row(label=str(n), picture="") for n in range(5)]]
    assert [moved(rows, 2, step) for step in (Step.left, Step.right)] == [1, 3]
    assert [moved(rows, 3, step) for step in (Step.down, Step.up)] == [5, 0]
    assert moved(rows, 3, Step.right) == 3


def test_a_page_scrolls_by_no_more_than_it_must() -> None:
    rows = tuple(Row(label=str(n)) for n in range(40))
    screen = Screen(title="", rows=rows, selected=20)
    first = scrolled(screen)
    assert boxes_of(Screen(title="", rows=rows, first=first), (1280, 800))[-1].row == 20


def test_an_open_menu_takes_the_place_of_the_hud_but_not_of_messages() -> None:
    screen = Hand().screen()
    hud = compose_hud(None, HudMode(menu=screen, message="Saved"), KEYMAP)
    assert hud == Hud(menu=screen, message="Saved")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("page", list(Page))
def test_every_page_is_painted_without_a_display(page: Page, size: tuple[int, int]) -> None:
    screen = Hand(page).screen()
    surface = pygame.Surface(size)
    HudPainter().paint(surface, Hud(menu=screen))
    pixels = pygame.surfarray.array3d(surface).astype(int)
    for box in boxes_of(screen, size):
        inside = pixels[int(box.left) + 2 : int(box.left + box.width) - 2]
        part = inside[:, int(box.top) + 2 : int(box.top + box.height) - 2]
        assert np.ptp(part) > 100, screen.rows[box.row]
