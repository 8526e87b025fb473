"""The display of a game: what is shown, kept and told, stepped by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import platformdirs
import pytest
from fakes_game import Game, nothing
from PIL import Image

from worldsim.errors import OutputError
from worldsim.play.display import pictures_folder
from worldsim.play.keymap import default_keymap
from worldsim.play.window import Key, MouseMoved, PadPlugged

TO_THE_FIRST_SETTING = ("escape", "down", "down", "down", "return", "right")


def test_the_view_turns_with_the_mouse_before_the_next_frame() -> None:
    game = Game([[Key("mouse left", down=True)], [MouseMoved(50, 0)], []])
    game.run(nothing)
    for _ in range(3):
        game.display.refresh()
    turns = [view.frame_from_view for view in game.window.views]
    assert np.allclose(turns[0], np.eye(3))
    yaw = np.degrees(np.arctan2(turns[-1][0, 2], turns[-1][0, 0]))
    assert abs(yaw) == pytest.approx(50 * default_keymap().look.mouse_deg_per_px)


def test_a_picture_that_would_look_the_same_is_not_drawn_again() -> None:
    game = Game()
    game.run(nothing)
    for _ in range(5):
        game.display.refresh()
    assert len(game.window.views) == 1


def test_the_mouse_is_grabbed_by_a_click_and_freed_by_escape() -> None:
    game = Game([[Key("mouse left", down=True)], [], [Key("escape", down=True)]])
    for _ in range(3):
        game.display.refresh()
    assert game.window.grabs == [True, False]


def test_keys_of_the_display_change_the_display_only() -> None:
    game = Game([[Key("f1", down=True)], [Key("f3", down=True)], [Key("f11", down=True)]])
    game.run(nothing)
    for _ in range(3):
        game.display.refresh()
    assert game.window.views[-1].hud.lines == ()
    assert game.window.views[-1].hud.stages
    assert game.window.fullscreens == 1


def test_the_menu_is_shown_and_its_choice_reaches_the_world() -> None:
    taps = ("escape", "down", "return", "right", "return")
    game = Game([[Key(key, down=True)] for key in taps])

    def play() -> None:
        for _ in taps:
            game.display.refresh()

    game.run(play, nothing)
    titles = [view.hud.menu.title for view in game.window.views if view.hud.menu]
    assert list(dict.fromkeys(titles)) == ["worldsim", "Worlds"]
    assert game.worlds["dream"].resets == [(7, None), (1, None)]


def test_a_setting_changed_in_the_menu_is_kept_and_a_keymap_of_the_players_own_is_told_of() -> None:
    game = Game([[Key(key, down=True)] for key in TO_THE_FIRST_SETTING])
    game.kept_as = Path("keymap.toml.bak")
    for _ in TO_THE_FIRST_SETTING:
        game.display.refresh()
    assert [keymap.look.mouse_deg_per_px for keymap in game.saved] == [pytest.approx(0.13)]
    assert "keymap.toml.bak" in game.window.views[-1].hud.message


def test_settings_that_cannot_be_written_hold_and_it_is_told() -> None:
    game = Game([[Key(key, down=True)] for key in TO_THE_FIRST_SETTING])
    game.save_error = OutputError("to write", "a full disk", "Make room.")
    for _ in TO_THE_FIRST_SETTING:
        game.display.refresh()
    assert "Make room." in game.window.views[-1].hud.message


def test_a_narrower_field_of_view_enlarges_the_middle_of_the_frame() -> None:
    game = Game()
    game.run(nothing)
    game.display._controls.keymap = default_keymap().with_setting("sight", "field_of_view", 0.5)
    game.display.refresh()
    view = game.window.views[-1]
    zoom = np.tan(np.radians(view.fov_y_deg / 4)) / np.tan(np.radians(view.fov_y_deg / 2))
    assert view.frame_from_view == pytest.approx(np.diag((zoom, zoom, 1.0)))


def test_a_gamepad_that_comes_is_told() -> None:
    game = Game([[PadPlugged("Some Pad", connected=True)]])
    game.display.refresh()
    assert game.window.views[-1].hud.message == "Some Pad is connected"


def test_a_screenshot_is_a_png_and_its_place_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platformdirs, "user_pictures_dir", lambda: str(tmp_path))
    game = Game([[Key("f2", down=True)]])
    game.run(nothing)
    game.display.refresh()
    (path,) = tmp_path.glob("worldsim_*.png")
    assert Image.open(path).size == (320, 200)
    assert str(path) in game.window.views[-1].hud.message


def test_a_screenshot_without_a_pictures_folder_goes_to_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platformdirs, "user_pictures_dir", lambda: str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)
    assert pictures_folder() == tmp_path
