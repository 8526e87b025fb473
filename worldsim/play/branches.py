"""The branches of one world: one is played, the others stay where they were left."""

from __future__ import annotations

from worldsim.play.timeline import RewindConfig, Timeline, nbytes_of, trim


class Branches:
    """Owns the timelines. Branches are numbered from 1 in the order of their making."""

    def __init__(self, first: Timeline, config: RewindConfig) -> None:
        self._timelines = {1: first}
        self._visited = [1]  # the least recently played first, the present one last
        self._config = config
        self._made = 1

    @property
    def number(self) -> int:
        """The branch that is played."""
        return self._visited[-1]

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(sorted(self._timelines))

    @property
    def present(self) -> Timeline:
        return self._timelines[self.number]

    @property
    def nbytes(self) -> int:
        return nbytes_of(self._timelines.values())

    def cut(self, count: int) -> None:
        """Forget what came after the first `count` frames of the present branch."""
        self._timelines[self.number] = self.present.first(count)

    def fork(self, count: int) -> int | None:
        """Keep the present branch and go on in a new one that has its first `count` frames.

        Returns the number of the branch that had to make room, the longest unvisited, if one had.
        """
        forked = self.present.first(count)
        dropped = self._make_room()
        self._made += 1
        self._timelines[self._made] = forked
        self._visited.append(self._made)
        self.trim()
        return dropped

    def visit(self, by: int) -> None:
        """Make the branch `by` places further the present one; after the last comes the first."""
        place = self.numbers.index(self.number) + by
        chosen = self.numbers[place % len(self.numbers)]
        self._visited.remove(chosen)
        self._visited.append(chosen)

    def trim(self) -> None:
        """Forget the oldest moments until the limits hold."""
        trim(self._timelines.values(), self._config)

    def _make_room(self) -> int | None:
        if len(self._timelines) < self._config.max_branches:
            return None
        dropped = self._visited.pop(0)
        del self._timelines[dropped]
        return dropped
