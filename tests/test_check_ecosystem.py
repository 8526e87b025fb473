"""The check of other people's tools: that it proves what it says, and tells what went wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from worldsim.errors import ConfigError
from worldsim.record.episode import Episode
from worldsim.tools import check_ecosystem
from worldsim.tools.check_ecosystem import CheckEcosystemConfig, Outcome, check_environment
from worldsim.tools.ecosystem import environments, formats, numbered
from worldsim.tools.ecosystem.environments import ENVIRONMENTS, Environment

CHECKS = sorted({check for environment in ENVIRONMENTS.values() for check in environment.checks})


@pytest.fixture
def one_environment(monkeypatch):
    """Only an environment of this name, with these checks."""

    def made(*checks: str, tool: str = "torch", packages: tuple[str, ...] = ()) -> None:
        only = {"it": Environment(tool=tool, packages=packages, checks=checks)}
        monkeypatch.setattr(check_ecosystem, "ENVIRONMENTS", only)
        monkeypatch.setattr(environments, "ENVIRONMENTS", only)

    return made


def outcomes(tmp_path: Path, **options) -> list[Outcome]:
    config = CheckEcosystemConfig(only=("it",), cache=tmp_path / "cache", **options)
    return list(check_environment("it", config))


@pytest.mark.parametrize("check", CHECKS)
def test_every_check_is_a_function_that_says_what_it_checks(check):
    module, name = check.split(".")
    path = Path(environments.__file__).with_name(f"{module}.py")
    assert f"def {name}(" in path.read_text()  # its module may need a package that is not here


def test_a_recorded_frame_tells_its_episode_and_its_place(tmp_path):
    numbered.exported(tmp_path, "videofolder")
    for number in range(numbered.EPISODES):
        episode = Episode.open(tmp_path / "recorded" / f"episode_{number:05d}")
        numbered.require_frames(episode.frames(), number)
        assert episode.ticks[5].action == numbered.action_of(number, 5)


def test_frames_that_are_one_off_are_found_out(tmp_path):
    numbered.exported(tmp_path, "videofolder")
    frames = list(Episode.open(tmp_path / "recorded" / "episode_00001").frames())
    with pytest.raises(AssertionError, match="episode 1"):
        numbered.require_frames(iter([*frames[1:], frames[-1]]), 1)


@pytest.mark.parametrize(
    ("check", "library"), [("webdataset_loads", "webdataset"), ("lerobot_layout", "pyarrow")]
)
def test_our_exports_pass(check, library, tmp_path):
    pytest.importorskip(library)
    assert "3 episodes" in getattr(formats, check)(tmp_path)


def test_a_check_that_raises_has_failed_and_tells_its_last_word(one_environment, tmp_path):
    one_environment("formats.no_such_check")
    (outcome,) = outcomes(tmp_path, here=True)
    assert outcome.passed is False
    assert "no_such_check" in outcome.detail
    assert check_ecosystem.report([outcome]).row_count == 1


def test_a_tool_that_is_not_here_is_not_a_failure(one_environment, tmp_path):
    one_environment("formats.lerobot_layout", tool="no-such-tool")
    (outcome,) = outcomes(tmp_path, here=True)
    assert outcome.passed is None
    assert "no-such-tool" in outcome.detail


def test_an_environment_sees_what_is_installed_here_and_is_made_once(one_environment, tmp_path):
    one_environment(packages=("torch",))  # which is here already
    python = environments.interpreter("it", tmp_path, newer_python="python3.12")
    assert python.parents[1] == tmp_path / "it"
    assert check_ecosystem._versions(python, "torch").startswith("torch ")
    made = python.lstat().st_mtime_ns
    assert environments.interpreter("it", tmp_path, newer_python="python3.12") == python
    assert python.lstat().st_mtime_ns == made


def test_a_python_that_is_not_there_is_told(monkeypatch, one_environment, tmp_path):
    one_environment()
    newer = Environment(tool="torch", packages=(), checks=(), own_python=True)
    for module in (check_ecosystem, environments):
        monkeypatch.setattr(module, "ENVIRONMENTS", {"it": newer})
    (outcome,) = outcomes(tmp_path, newer_python="no-such-python")
    assert outcome.passed is None
    assert "no-such-python" in outcome.detail


def test_an_unknown_environment_is_refused_by_name():
    with pytest.raises(ConfigError, match="gymnasium-9"):
        CheckEcosystemConfig(only=("gymnasium-9",))
