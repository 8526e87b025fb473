"""One table of a script: typed access whose errors name the file, the table and the key."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from worldsim.errors import ScriptError


class ScriptTable:
    """A TOML table that refuses what it is not asked for. Every method raises ScriptError."""

    def __init__(self, file: str, label: str, record: Mapping[str, Any]) -> None:
        self._file, self._label, self._record = file, label, record

    def error(self, expected: str, got: str, remedy: str, *, key: str) -> ScriptError:
        return ScriptError(f"{expected} for {key} in {self._label} of {self._file}", got, remedy)

    def allow(self, *keys: str) -> None:
        """Refuse every other key, and suggest the nearest of these."""
        for key in self._record:
            if key not in keys:
                raise ScriptError(
                    f"keys among {list(keys)} in {self._label} of {self._file}",
                    f"unknown key {key!r}",
                    nearest(key, keys) or "Remove it.",
                )

    def has(self, key: str) -> bool:
        return key in self._record

    def tables(self, key: str) -> Iterator[ScriptTable]:
        """The members of an array of tables `[[key]]`; none if it is left out."""
        members = self._record.get(key, [])
        if not isinstance(members, list) or not all(isinstance(m, dict) for m in members):
            raise self.error(
                f"[[{key}]] tables", repr(members), f"Head each one with [[{key}]].", key=key
            )
        for number, member in enumerate(members, start=1):
            yield ScriptTable(self._file, f"[[{key}]] number {number}", member)

    def number(
        self,
        key: str,
        default: float | None = None,
        *,
        low: float = -math.inf,
        high: float = math.inf,
    ) -> float:
        """A finite number within `low` and `high`; without a default, it must be there."""
        value = self._value(key, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.error("a number", repr(value), "Write a number without quotes.", key=key)
        if not (math.isfinite(value) and low <= value <= high):
            raise self.error(_domain(low, high), f"{value!r}", "Correct the value.", key=key)
        return float(value)

    def whole(self, key: str, *, low: int, high: int) -> int:
        """An integer within `low` and `high`."""
        value = self._value(key, None)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.error(
                f"a whole number from {low} to {high}", repr(value), "Correct the value.", key=key
            )
        return value

    def text(self, key: str, *, default: str) -> str:
        value = self._value(key, default)
        if not isinstance(value, str):
            raise self.error("text", repr(value), "Put it in quotes.", key=key)
        return value

    def choice(self, key: str, options: Collection[str], *, default: str) -> str:
        """One of several words."""
        return self._one_of(key, self.text(key, default=default), options)

    def names(self, key: str, options: Collection[str]) -> tuple[str, ...]:
        """A list of words, each among `options`; empty if left out."""
        value = self._value(key, [])
        if not isinstance(value, list):
            raise self.error("a list of names", repr(value), f'Write {key} = ["..."].', key=key)
        return tuple(self._one_of(key, name, options) for name in value)

    def _one_of(self, key: str, value: object, options: Collection[str]) -> str:
        if not isinstance(value, str) or value not in options:
            remedy = nearest(str(value), options) or "Choose one of them."
            raise self.error(f"one of {list(options)}", repr(value), remedy, key=key)
        return value

    def _value(self, key: str, default: Any) -> Any:
        value = self._record.get(key, default)
        if value is None:
            raise self.error("a value", "none", f"Add {key} = ....", key=key)
        return value


def nearest(word: str, known: Collection[str]) -> str | None:
    """A question that suggests the known word most like `word`, if one is like it."""
    matches = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"Did you mean {matches[0]!r}?" if matches else None


def _domain(low: float, high: float) -> str:
    if math.isinf(low) and math.isinf(high):
        return "a finite number"
    if math.isinf(high):
        return f"a number of {low:g} or more"
    return f"a number from {low:g} to {high:g}"
