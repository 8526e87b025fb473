"""The pages of the menu: for each its rows, and what choosing, changing or typing at one means.

A page is a function of what the player has set. It changes nothing: it answers with a `Reply`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from secrets import randbelow
from typing import TypeAlias

from worldsim.play.key_names import key_name, key_names, target_name
from worldsim.play.keymap import SETTINGS, TARGETS, Keymap, default_keymap, is_pad_key
from worldsim.play.menu_screen import Row
from worldsim.play.orders import Load, Request, SaveAs, Start
from worldsim.play.save_file import Preview
from worldsim.play.saves import list_saves
from worldsim.play.settings import Dial, controls_of
from worldsim.types import MAX_SEED

NEW_SEEDS = 1_000_000  # short enough to tell a friend


class Page(Enum):
    """The value is the title."""

    main = "worldsim"
    worlds = "Worlds"
    saves = "Saved games"
    settings = "Settings"
    overlays = "Overlays"
    keys = "Keys and mouse"
    pad = "Gamepad"
    help = "Help"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What follows from an input. All of it that is set happens."""

    keymap: Keymap | None = None  # use it and keep it
    order: Request | None = None  # for the world
    open: Page | None = None
    back: bool = False  # to the page before
    leave: bool = False  # go on playing
    quit: bool = False
    seed: int | None = None  # the one to begin in next
    capture: str | None = None  # the next key pressed is for this target
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A row, and what answers to the player at it."""

    row: Row
    accept: Callable[[], Reply] | None = None
    adjust: Callable[[int], Reply] | None = None  # -1 or +1
    typed: Callable[[str], Reply] | None = None  # a key's name
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the menu knows besides the keymap: where to begin, and what there is."""

    seed: int = 0
    scene: str | None = None
    scenes: tuple[str, ...] = ()
    saves: Sequence[Preview] = ()  # as they were when their page was opened
    recorded: bool = False  # a recording is watched: nothing else can begin
    draw_seed: Callable[[], int] = field(default=lambda: randbelow(NEW_SEEDS))
    list_saves: Callable[[], Sequence[Preview]] = field(default=list_saves)


Builder: TypeAlias = Callable[[Choices, Keymap], list[Item]]


def items_of(page: Page, choices: Choices, keymap: Keymap) -> list[Item]:
    """The page as it is now."""
    return _BUILDERS[page](choices, keymap)


def rebound(keymap: Keymap, target: str, key: str) -> Reply:
    """The target gets the key; the note says which other one had to move."""
    after = keymap.rebound(target, key)
    note = f"{target_name(target)} is now on {key_name(key)}."
    if after.displaced is not None:
        keys = after.keymap.keys_of(after.displaced, on_pad=is_pad_key(key))
        where = ", ".join(map(key_name, keys)) or "nothing here"
        note += f" {target_name(after.displaced)} was there, and is now on {where}."
    return Reply(keymap=after.keymap, note=note)


def _opening(page: Page, label: str, note: str) -> Item:
    return Item(row=Row(label=label), accept=lambda: Reply(open=page), note=note)


def _main(choices: Choices, _keymap: Keymap) -> list[Item]:
    elsewhere = [
        _opening(Page.worlds, "Worlds", "Begin in another scene or with another seed."),
        _opening(Page.saves, "Saved games", "Save this moment, or go on from one that was saved."),
    ]
    return [
        Item(row=Row(label="Resume"), accept=lambda: Reply(leave=True), note="Go on playing."),
        *([] if choices.recorded else elsewhere),
        _opening(Page.settings, "Settings", "Mouse, gamepad and what is shown."),
        _opening(Page.overlays, "Overlays", "Map, memories, keys and numbers over the picture."),
        _opening(Page.keys, "Keys and mouse", "Give an action another key."),
        _opening(Page.pad, "Gamepad", "Give an action another button."),
        _opening(Page.help, "Help", "What the keys do now."),
        Item(row=Row(label="Quit"), accept=lambda: Reply(quit=True), note="Leave worldsim."),
    ]


