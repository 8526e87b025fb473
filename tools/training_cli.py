"""What the training commands share: recipes and options."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import tyro
from rich.console import Console

from worldsim.errors import ConfigError
from worldsim.tools import command
from worldsim.train.trainer import RunConfig

C = TypeVar("C", bound=RunConfig)

RECIPES = Path(str(files("worldsim.assets.recipes")))
RECIPE = "--recipe"


def run(config_type: type[C], train: Callable[[C, Console], None]) -> int:
    """Exit code 0 when the time is up, 2 for a user's mistake, 130 when stopped."""
    stopped = "Stopped and saved. Continue with the same --out."
    return command.run(lambda: parse(config_type, sys.argv[1:]), train, stopped)


def parse(config_type: type[C], arguments: list[str]) -> C:
    """The configuration of a command line that may begin with `--recipe NAME_OR_FILE`.

    A recipe is a TOML file of options, tables for nested ones; options on the command line win.
    """
    if arguments[:1] == [RECIPE]:
        if len(arguments) < 2:
            raise ConfigError(f"{RECIPE} NAME_OR_FILE", RECIPE, _known())
        arguments = [*as_options(read_recipe(arguments[1])), *arguments[2:]]
    hint = f"Begin with {RECIPE} NAME_OR_FILE for a set of options. {_known()}"
    return tyro.cli(config_type, args=arguments, description=f"{config_type.__doc__}\n\n{hint}")


def read_recipe(name_or_path: str) -> dict[str, Any]:
    """A shipped recipe by name, or a file. Raises ConfigError for one that cannot be read."""
    shipped = RECIPES / f"{name_or_path}.toml"
    path = shipped if shipped.is_file() else Path(name_or_path)
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError("a recipe", f"{name_or_path!r}: {error}", _known()) from error
    except ValueError as error:
        raise ConfigError("a TOML file", f"{path}: {error}", "Correct it.") from error


def as_options(table: Mapping[str, Any], prefix: str = "--") -> Iterator[str]:
    """Command-line arguments that say the same as a recipe."""
    for name, value in table.items():
        option = prefix + name.replace("_", "-")
        if isinstance(value, Mapping):
            yield from as_options(value, f"{option}.")
        elif isinstance(value, bool):
            yield option if value else f"{prefix}no-{name.replace('_', '-')}"
        else:
            yield option
            yield from map(str, value if isinstance(value, list) else [value])


def _known() -> str:
    return f"Shipped recipes: {', '.join(sorted(path.stem for path in RECIPES.glob('*.toml')))}."
