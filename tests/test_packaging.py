"""The wheel has every folder and data file, and importing the package stays cheap."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
PACKAGES = SETUPTOOLS["packages"]
PACKAGE_DIR = SETUPTOOLS["package-dir"]
PACKAGE_DATA = SETUPTOOLS["package-data"]
ASSETS_LIMIT_MB = 40

data_globs = pytest.mark.parametrize(
    ("package", "pattern"),
    [(package, pattern) for package, patterns in PACKAGE_DATA.items() for pattern in patterns],
)


def folder_of(package: str) -> Path:
    """Where a package lies in the checkout, by the longest entry of package-dir."""
    root = max((name for name in PACKAGE_DIR if f"{package}.".startswith(f"{name}.")), key=len)
    return ROOT / PACKAGE_DIR[root] / package[len(root) :].lstrip(".").replace(".", "/")


def python(program: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_packages_list_equals_the_folders_on_disk():
    on_disk = {
        ".".join((root, *path.parent.relative_to(ROOT / folder).parts))
        for root, folder in PACKAGE_DIR.items()
        for path in (ROOT / folder).rglob("*.py")
    }
    assert on_disk == set(PACKAGES)
    assert len(PACKAGES) == len(set(PACKAGES))


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_has_an_init(package):
    assert (folder_of(package) / "__init__.py").is_file()


@data_globs
def test_every_data_glob_matches_a_file(package, pattern):
    assert any(path.is_file() for path in folder_of(package).glob(pattern))


def test_every_asset_is_in_the_wheel_but_the_readmes_pictures():
    shipped = {
        path
        for package, patterns in PACKAGE_DATA.items()
        for pattern in patterns
        for path in folder_of(package).glob(pattern)
    }
    files = {
        path
        for path in (ROOT / "assets").glob("*/**/*")
        if path.is_file() and path.suffix != ".py" and "__pycache__" not in path.parts
    }
    assert files <= shipped


def test_the_engine_finds_its_assets_by_package_and_not_by_path():
    """`__file__` points into different folders in a checkout and in an installed package."""
    library = [path for path in (ROOT / "worldsim").rglob("*.py") if path.parent.name != "worldsim"]
    by_path = [str(path) for path in library if "Path(__file__)" in path.read_text("utf-8")]
    assert not by_path, "use importlib.resources.files"


def test_the_assets_stay_small():
    size = sum(path.stat().st_size for path in (ROOT / "assets").rglob("*") if path.is_file())
    assert size <= ASSETS_LIMIT_MB * 1e6


def test_a_top_level_kernels_package_refuses_to_be_imported():
    spec = importlib.util.spec_from_file_location("kernels", ROOT / "kernels" / "__init__.py")
    with pytest.raises(ImportError, match=r"worldsim\.kernels"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


def test_importing_worldsim_loads_nothing_heavy_and_says_nothing(tmp_path):
    program = "import sys, worldsim; assert not {'torch', 'pygame', 'moderngl'} & set(sys.modules)"
    assert python(program, tmp_path) == ""


@pytest.mark.parametrize("where", ["the checkout's root", "elsewhere"])
def test_every_package_can_be_imported_wherever_python_starts(where, tmp_path):
    program = "\n".join(f"import {package}" for package in PACKAGES)
    python(program, ROOT if where != "elsewhere" else tmp_path)


def test_importing_worldsim_registers_the_environments(tmp_path):
    program = "import gymnasium, worldsim; print(*sorted(gymnasium.registry))"
    ids = python(program, tmp_path).split()
    assert {"worldsim/Blocks-v0", "worldsim/Dream-v0"} <= set(ids)


def test_the_version_is_the_distributions():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (
        project["version"] == python("import worldsim; print(worldsim.__version__)", ROOT).strip()
    )
