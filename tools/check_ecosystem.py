"""Do other people's tools accept worldsim? `python -m worldsim.tools.check_ecosystem`.

Gymnasium in two versions, Stable-Baselines3, TorchRL, RLlib, Minari, WebDataset, `datasets` and
LeRobot: each in an environment of its own, which is made once and kept, and each check in a process
of its own. Recordings are opened by each format's own loader, with frames that show their number.

    python -m worldsim.tools.check_ecosystem --only gymnasium-1.2.2 minari
    python -m worldsim.tools.check_ecosystem --here  # in this environment, what is installed

Most environments take a minute and less than 0.6 GB. LeRobot needs a Python 3.12 and 6 GB.
The exit code is 1 if a check failed, and 0 if the others could not be run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import platformdirs
import tyro
from rich.console import Console
from rich.table import Table

from worldsim.errors import BackendError, ConfigError
from worldsim.evaluate.machine import describe_machine
from worldsim.tools.ecosystem.__main__ import FOUND_NAME
from worldsim.tools.ecosystem.environments import ENVIRONMENTS, interpreter

VERSIONS = """
import sys
from importlib.metadata import PackageNotFoundError, version
for name in sys.argv[1:]:
    try:
        print(name, version(name))
    except PackageNotFoundError:
        continue
"""


@dataclass(frozen=True, kw_only=True)
class CheckEcosystemConfig:
    """What to check, and where."""

    only: tuple[str, ...] = tuple(ENVIRONMENTS)
    """Environments by name."""
    here: bool = False
    """Make no environment: check what is installed in this one."""
    cache: Path = Path(platformdirs.user_cache_dir("worldsim")) / "ecosystem"
    """Where environments are kept."""
    newer_python: str = "python3.12"
    """The command of a Python 3.12, for LeRobot."""
    limit_s: float = 900.0
    """A check that takes longer has failed."""

    def __post_init__(self) -> None:
        unknown = set(self.only) - set(ENVIRONMENTS)
        if unknown:
            raise ConfigError(
                f"environments among {list(ENVIRONMENTS)}", f"{sorted(unknown)}", "Correct them."
            )


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one check."""

    environment: str
    versions: str
    check: str
    passed: bool | None  # None: it could not be run
    seconds: float
    detail: str


def main(argv: Sequence[str] | None = None) -> int:
    config = tyro.cli(CheckEcosystemConfig, args=argv, description=__doc__)
    console = Console()
    console.print(describe_machine())
    outcomes = []
    for name in config.only:
        for outcome in check_environment(name, config):
            outcomes.append(outcome)
            console.print(report([outcome]))  # at once: the whole takes long
    console.print(report(outcomes))
    return int(any(outcome.passed is False for outcome in outcomes))


def check_environment(name: str, config: CheckEcosystemConfig) -> Iterator[Outcome]:
    """Make the environment and run its checks, one process each."""
    wanted = ENVIRONMENTS[name]
    try:
        python = Path(sys.executable)
        if not config.here:
            python = interpreter(name, config.cache, newer_python=config.newer_python)
        versions = _versions(python, wanted.tool)
    except BackendError as error:
        yield _not_run(name, str(error))
        return
    for check in wanted.checks:
        yield _checked(name, versions, check, python, config.limit_s)


def report(outcomes: Sequence[Outcome]) -> Table:
    """A row a check."""
    words = {True: "[green]pass[/]", False: "[red]FAIL[/]", None: "[yellow]not run[/]"}
    table = Table("environment", "versions", "check", "result", "s", "found")
    for one in outcomes:
        row = (one.environment, one.versions, one.check, words[one.passed])
        table.add_row(*row, f"{one.seconds:.0f}", one.detail)
    return table


def _checked(name: str, versions: str, check: str, python: Path, limit_s: float) -> Outcome:
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        passed, detail = _run(check, python, Path(folder), limit_s)
    seconds = time.perf_counter() - begun
    return Outcome(
        environment=name,
        versions=versions,
        check=check.split(".")[1],
        passed=passed,
        seconds=seconds,
        detail=detail,
    )


def _run(check: str, python: Path, folder: Path, limit_s: float) -> tuple[bool, str]:
    command = [str(python), "-m", "worldsim.tools.ecosystem", check, str(folder)]
    environment = {**os.environ, "SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy"}
    try:
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False, f"still running after {limit_s:.0f} s"
    if done.returncode == 0:
        return True, (folder / FOUND_NAME).read_text(encoding="utf-8")
    lines = done.stderr.strip().splitlines()
    return False, lines[-1] if lines else f"exit code {done.returncode}"


def _versions(python: Path, tool: str) -> str:
    """Of the tool and of Gymnasium. BackendError if the tool is not there."""
    command = [str(python), "-c", VERSIONS, *dict.fromkeys((tool, "gymnasium"))]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    if not any(line.startswith(f"{tool} ") for line in told):
        raise BackendError(f"the package {tool}", "none here", "Leave out --here, or install it.")
    return ", ".join(told)


def _not_run(name: str, reason: str) -> Outcome:
    return Outcome(
        environment=name, versions="", check="all", passed=None, seconds=0.0, detail=reason
    )


if __name__ == "__main__":
    raise SystemExit(main())