def _worlds(choices: Choices, _keymap: Keymap) -> list[Item]:
    def begin(scene: str | None) -> Reply:
        return Reply(order=Start(seed=choices.seed, scene=scene), leave=True)

    def typed(key: str) -> Reply:
        digit = key.strip("[]")  # a key of the number block is called [7]
        if key == "backspace":
            return Reply(seed=choices.seed // 10)
        if len(digit) != 1 or digit not in "0123456789":
            return Reply()
        seed = choices.seed * 10 + int(digit)
        return Reply(seed=seed) if seed <= MAX_SEED else Reply()

    def card(scene: str | None) -> Item:
        label, note = ("Any scene", "The seed decides.") if scene is None else (scene.title(), "")
        return Item(
            row=Row(label=label, picture=scene or ""),
            accept=lambda: begin(scene),
            note=note or f"Begin in the {scene} of seed {choices.seed}.",
        )

    def stepped(direction: int) -> Reply:
        return Reply(seed=min(max(choices.seed + direction, 0), MAX_SEED))

    seed = Item(
        row=Row(label="Seed", value=str(choices.seed), adjustable=True),
        accept=lambda: begin(choices.scene),
        adjust=stepped,
        typed=typed,
        note="Type a number; Enter or A begins. The same seed is the same world.",
    )
    draw = Item(row=Row(label="Draw another seed"), accept=lambda: Reply(seed=choices.draw_seed()))
    return [seed, draw, *(card(scene) for scene in (None, *choices.scenes))]


def _saves(choices: Choices, _keymap: Keymap) -> list[Item]:
    save = Item(
        row=Row(label="Save this moment"),
        accept=lambda: Reply(order=SaveAs(), back=True),
        note="It gets a name of its own and stays until you delete its file.",
    )
    return [save, *map(_saved, choices.saves)]


def _saved(preview: Preview) -> Item:
    load = Reply(order=Load(str(preview.path)), seed=preview.info.origin.seed, leave=True)
    return Item(
        row=Row(label=preview.name, picture=preview),
        accept=lambda: load,
        note=f"Go on here: {preview.name}.",
    )


def _settings(_choices: Choices, keymap: Keymap) -> list[Item]:
    usual = replace(default_keymap(), target_of=keymap.target_of, overlays=keymap.overlays)
    restore = Item(
        row=Row(label="Restore the usual settings"),
        accept=lambda: Reply(keymap=usual, note="These are the usual settings."),
    )
    tables = [table for table in SETTINGS if table != "overlays"]
    rows = [_setting(keymap, table, name) for table in tables for name in _names(table)]
    return [*rows, restore]


def _overlays(_choices: Choices, keymap: Keymap) -> list[Item]:
    return [_setting(keymap, "overlays", name) for name in _names("overlays")]


def _names(table: str) -> list[str]:
    return list(controls_of(SETTINGS[table]))


def _setting(keymap: Keymap, table: str, name: str) -> Item:
    settings = keymap.settings(table)
    control, value = controls_of(settings)[name], getattr(settings, name)
    if isinstance(control, Dial):
        dial = control
        return Item(
            row=Row(label=dial.label, value=dial.form.format(value), adjustable=True),
            adjust=lambda by: _set(keymap, table, name, dial.stepped(value, by)),
        )
    return Item(
        row=Row(label=control.label, value="yes" if value else "no", adjustable=True),
        accept=lambda: _set(keymap, table, name, not value),
        adjust=lambda _: _set(keymap, table, name, not value),
    )


def _set(keymap: Keymap, table: str, name: str, value: float) -> Reply:
    return Reply(keymap=keymap.with_setting(table, name, value))


def _bindings(keymap: Keymap, *, on_pad: bool) -> list[Item]:
    default = default_keymap().target_of
    others = {key: at for key, at in keymap.target_of.items() if is_pad_key(key) != on_pad}
    usual = {key: at for key, at in default.items() if is_pad_key(key) == on_pad}
    restore = Item(
        row=Row(label="Restore the usual ones"),
        accept=lambda: Reply(
            keymap=replace(keymap, target_of={**others, **usual}), note="These are the usual ones."
        ),
    )
    return [
        *(_binding(keymap, target, on_pad) for targets in TARGETS.values() for target in targets),
        restore,
    ]


def _binding(keymap: Keymap, target: str, on_pad: bool) -> Item:
    asked = "a button of the gamepad" if on_pad else "a key or a mouse button"
    return Item(
        row=Row(label=target_name(target), value=key_names(keymap, target, on_pad=on_pad)),
        accept=lambda: Reply(
            capture=target, note=f"{target_name(target)}: press {asked}, or Esc to leave it."
        ),
    )


def _help(_choices: Choices, keymap: Keymap) -> list[Item]:
    def keys(*targets: str) -> str:
        return " ".join(key_names(keymap, target, on_pad=False) for target in targets)

    def both(target: str) -> str:
        pad = keymap.keys_of(target, on_pad=True)
        return ", ".join([keys(target), *map(key_name, pad)])

    told = [
        ("Walk", f"{keys('forward', 'left', 'back', 'right')}, left stick"),
        ("Look around", "mouse (a click takes it), right stick"),
        ("Look with keys", keys(*TARGETS["turns"])),
        *((target_name(target), both(target)) for target in TARGETS["buttons"][4:]),
        *((target_name(target), both(target)) for target in TARGETS["commands"]),
        ("Pictures", "drop one onto the window to dream on from it"),
    ]
    return [Item(row=Row(label=label, value=value, inert=True)) for label, value in told]


_BUILDERS: dict[Page, Builder] = {
    Page.main: _main,
    Page.worlds: _worlds,
    Page.saves: _saves,
    Page.settings: _settings,
    Page.overlays: _overlays,
    Page.keys: lambda _, keymap: _bindings(keymap, on_pad=False),
    Page.pad: lambda _, keymap: _bindings(keymap, on_pad=True),
    Page.help: _help,
}
