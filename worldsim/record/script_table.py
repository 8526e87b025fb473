"""One table of a script: typed access whose errors name the file, the table and the key."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from worldsim.errors import ScriptError
from worldsim.types import TICK_HZ

MAX_SCRIPT_S = 24 * 3600.0


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

    def moment(self, key_s: str, key_ticks: str, *, default: int | None, low: int) -> int:
        """A time in ticks, given in seconds or in ticks but not both."""
        if self.has(key_s) and self.has(key_ticks):
            raise self.error(f"{key_s} or {key_ticks}", "both", "Remove one of them.", key=key_s)
        if self.has(key_ticks):
            return self.whole(key_ticks, low=low, high=int(MAX_SCRIPT_S * TICK_HZ))
        if default is not None and not self.has(key_s):
            return default
        return to_ticks(self.number(key_s, low=low / TICK_HZ, high=MAX_SCRIPT_S))

    def span(
        self, key: str, default: tuple[float, float], *, low: float, high: float
    ) -> tuple[float, float]:
        """Two numbers, the smaller first, both within `low` and `high`."""
        ends = self._value(key, list(default))
        if not isinstance(ends, list) or len(ends) != 2:
            raise self.error("two numbers", repr(ends), f"Write {key} = [0.2, 1.0].", key=key)
        pair = ScriptTable(
            self._file, f"{key} of {self._label}", {"first": ends[0], "last": ends[1]}
        )
        first, last = (pair.number(end, low=low, high=high) for end in ("first", "last"))
        if first > last:
            raise self.error("the smaller number first", repr(ends), "Swap them.", key=key)
        return first, last

    def shares(self, key: str, options: Collection[str]) -> dict[str, float]:
        """A table from words among `options` to numbers from 0 to 1; empty if left out."""
        value = self._value(key, {})
        if not isinstance(value, dict):
            raise self.error(
                "names with chances", repr(value), f"Write {key} = {{ forward = 0.5 }}.", key=key
            )
        table = ScriptTable(self._file, f"{key} of {self._label}", value)
        table.allow(*options)
        return {name: table.number(name, low=0.0, high=1.0) for name in value}

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


def to_ticks(seconds: float) -> int:
    return round(seconds * TICK_HZ)


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
