"""How keys and what they do are written for the player."""

from __future__ import annotations

from worldsim.play.keymap import Command, Keymap, is_pad_key

SHORT_KEYS = {
    "escape": "Esc",
    "left ctrl": "Ctrl",
    "left shift": "Shift",
    "mouse left": "Left click",
    "mouse middle": "Middle click",
    "mouse right": "Right click",
    "mouse wheel up": "Wheel up",
    "mouse wheel down": "Wheel down",
}
LABELS = {"attack": "Break", "use": "Place"}


def key_name(key: str) -> str:
    """The key as it is written on the device."""
    return SHORT_KEYS.get(key, key.title() if is_pad_key(key) else key.capitalize())


def key_names(keymap: Keymap, target: str, *, on_pad: bool) -> str:
    """The keys of a target on one kind of device; a dash where there are none."""
    return ", ".join(map(key_name, keymap.keys_of(target, on_pad=on_pad))) or "-"


def target_name(target: str) -> str:
    """What a target is called in the menu."""
    if target in Command.__members__:
        return Command[target].value.capitalize()
    return LABELS.get(target, target.replace("_", " ").capitalize())
