"""A small Monte Carlo tree search over choices, for worlds that repeat themselves exactly.

As UCT (Kocsis and Szepesvári 2006, Bandit based Monte-Carlo Planning), with two changes: a node's
choices are all tried at once, as one batch, and a node is worth what its best choice is worth,
since nothing but the choices is left to chance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from worldsim.errors import ConfigError
from worldsim.tools.agents.choices import ACTIONS
from worldsim.tools.agents.planner import DISCOUNT
from worldsim.tools.agents.worlds import Worlds


@dataclass(frozen=True, kw_only=True)
class MctsConfig:
    """How far and how widely is searched."""

    expansions: int = 16
    """Nodes whose choices are tried, for each plan."""
    rollout: int = 3
    """Random choices after a tried one, to tell what it leads to."""
    curiosity: float = 0.3
    """What a choice that was hardly tried may be worth, in rewards (UCT's constant)."""

    def __post_init__(self) -> None:
        if self.expansions < 1 or min(self.rollout, self.curiosity) < 0:
            raise ConfigError(
                "expansions from 1, rollout and curiosity from 0", f"{self}", "Correct them."
            )


@dataclass(slots=True, eq=False)
class _Node:
    """A moment that some choices lead to."""

    reward: float = 0.0  # of the choice that led here
    value: float = 0.0  # of what comes after it
    ended: bool = False
    visits: int = 0
    state: bytes | None = None
    children: list[_Node] = field(default_factory=list)  # one for each choice, once expanded

    @property
    def worth(self) -> float:
        return self.reward + DISCOUNT * self.value


class Mcts:
    """Owns nothing but its settings; `branches` needs a world for each choice."""

    def __init__(self, branches: Worlds, config: MctsConfig) -> None:
        if branches.capacity < len(ACTIONS):
            raise ConfigError(
                f"a world for each of {len(ACTIONS)} choices",
                f"{branches.capacity} worlds",
                "Make more.",
            )
        self._branches, self._config = branches, config

    def plan(self, state: bytes, rng: np.random.Generator) -> list[int]:
        """The best choice, then the best after it, as far as the tree goes."""
        root = _Node(state=state)
        for _ in range(self._config.expansions):
            path = self._chosen_path(root)
            if not path[-1].ended:
                self._expand(path[-1], rng)
            _back_up(path)
        return _best_choices(root)

    def _chosen_path(self, root: _Node) -> list[_Node]:
        """Down to a node that is not expanded."""
        path = [root]
        while path[-1].children:
            parent = path[-1]
            path.append(max(parent.children, key=lambda child: self._promise(parent, child)))
        return path

    def _promise(self, parent: _Node, child: _Node) -> float:
        untried = math.sqrt(math.log(parent.visits + 1) / (child.visits + 1))
        return child.worth + self._config.curiosity * untried

    def _expand(self, node: _Node, rng: np.random.Generator) -> None:
        """Try every choice at once, each followed by the same random ones."""
        assert node.state is not None, "a node is expanded after its parent"
        self._branches.branch(node.state, len(ACTIONS))
        rewards, ended = self._branches.act(ACTIONS), self._branches.ended.copy()
        states = [self._branches.state(i) for i in range(len(ACTIONS))]
        values = np.zeros(len(ACTIONS))
        for t, choice in enumerate(rng.integers(len(ACTIONS), size=self._config.rollout)):
            values += DISCOUNT**t * self._branches.act([ACTIONS[choice]] * len(ACTIONS))
        node.children = [
            _Node(*row)
            for row in zip(
                rewards.tolist(),
                values.tolist(),
                ended.tolist(),
                [0] * len(states),
                states,
                strict=True,
            )
        ]


def _back_up(path: list[_Node]) -> None:
    for node in reversed(path):
        node.visits += 1
        if node.children:
            node.value = max(child.worth for child in node.children)


def _best_choices(root: _Node) -> list[int]:
    choices, node = [], root
    while node.children:
        choice = max(range(len(ACTIONS)), key=lambda i: node.children[i].worth)
        choices.append(choice)
        node = node.children[choice]
    return choices
