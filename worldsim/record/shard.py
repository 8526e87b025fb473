"""Which episodes of a data set one process records: every n-th."""

from __future__ import annotations

import re
from dataclasses import dataclass

from worldsim.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `index` (from 1) of `count` equal parts."""

    index: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Shard:
        """`2/8` is the second of eight; anything else is a ConfigError."""
        match = re.fullmatch(r"(\d+)/(\d+)", text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise ConfigError(
                "a shard from 1/n to n/n", repr(text), "Write --shard 2/8 for the second of eight."
            )
        return cls(int(match[1]), int(match[2]))

    @property
    def name(self) -> str:
        return f"{self.index}-of-{self.count}"

    def numbers(self, episodes: int) -> range:
        """The numbers, below `episodes`, of this part's episodes."""
        return range(self.index - 1, episodes, self.count)
