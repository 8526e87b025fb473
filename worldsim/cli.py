"""`worldsim play | record | replay | export | import | eval | doctor`.

Only the chosen command's package is imported, so that help comes at once. Each command is a
frozen config dataclass, whose fields are its options, and a function `run(config) -> exit code`.

Exit codes: 0 done, 2 the user can mend it (one message on stderr), 130 interrupted.
"""

from __future__ import annotations

import difflib
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from worldsim import __version__
from worldsim.errors import WorldsimError

if TYPE_CHECKING:
    from tyro.constructors import PrimitiveConstructorSpec, PrimitiveTypeInfo

DONE = 0
WRONG_USAGE = 2
INTERRUPTED = 130

_NUMBERS: dict[Any, str] = {int: "a whole number", float: "a number"}


@dataclass(frozen=True, slots=True)
class Command:
    """Where a command lives, what it does, and how it is typed."""

    module: str
    config: str
    summary: str
    examples: tuple[str, ...]


COMMANDS = {
    "play": Command(
        "worldsim.play.app",
        "PlayConfig",
        "Walk through a dreamed world, or the true one, in a window.",
        (
            "worldsim play",
            "worldsim play --image photo.jpg",
            "worldsim play --load quick",
            "worldsim play --world real --scene forest --seed 3",
            "worldsim play --policy scripted",
        ),
    ),
    "record": Command(
        "worldsim.record.rollout",
        "RecordConfig",
        "Run a script in a world and write the episode to a folder.",
        (
            "worldsim record --out walk --script stroll --seed 3",
            "worldsim record --out walks --script wander --episodes 100 --workers 2 --resume",
        ),
    ),
    "replay": Command(
        "worldsim.play.watch",
        "WatchConfig",
        "Run a recorded episode's actions again: compare the frames, or watch them.",
        ("worldsim replay walk", "worldsim replay walk --watch --speed 2"),
    ),
    "export": Command(
        "worldsim.record.exporters.command",
        "ExportConfig",
        "Write recordings in another tool's format.",
        ("worldsim export walks --format lerobot --out walks_lerobot",),
    ),
    "import": Command(
        "worldsim.record.importers.command",
        "ImportConfig",
        "Turn other tools' recordings into episodes.",
        ("worldsim import basalt --format vpt --size 128 80 --out walks",),
    ),
    "eval": Command(
        "worldsim.evaluate.report",
        "EvalConfig",
        "Measure a dream against the true world.",
        ("worldsim eval --suite quick --report report",),
    ),
    "doctor": Command(
        "worldsim.play.doctor",
        "DoctorConfig",
        "Tell what this machine can do, and how to mend what it cannot.",
        ("worldsim doctor",),
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    verbose = arguments[:1] in (["-v"], ["--verbose"])
    logging.basicConfig(
        format="%(name)s: %(message)s", level=logging.INFO if verbose else logging.WARNING
    )
    try:
        return _dispatch(arguments[1:] if verbose else arguments)
    except WorldsimError as error:
        sys.stderr.write(f"worldsim: {error}\n")
        return WRONG_USAGE
    except KeyboardInterrupt:
        return INTERRUPTED


def help_text() -> str:
    """What `worldsim --help` prints."""
    width = max(map(len, COMMANDS))
    commands = [f"  {name:<{width}}  {command.summary}" for name, command in COMMANDS.items()]
    examples = [f"  {line}" for command in COMMANDS.values() for line in command.examples]
    return "\n".join(
        (
            "usage: worldsim [-v] COMMAND [OPTIONS]",
            "",
            "Playable neural worlds.",
            "",
            "commands:",
            *commands,
            "",
            "options:",
            "  -h, --help     this text; `worldsim COMMAND --help` explains a command's options",
            "  -v, --verbose  tell what is chosen and why (renderer, device, model)",
            "  --version      the version",
            "",
            "examples:",
            *examples,
            "",
        )
    )


def parse(name: str, arguments: Sequence[str]) -> Any:
    """The config of a command line; wrong options end the program with exit code 2."""
    import tyro

    command = COMMANDS[name]
    config_class = getattr(import_module(command.module), command.config)
    registry = tyro.constructors.ConstructorRegistry()
    registry.primitive_rule(_number_rule)
    with registry:
        return tyro.cli(config_class, prog=f"worldsim {name}", args=arguments)


def _number_rule(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    """How tyro reads numbers, so that a wrong one is refused in this project's words."""
    if info.type not in _NUMBERS:
        return None
    from tyro.constructors import PrimitiveConstructorSpec

    kind, words = info.type, _NUMBERS[info.type]

    def read(texts: list[str]) -> Any:
        try:
            return kind(texts[0])
        except ValueError:
            message = f"expected {words}; got {texts[0]!r}. Write a number there."
            raise ValueError(message) from None

    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=kind.__name__.upper(),
        instance_from_str=read,
        is_instance=lambda value: type(value) in (int, kind),
        str_from_instance=lambda value: [str(value)],
    )


def _dispatch(arguments: list[str]) -> int:
    name = arguments[0] if arguments else ""
    if name in ("-h", "--help"):
        sys.stdout.write(help_text())
        return DONE
    if name == "--version":
        sys.stdout.write(f"worldsim {__version__}\n")
        return DONE
    if name not in COMMANDS:
        sys.stderr.write(_unknown(name))
        return WRONG_USAGE
    config = parse(name, arguments[1:])
    return int(import_module(COMMANDS[name].module).run(config))


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, COMMANDS, n=1)
    hint = f"Did you mean `worldsim {near[0]}`?" if near else "Run `worldsim --help`."
    got = repr(name) if name else "nothing"
    return f"worldsim: expected a command, one of {', '.join(COMMANDS)}; got {got}. {hint}\n"
