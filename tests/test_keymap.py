"""The player's keymap.toml: whatever its state, the game starts and says what it did."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worldsim.errors import ConfigError, OutputError
from worldsim.play.keymap import TARGETS, Command, default_keymap
from worldsim.play.keymap_file import MAX_BYTES, load_keymap, save_keymap
from worldsim.play.settings import Dial, Look, PadFeel
from worldsim.types import BUTTONS

KEYMAP = default_keymap()
OWN = KEYMAP.rebound("jump", "x").keymap
ALL_TARGETS = [target for targets in TARGETS.values() for target in targets]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config" / "keymap.toml"


def test_the_bundled_keymap_has_a_key_for_everything() -> None:
    for target in (*BUTTONS, *TARGETS["turns"], *(command.name for command in Command)):
        assert KEYMAP.keys_of(target), target


def test_a_missing_user_keymap_means_the_default_one(tmp_path: Path) -> None:
    assert load_keymap(tmp_path / "none.toml").keymap == KEYMAP


def test_a_rebound_target_leaves_its_old_key_and_takes_a_used_one(tmp_path: Path) -> None:
    path = tmp_path / "keymap.toml"
    path.write_text('[buttons]\njump = ["R"]\n[look]\nmouse_deg_per_px = 1\ninvert_y = true\n')
    keymap = load_keymap(path).keymap
    assert keymap.keys_of("jump", on_pad=False) == ("r",)
    assert keymap.keys_of("reset") == ()
    assert (keymap.look.mouse_deg_per_px, keymap.look.invert_y) == (1.0, True)


def lines(text: str) -> Callable[[Path], object]:
    """A keymap of that text."""
    return lambda path: path.write_text(text, "utf-8")


def data(content: bytes) -> Callable[[Path], object]:
    """A keymap of those bytes."""
    return lambda path: path.write_bytes(content)


# What may be wrong with a whole file: how it comes about, and a word of the warning.
DAMAGED_FILES = {
    "no TOML": (lines("[buttons\n"), "cannot be read"),
    "binary": (data(bytes(range(256))), "cannot be read"),
    "another encoding": (data('[buttons]\njump = ["é"]\n'.encode("utf-16")), "cannot be read"),
    "a folder": (Path.mkdir, "expected a file"),
    "a link to nowhere": (lambda path: path.symlink_to(path.parent / "none"), "expected a file"),
    "huge": (data(b"#" * (MAX_BYTES + 1)), "bytes"),
    "nested too deeply": (lines(f"x = {'[' * 5000}\n"), "cannot be read"),
}

# What may be wrong with a line: the line, and what the warning names.
DAMAGED_LINES = {
    "an unknown action": ('[buttons]\nfly = ["f"]\n', "buttons.fly"),
    "an unknown key": ('[buttons]\njump = ["spcae"]\n', "spcae"),
    "an unknown pad button": ('[buttons]\njump = ["pad q"]\n', "pad q"),
    "a number for a list": ("[buttons]\nforward = 3\n", "buttons.forward"),
    "a text for a list": ('[buttons]\nforward = "w"\n', "buttons.forward"),
    "a list of numbers": ("[buttons]\nforward = [3]\n", "buttons.forward"),
    "an empty list": ("[buttons]\nforward = []\n", "buttons.forward"),
    "an empty name": ('[buttons]\nforward = [""]\n', "buttons.forward"),
    "a text for a table": ('buttons = "w"\n', "buttons"),
    "a number for a table": ("look = 1\n", "look"),
    "an unknown table": ("[keys]\n", "keys"),
    "an unknown setting": ("[look]\nspeed = 1.0\n", "look.speed"),
    "a number out of range": ("[look]\nmouse_deg_per_px = -1.0\n", "look.mouse_deg_per_px"),
    "no number": ("[pad]\ndead_zone = nan\n", "pad.dead_zone"),
    "a text for a number": ('[pad]\ncurve = "steep"\n', "pad.curve"),
    "a text for a switch": ('[look]\ninvert_y = "yes"\n', "look.invert_y"),
}


def knows_key(name: str) -> bool:
    return name not in ("spcae", "pad q")


@pytest.mark.parametrize("kind", DAMAGED_FILES)
def test_a_file_that_cannot_be_read_means_the_default_keys_and_is_kept_when_saving(
    path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    damage, named = DAMAGED_FILES[kind]
    path.parent.mkdir()
    damage(path)
    loaded = load_keymap(path)
    assert loaded.keymap == KEYMAP
    assert [named in warning for warning in loaded.warnings] == [True]
    assert named in caplog.text
    kept = save_keymap(OWN, path)
    assert kept is not None
    assert os.path.lexists(kept)
    assert load_keymap(path).keymap == OWN


@pytest.mark.parametrize("kind", DAMAGED_LINES)
def test_a_line_that_makes_no_sense_is_told_and_the_default_stays(
    path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    text, named = DAMAGED_LINES[kind]
    path.parent.mkdir()
    path.write_text(text)
    loaded = load_keymap(path, knows_key=knows_key)
    assert loaded.keymap == KEYMAP
    assert named in caplog.text
    assert [named in warning for warning in loaded.warnings] == [True]
    kept = save_keymap(OWN, path)
    assert kept is not None
    assert kept.read_text() == text


def test_a_file_that_may_not_be_read_means_the_default_keys(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.parent.mkdir()
    path.write_text('[buttons]\njump = ["x"]\n')

    read_text = Path.read_text

    def refuse(file: Path, *arguments: str) -> str:
        if file == path:
            raise PermissionError(13, "Permission denied")
        return read_text(file, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_text", refuse)  # the tests may run as root
        loaded = load_keymap(path)
        kept = save_keymap(OWN, path)
    assert loaded.keymap == KEYMAP
    assert "Permission denied" in loaded.told()
    assert kept is not None
    assert "jump" in kept.read_text()


def test_a_byte_order_mark_is_no_damage(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"\xef\xbb\xbf" + b'[buttons]\njump = ["x"]\n')
    loaded = load_keymap(path)
    assert loaded.keymap.keys_of("jump", on_pad=False) == ("x",)
    assert not loaded.warnings


def test_a_key_bound_twice_keeps_its_first_meaning_and_both_are_named(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('[buttons]\njump = ["x"]\nuse = ["x", "z"]\n')
    loaded = load_keymap(path)
    bound = loaded.keymap.target_of
    assert (bound["x"], bound["z"]) == ("jump", "use")
    (warning,) = loaded.warnings
    for named in ("buttons.use", "'x'", "already does jump"):
        assert named in warning


def test_an_action_left_without_a_key_is_named(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('[buttons]\njump = ["r"]\n')
    assert load_keymap(path).warnings == ("reset has no key left: jump took 'r'",)


def test_keys_and_pad_buttons_are_bound_apart(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('[buttons]\njump = ["x"]\nuse = ["pad y"]\n')
    keymap = load_keymap(path).keymap
    assert keymap.keys_of("jump") == ("pad a", "x")
    assert keymap.keys_of("use") == ("mouse right", "pad y")


def test_several_warnings_are_told_in_one_line(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('[buttons]\nfly = ["f"]\n[keys]\n[look]\nspeed = 1\n')
    loaded = load_keymap(path)
    assert len(loaded.warnings) == 3
    assert "and 2 more" in loaded.told()


def test_what_the_game_wrote_itself_is_written_over_without_a_copy(path: Path) -> None:
    assert save_keymap(OWN, path) is None
    assert save_keymap(KEYMAP, path) is None
    assert [file.name for file in path.parent.iterdir()] == ["keymap.toml"]


def test_what_the_player_changed_in_the_games_file_is_copied_first_and_no_copy_is_lost(
    path: Path,
) -> None:
    save_keymap(OWN, path)
    for note in ("# one\n", "# two\n"):
        path.write_text(path.read_text() + note)
        save_keymap(KEYMAP, path)
    copies = sorted(path.parent.glob("keymap.toml.bak*"))
    assert [copy.read_text().splitlines()[-1] for copy in copies] == ["# one", "# two"]


def test_a_folder_that_cannot_be_written_to_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("a file in the folder's place")
    with pytest.raises(OutputError, match="Choose a folder"):
        save_keymap(OWN, tmp_path / "config" / "keymap.toml")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(ALL_TARGETS),
            st.sampled_from(["w", "space", "escape", "r", "x", '"', "\\", "pad a", "pad start"]),
        ),
        max_size=12,
    )
)
def test_any_rebinding_is_read_back_as_it_was_and_everything_keeps_a_key(
    tmp_path_factory: pytest.TempPathFactory, binds: list[tuple[str, str]]
) -> None:
    keymap = KEYMAP
    for target, key in binds:
        keymap = keymap.rebound(target, key).keymap
    path = tmp_path_factory.mktemp("keys") / "keymap.toml"
    save_keymap(keymap, path)
    loaded = load_keymap(path)
    assert loaded.keymap == keymap
    assert not loaded.warnings
    assert all(keymap.keys_of(target, on_pad=False) for target in ALL_TARGETS)


def test_settings_are_read_back_as_they_were(path: Path) -> None:
    keymap = replace(
        KEYMAP,
        look=Look(mouse_deg_per_px=0.2, invert_y=True),
        pad=PadFeel(deg_per_s=90.0, curve=1.0),
    ).with_setting("sight", "hud", False)
    save_keymap(keymap, path)
    assert load_keymap(path).keymap == keymap


def test_rebinding_to_a_used_key_swaps_and_names_the_other() -> None:
    after = KEYMAP.rebound("jump", "w")
    assert after.displaced == "forward"
    assert after.keymap.keys_of("jump", on_pad=False) == ("w",)
    assert after.keymap.keys_of("forward") == ("space",)


def test_a_target_can_be_bound_to_nothing(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('[commands]\nreset = ["none"]\nmenu = ["pad none"]\n')
    loaded = load_keymap(path)
    assert loaded.keymap.keys_of("reset") == ()
    assert loaded.keymap.keys_of("menu") == ("escape",)
    assert not loaded.warnings


def test_a_setting_out_of_range_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="dead_zone"):
        PadFeel(dead_zone=0.9)


def test_a_dial_moves_in_whole_steps_and_stops_at_its_ends() -> None:
    dial = Dial("speed", 0.01, 0.05, 0.01, "{}")
    assert [dial.stepped(value, 1) for value in (0.012, 0.03, 0.05)] == [0.02, 0.04, 0.05]
    assert dial.stepped(0.01, -1) == 0.01
