"""A player's tables over the bundled keymap; collects what it cannot use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from worldsim.errors import ConfigError
from worldsim.play.keymap import NO_KEY, SETTINGS, TARGETS, Keymap, is_pad_key
from worldsim.play.settings import Dial, Settings, controls_of, with_value


@dataclass(frozen=True, slots=True)
class LoadedKeymap:
    """A keymap to play with, and what of the player's file could not be used."""

    keymap: Keymap
    warnings: tuple[str, ...] = ()

    def told(self) -> str:
        """One line for the player, where there are warnings."""
        more = f" (and {len(self.warnings) - 1} more, see the log)" if self.warnings[1:] else ""
        return f"Your keymap: {self.warnings[0]}{more}"


def merged(
    table: Mapping[str, object], default: Keymap, knows_key: Callable[[str], bool]
) -> LoadedKeymap:
    """The default keymap with the player's lines; `knows_key` tells which keys there are."""
    return _Merge(default, knows_key).merged(table)


class _Merge:
    def __init__(self, default: Keymap, knows_key: Callable[[str], bool]) -> None:
        self._default = default
        self._knows_key = knows_key
        self._warnings: list[str] = []
        self._emptied: set[tuple[str, bool]] = set()  # targets bound to no key, and if on a pad

    def merged(self, table: Mapping[str, object]) -> LoadedKeymap:
        known = [*TARGETS, *SETTINGS]
        for name in sorted(set(table) - set(known)):
            self._refuse(name, f"there is no such table; there are {known}")
        keymap = replace(self._default, target_of=self._bindings(table))
        for name in SETTINGS:
            keymap = keymap.with_settings(self._settings(table, name))
        return LoadedKeymap(keymap, tuple(self._warnings))

    def _bindings(self, table: Mapping[str, object]) -> dict[str, str]:
        own = self._own_bindings(table)
        rebound = {(target, is_pad_key(key)) for key, target in own.items()} | self._emptied
        default = self._default.target_of
        kept = {
            key: target
            for key, target in default.items()
            if key not in own and (target, is_pad_key(key)) not in rebound
        }
        bound = {**kept, **own}
        for key in sorted(set(default) & set(own)):
            emptied = (default[key], is_pad_key(key)) in self._emptied
            if default[key] not in bound.values() and not emptied:
                self._warnings.append(f"{default[key]} has no key left: {own[key]} took {key!r}")
        return bound

    def _own_bindings(self, table: Mapping[str, object]) -> dict[str, str]:
        own: dict[str, str] = {}
        for kind, targets in TARGETS.items():
            for target, keys in self._entries(table, kind).items():
                if target not in targets:
                    self._refuse(f"{kind}.{target}", f"there are {list(targets)}")
                elif not isinstance(keys, list) or not keys:
                    self._refuse(f"{kind}.{target}", "expected a list of names of keys")
                else:
                    self._bind(own, f"{kind}.{target}", keys)
        return own

    def _entries(self, table: Mapping[str, object], kind: str) -> Mapping[str, object]:
        entries = table.get(kind, {})
        if isinstance(entries, dict):
            return entries
        self._refuse(kind, "expected a table")
        return {}

    def _bind(self, own: dict[str, str], where: str, keys: list[object]) -> None:
        target = where.partition(".")[2]
        for key in keys:
            name = key.lower() if isinstance(key, str) else ""
            if name in NO_KEY.values():
                self._emptied.add((target, is_pad_key(name)))
            elif not name or not self._knows_key(name):
                self._refuse(f"{where}: {key!r}", "no key has this name")
            elif name in own:
                self._refuse(f"{where}: {key!r}", f"this key already does {own[name]}")
            else:
                own[name] = target

    def _settings(self, table: Mapping[str, object], name: str) -> Settings:
        settings = self._default.settings(name)
        for entry, value in self._entries(table, name).items():
            settings = self._with(settings, f"{name}.{entry}", entry, value)
        return settings

    def _with(self, settings: Settings, where: str, name: str, value: object) -> Settings:
        controls = controls_of(settings)
        if name not in controls:
            self._refuse(where, f"there are {list(controls)}")
        elif isinstance(controls[name], Dial):
            return self._with_number(settings, where, name, value)
        elif not isinstance(value, bool):
            self._refuse(where, "expected true or false")
        else:
            return with_value(settings, name, value)
        return settings

    def _with_number(self, settings: Settings, where: str, name: str, value: object) -> Settings:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self._refuse(where, "expected a number")
            return settings
        try:
            return with_value(settings, name, float(value))
        except (ConfigError, OverflowError) as error:
            self._refuse(where, str(error))
            return settings

    def _refuse(self, where: str, why: str) -> None:
        self._warnings.append(f"{where}: {why}; using the default")
