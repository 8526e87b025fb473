"""Which key does what: the bundled keymap, and the player's own lines on top of it.

A keymap that cannot be understood never stops the game: each bad line is reported in the log and
the default takes its place.
"""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from importlib import resources
from pathlib import Path

import platformdirs

from worldsim.errors import ConfigError
from worldsim.types import BUTTONS

log = logging.getLogger(__name__)

USER_FILE = "keymap.toml"


class Turn(Enum):
    """Keys that turn the head; the value is (yaw, pitch), right and down positive."""

    turn_left = (-1.0, 0.0)
    turn_right = (1.0, 0.0)
    turn_up = (0.0, -1.0)
    turn_down = (0.0, 1.0)


class Command(Enum):
    """What a key can ask of the game itself. The value is what the hint line calls it."""

    menu = "menu"
    pause = "pause"
    reset = "restart"
    switch_world = "real/dream"
    hud = "hud"
    screenshot = "picture"
    debug = "timings"
    fullscreen = "full screen"
    rewind = "rewind"
    branch = "branch"
    next_branch = "next branch"
    previous_branch = "previous branch"
    save = "save as new"
    quick_save = "save"
    quick_load = "load"


TARGETS: Mapping[str, tuple[str, ...]] = {
    "buttons": BUTTONS,
    "turns": tuple(turn.name for turn in Turn),
    "commands": tuple(command.name for command in Command),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How far the head turns."""

    mouse_deg_per_px: float = 0.12
    keys_deg_per_s: float = 120.0
    invert_y: bool = False

    def __post_init__(self) -> None:
        if not (0.0 < self.mouse_deg_per_px <= 10.0 and 0.0 < self.keys_deg_per_s <= 720.0):
            raise ConfigError(
                "mouse_deg_per_px up to 10 and keys_deg_per_s up to 720, both above 0",
                f"{self.mouse_deg_per_px} and {self.keys_deg_per_s}",
                "Correct the keymap.",
            )


@dataclass(frozen=True, slots=True)
class Keymap:
    """Each key's one target: a button of the action, a turn, or a command."""

    target_of: Mapping[str, str]
    look: Look

    def keys_of(self, target: str) -> tuple[str, ...]:
        return tuple(key for key, named in self.target_of.items() if named == target)


def default_keymap() -> Keymap:
    """The keymap that ships with worldsim."""
    text = resources.files("worldsim.assets.keymaps").joinpath("default.toml").read_text("utf-8")
    table = tomllib.loads(text)
    bound = {
        key: target for kind in TARGETS for target, keys in table[kind].items() for key in keys
    }
    return Keymap(bound, Look(**table["look"]))


def user_keymap_path() -> Path:
    return Path(platformdirs.user_config_dir("worldsim")) / USER_FILE


def load_keymap(
    user_file: Path | None = None, *, knows_key: Callable[[str], bool] = lambda _: True
) -> Keymap:
    """The bundled keymap, changed by the player's file where there is one.

    `knows_key` tells whether the window can ever report a key of that name.
    """
    path = user_keymap_path() if user_file is None else user_file
    default = default_keymap()
    if not path.is_file():
        return default
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        log.warning("keymap %s cannot be read (%s); using the default keys", path, error)
        return default
    return _Merge(path, default, knows_key).merged(table)


class _Merge:
    """The player's lines over the default ones; says in the log what it cannot use."""

    def __init__(self, path: Path, default: Keymap, knows_key: Callable[[str], bool]) -> None:
        self._path = path
        self._default = default
        self._knows_key = knows_key

    def merged(self, table: Mapping[str, object]) -> Keymap:
        for name in sorted(set(table) - {*TARGETS, "look"}):
            self._refuse(name, f"there is no such table; there are {[*TARGETS, 'look']}")
        own = self._own_bindings(table)
        rebound = set(own.values())
        kept = {
            key: target
            for key, target in self._default.target_of.items()
            if key not in own and target not in rebound
        }
        return Keymap({**kept, **own}, self._look(table.get("look", {})))

    def _own_bindings(self, table: Mapping[str, object]) -> dict[str, str]:
        own: dict[str, str] = {}
        for kind, targets in TARGETS.items():
            for target, keys in self._entries(table, kind):
                if target not in targets:
                    self._refuse(f"{kind}.{target}", f"there are {list(targets)}")
                elif not _is_keys(keys):
                    self._refuse(f"{kind}.{target}", "expected a list of names of keys")
                else:
                    self._bind(own, target, keys)
        return own

    def _entries(self, table: Mapping[str, object], kind: str) -> list[tuple[str, list[str]]]:
        entries = table.get(kind, {})
        if isinstance(entries, dict):
            return list(entries.items())
        self._refuse(kind, "expected a table")
        return []

    def _bind(self, own: dict[str, str], target: str, keys: list[str]) -> None:
        for key in (key.lower() for key in keys):
            if not self._knows_key(key):
                self._refuse(f"{target}: {key!r}", "no key has this name")
            elif key in own:
                self._refuse(f"{target}: {key!r}", f"this key already does {own[key]}")
            else:
                own[key] = target

    def _look(self, entries: object) -> Look:
        look = self._default.look
        if not isinstance(entries, dict):
            self._refuse("look", "expected a table")
            return look
        for name, value in entries.items():
            look = self._with(look, name, value)
        return look

    def _with(self, look: Look, name: str, value: object) -> Look:
        kinds = {"mouse_deg_per_px": float, "keys_deg_per_s": float, "invert_y": bool}
        if isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, kinds.get(name, ())):
            self._refuse(f"look.{name}", f"expected {_described(kinds)}")
            return look
        changed = {name: getattr(look, name) for name in kinds} | {name: value}
        try:
            return Look(**changed)
        except ConfigError as error:
            self._refuse(f"look.{name}", str(error))
            return look

    def _refuse(self, where: str, why: str) -> None:
        log.warning("keymap %s: %s: %s; using the default", self._path, where, why)


def _is_keys(keys: object) -> bool:
    return isinstance(keys, list) and all(isinstance(key, str) and key for key in keys)


def _described(kinds: Mapping[str, type]) -> str:
    return ", ".join(f"{name} ({kind.__name__})" for name, kind in kinds.items())
