"""The player's own keymap.toml: read with tolerance, written in one step, never lost.

A file that cannot be understood never stops the game: each bad line is told, and the default takes
its place. What the game did not write itself is copied aside before the game writes over it.
"""

from __future__ import annotations

import logging
import os
import shutil
import tomllib
import zlib
from collections.abc import Callable, Iterator
from itertools import chain, count
from pathlib import Path

import platformdirs

from worldsim.errors import ConfigError
from worldsim.play.keymap import NO_KEY, SETTINGS, TARGETS, Keymap, default_keymap
from worldsim.play.keymap_merge import LoadedKeymap, merged
from worldsim.play.settings import controls_of
from worldsim.record.output import replace_file, unwritable

log = logging.getLogger(__name__)

USER_FILE = "keymap.toml"
MAX_BYTES = 1_000_000  # a keymap has a few thousand
HEADER = "# Written by worldsim, check {:08x}. Edit it as you like: the game keeps a copy of it.\n"


def config_folder() -> Path:
    return Path(platformdirs.user_config_dir("worldsim"))


def user_keymap_path() -> Path:
    return config_folder() / USER_FILE


def load_keymap(
    user_file: Path | None = None, *, knows_key: Callable[[str], bool] = lambda _: True
) -> LoadedKeymap:
    """The bundled keymap, changed by the player's file where there is one.

    `knows_key` tells whether the window can ever report a key of that name. Warnings also go to
    the log.
    """
    path = user_keymap_path() if user_file is None else user_file
    default = default_keymap()
    if not os.path.lexists(path):
        return LoadedKeymap(default)
    try:
        table = tomllib.loads(_text(path))
    except (OSError, ValueError, RecursionError) as error:  # no file, not text, no TOML, too deep
        loaded = LoadedKeymap(default, (f"cannot be read ({error}); using the default keys",))
    else:
        loaded = merged(table, default, knows_key)
    for warning in loaded.warnings:
        log.warning("keymap %s: %s", path, warning)
    return loaded


def save_keymap(keymap: Keymap, user_file: Path | None = None) -> Path | None:
    """Write what differs from the bundled keymap; the file is the old one or the new one, whole.

    Returns where the old file was copied to, if the game had not written it itself.

    Raises:
        OutputError: if the folder cannot be written to.
    """
    path = user_keymap_path() if user_file is None else user_file
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        copy = _put_aside(path)
    except OSError as error:
        raise unwritable(path, error) from error
    body = "".join(f"{line}\n" for line in _lines(keymap, default_keymap()))
    replace_file(path, (_header(body) + body).encode())
    return copy


def _text(path: Path) -> str:
    if not path.is_file():
        raise ConfigError("a file", "something else of this name", "Move it away.")
    if path.stat().st_size > MAX_BYTES:
        raise ConfigError(
            f"at most {MAX_BYTES} bytes", f"{path.stat().st_size}", "Is it another program's?"
        )
    return path.read_text("utf-8-sig")  # some editors begin a file with a byte order mark


def _put_aside(path: Path) -> Path | None:
    """Keep what another hand wrote: a copy of a small file, or the thing itself, renamed."""
    if not os.path.lexists(path) or _is_ours(path):
        return None
    names = chain([".bak"], (f".bak{n}" for n in count(2)))
    free = (path.with_name(path.name + name) for name in names)
    aside = next(place for place in free if not os.path.lexists(place))
    try:
        _text(path)
        shutil.copy2(path, aside)
    except (OSError, ValueError):  # a folder, a huge or an unreadable file, not text
        path.rename(aside)
    return aside


def _is_ours(path: Path) -> bool:
    """Whether the game wrote this file and nobody has changed it since."""
    try:
        header, end, body = _text(path).partition("\n")
    except (OSError, ValueError):
        return False
    return header + end == _header(body)


def _header(body: str) -> str:
    return HEADER.format(zlib.crc32(body.encode()))


def _lines(keymap: Keymap, default: Keymap) -> Iterator[str]:
    for kind, targets in TARGETS.items():
        yield f"[{kind}]"
        for target in targets:
            keys = [*keymap.keys_of(target), *_missing(keymap, default, target)]
            if set(keys) != set(default.keys_of(target)):
                yield f"{target} = [{', '.join(_quoted(key) for key in keys)}]"
    for table in SETTINGS:
        yield f"[{table}]"
        settings, usual = keymap.settings(table), default.settings(table)
        for name in controls_of(settings):
            value = getattr(settings, name)
            if value != getattr(usual, name):
                yield f"{name} = {str(value).lower()}"


def _missing(keymap: Keymap, default: Keymap, target: str) -> list[str]:
    """What says that a target has lost all its keys on a kind of device."""
    return [
        name
        for on_pad, name in NO_KEY.items()
        if default.keys_of(target, on_pad=on_pad) and not keymap.keys_of(target, on_pad=on_pad)
    ]


def _quoted(key: str) -> str:
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
