"""The environments that checks run in: which packages, and how one is made.

An environment lies on top of the present one: it sees all that is installed there, worldsim and
torch included, and has its own packages in front. So it takes seconds and not gigabytes, and torch
stays the version that is here. One that needs a newer Python has everything for itself.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import torch

import worldsim
from worldsim.errors import BackendError

GYMNASIUM = (
    "gymnasium_checks.async_workers",
    "gymnasium_checks.every_id",
    "gymnasium_checks.vector_parity",
    "gymnasium_checks.record_video",
    "gymnasium_checks.play",
    "gymnasium_checks.environments_match",
    "gymnasium_checks.step_benchmark",
)


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Packages, and the checks (module.function) that they are for."""

    tool: str  # the distribution that is asked; its version stands in the report
    packages: tuple[str, ...]
    checks: tuple[str, ...]
    own_python: bool = False  # needs a newer Python, and so its own copy of everything

    def recipe(self, python: str) -> str:
        """Tells environments apart: one that was made by another recipe is made anew."""
        return " ".join((python, torch.__version__, *self.packages)) + "\n"


def _gymnasium(version: str) -> Environment:
    packages = (f"gymnasium=={version}", "moviepy")
    return Environment(tool="gymnasium", packages=packages, checks=GYMNASIUM)


ENVIRONMENTS = {
    "gymnasium-1.4.0": _gymnasium("1.4.0"),
    "gymnasium-1.2.2": _gymnasium("1.2.2"),  # the one that RLlib wants
    "sb3": Environment(
        tool="stable-baselines3",
        packages=("stable-baselines3==2.9.*",),
        checks=("learners.sb3_finds_no_fault", "learners.sb3_learns"),
    ),
    "torchrl": Environment(
        tool="torchrl",
        packages=("torchrl==0.14.*",),
        checks=("learners.torchrl_finds_no_fault",),
    ),
    "rllib": Environment(
        tool="ray", packages=("ray[rllib]==2.60.*",), checks=("learners.rllib_learns",)
    ),
    "minari": Environment(
        tool="minari",
        packages=("minari[create,hdf5]==0.5.*",),
        checks=("formats.minari_loads", "formats.minari_recovers"),
    ),
    "webdataset": Environment(
        tool="webdataset", packages=("webdataset>=1",), checks=("formats.webdataset_loads",)
    ),
    "datasets": Environment(
        tool="datasets", packages=("datasets>=5",), checks=("formats.videofolder_loads",)
    ),
    "lerobot": Environment(
        tool="lerobot",
        packages=("lerobot[dataset]==0.6.*",),
        checks=("formats.lerobot_loads",),
        own_python=True,
    ),
    "product": Environment(
        tool="torch",
        packages=("pyarrow>=17", "pytest>=8", "pytest-timeout>=2.3"),
        checks=("formats.lerobot_layout", "product.weights_round_trip", "product.virtual_gamepad"),
    ),
}


def interpreter(name: str, cache: Path, *, newer_python: str) -> Path:
    """The Python of an environment, which is made if it is not there yet.

    Args:
        newer_python: the command of a Python 3.12, for the environments that need their own.

    Raises:
        BackendError: a package cannot be installed, or there is no such Python.
    """
    wanted, folder = ENVIRONMENTS[name], cache / name
    base = newer_python if wanted.own_python else sys.executable
    python, made_by = folder / "bin" / "python", folder / "recipe.txt"
    if not made_by.exists() or made_by.read_text(encoding="utf-8") != wanted.recipe(base):
        shutil.rmtree(folder, ignore_errors=True)
        _run(base, "-m", "venv", str(folder))
        if wanted.own_python:
            _install(python, "-e", str(_checkout()), *wanted.packages)
        else:
            _lay_on_present(python)
            constraint = folder / "constraints.txt"
            constraint.write_text(f"torch=={torch.__version__}\n", encoding="utf-8")
            _install(python, "-c", str(constraint), *wanted.packages)
        made_by.write_text(wanted.recipe(base), encoding="utf-8")
    return python


def _lay_on_present(python: Path) -> None:
    """A .pth file, so that the present environment's own .pth files are read as well."""
    (site,) = python.parents[1].glob("lib/python*/site-packages")
    below = sysconfig.get_path("purelib")
    (site / "_below.pth").write_text(f"import site; site.addsitedir({below!r})\n", encoding="utf-8")


def _install(python: Path, *packages: str) -> None:
    _run(str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages)


def _checkout() -> Path:
    root = Path(worldsim.__file__).parents[1]
    if not (root / "pyproject.toml").exists():
        raise BackendError("a checkout of worldsim", str(root), "Clone the repository.")
    return root


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise _failed(command, str(error)) from error
    if done.returncode:
        told = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise _failed(command, told[-1])


def _failed(command: tuple[str, ...], got: str) -> BackendError:
    remedy = "Check that the Python and the package index are in reach, or leave this one out."
    return BackendError(f"`{' '.join(command)}` to work", got, remedy)
