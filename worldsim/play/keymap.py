"""Which key does what, and what else a player may set; `keymap_file` reads and writes it.

A target is a button of the action, a turn or a command. Its keys are those of the keyboard and the
mouse, and those of a gamepad, whose names begin with "pad"; the two kinds are bound apart.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cache
from importlib import resources

from worldsim.play.settings import (
    Hearing,
    Look,
    Overlays,
    PadFeel,
    Settings,
    Sight,
    with_value,
)
from worldsim.types import BUTTONS

PAD_PREFIX = "pad "
NO_KEY = {False: "none", True: "pad none"}  # in a file, by whether it is on a pad: bound to nothing


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
    step = "one tick"
    wheel = "agent"
    mute = "mute"
    reset = "restart"
    switch_world = "real/dream"
    hud = "hud"
    screenshot = "picture"
    debug = "timings"
    fullscreen = "full screen"
    warp = "warp"
    twin = "twin"
    photo = "photo"
    timeline = "timeline"
    minimap = "map"
    recalled = "memories"
    pressed = "pressed keys"
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


SETTINGS: Mapping[str, type[Settings]] = {
    "look": Look,
    "pad": PadFeel,
    "sight": Sight,
    "hearing": Hearing,
    "overlays": Overlays,
}
# Those that a key of the same name turns on and off
OVERLAY_KEYS = (Command.timeline, Command.minimap, Command.recalled, Command.pressed)


@dataclass(frozen=True, slots=True)
class Keymap:
    """Each key's one target, and the player's settings."""

    target_of: Mapping[str, str]
    look: Look = field(default_factory=Look)
    pad: PadFeel = field(default_factory=PadFeel)
    sight: Sight = field(default_factory=Sight)
    hearing: Hearing = field(default_factory=Hearing)
    overlays: Overlays = field(default_factory=Overlays)

    def keys_of(self, target: str, *, on_pad: bool | None = None) -> tuple[str, ...]:
        """The keys of a target; of one kind of device alone, where `on_pad` says which."""
        return tuple(
            key
            for key, named in self.target_of.items()
            if named == target and on_pad in (None, is_pad_key(key))
        )

    def settings(self, table: str) -> Settings:
        """One of the tables named in SETTINGS."""
        tables: dict[str, Settings] = {
            "look": self.look,
            "pad": self.pad,
            "sight": self.sight,
            "hearing": self.hearing,
            "overlays": self.overlays,
        }
        return tables[table]

    def with_setting(self, table: str, name: str, value: float) -> Keymap:
        """Raises ConfigError if the value is out of range."""
        return self.with_settings(with_value(self.settings(table), name, value))

    def with_settings(self, settings: Settings) -> Keymap:
        match settings:
            case Look():
                return replace(self, look=settings)
            case PadFeel():
                return replace(self, pad=settings)
            case Sight():
                return replace(self, sight=settings)
            case Hearing():
                return replace(self, hearing=settings)
            case Overlays():
                return replace(self, overlays=settings)

    def rebound(self, target: str, key: str) -> Rebound:
        """The target on this key alone, among the keys of its device.

        Where the key had another target, that one gets the keys that this target had: the two
        swap.
        """
        old = self.keys_of(target, on_pad=is_pad_key(key))
        owner = self.target_of.get(key)
        other = None if owner == target else owner
        moved = {} if other is None else dict.fromkeys(old, other)
        kept = {k: named for k, named in self.target_of.items() if k != key and k not in old}
        return Rebound(replace(self, target_of={**kept, **moved, key: target}), other)


@dataclass(frozen=True, slots=True)
class Rebound:
    """A changed keymap, and the target that had to change its keys too."""

    keymap: Keymap
    displaced: str | None


def is_pad_key(key: str) -> bool:
    return key.startswith(PAD_PREFIX)


@cache
def default_keymap() -> Keymap:
    """The keymap that ships with worldsim."""
    text = resources.files("worldsim.assets.keymaps").joinpath("default.toml").read_text("utf-8")
    table = tomllib.loads(text)
    bound = {
        key: target for kind in TARGETS for target, keys in table[kind].items() for key in keys
    }
    return Keymap(
        bound,
        Look(**table["look"]),
        PadFeel(**table["pad"]),
        Sight(**table["sight"]),
        Hearing(**table["hearing"]),
        Overlays(**table["overlays"]),
    )
