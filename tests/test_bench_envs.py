"""Speeds of the environments, beside those of others where they are installed."""

from __future__ import annotations

from io import StringIO

import gymnasium
import pytest
from rich.console import Console

from worldsim.tools import bench_envs
from worldsim.tools.bench_envs import BenchEnvsConfig
from worldsim.tools.other_envs import OTHERS, OtherEnv

HERE = OtherEnv("gymnasium", "CartPole-v1", "nothing", gymnasium.make)
NOWHERE = OtherEnv("no_such_package", "None-v0", "nothing", gymnasium.make)


def test_only_what_is_installed_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_envs, "OTHERS", (HERE, NOWHERE))
    console = Console(width=200, file=StringIO(), record=True)
    console.print(bench_envs._others_table(BenchEnvsConfig(seconds=0.01, resets=1)))
    told = console.export_text()
    assert f"gymnasium {gymnasium.__version__}, CartPole-v1" in told
    assert "None-v0" not in told


@pytest.mark.parametrize("other", OTHERS, ids=lambda other: other.package)
def test_others_step_without_a_screen(other: OtherEnv) -> None:
    pytest.importorskip(other.package)
    env = other.make(other.env_id)
    env.reset(seed=0)
    assert len(env.step(env.action_space.sample())) == 5
    env.close()
