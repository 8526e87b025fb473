"""The command line: help that teaches, errors that say what to do, and exit codes."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
from fakes import FakeCommandConfig

from worldsim import __version__, cli
from worldsim.errors import SceneError

COMMAND_NAMES = ("play", "record", "replay", "export", "import", "eval", "doctor")


@pytest.fixture
def fake_command(monkeypatch):
    """A command `fake` whose run() is set by the test; returns the module in its place."""
    module = SimpleNamespace(FakeCommandConfig=FakeCommandConfig, run=lambda config: 0)
    monkeypatch.setitem(sys.modules, "fake_command", module)
    command = cli.Command("fake_command", "FakeCommandConfig", "Fakes.", ("worldsim fake",))
    monkeypatch.setitem(cli.COMMANDS, "fake", command)
    return module


def examples():
    return [
        pytest.param(name, line, id=line)
        for name, command in cli.COMMANDS.items()
        for line in command.examples
    ]


def test_help_names_every_command_and_shows_examples(capsys):
    assert cli.main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(f"  {name} " in printed for name in COMMAND_NAMES)
    assert all(line in printed for command in cli.COMMANDS.values() for line in command.examples)


def test_help_and_version_import_nothing_heavy():
    program = (
        "import sys; from worldsim.cli import main; main(['--help']); main(['--version']);"
        "print(sorted({'torch', 'pygame', 'moderngl', 'av', 'tyro', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_version_is_printed(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"worldsim {__version__}\n"


@pytest.mark.parametrize("name", COMMAND_NAMES)
def test_every_command_explains_its_options(name, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([name, "--help"])
    assert stop.value.code == 0
    assert f"usage: worldsim {name}" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "line"), examples())
def test_every_example_in_the_help_can_be_typed(name, line):
    words = line.split()
    assert words[:2] == ["worldsim", name]
    assert cli.parse(name, words[2:]) is not None


@pytest.mark.parametrize("name", COMMAND_NAMES)
def test_every_command_has_an_example(name):
    assert cli.COMMANDS[name].examples


def test_no_command_is_a_wrong_usage_that_lists_the_commands(capsys):
    assert cli.main([]) == 2
    assert ", ".join(COMMAND_NAMES) in capsys.readouterr().err


def test_a_misspelt_command_is_guessed(capsys):
    assert cli.main(["paly"]) == 2
    assert "Did you mean `worldsim play`?" in capsys.readouterr().err


def test_a_command_runs_with_its_options_and_returns_its_code(fake_command):
    fake_command.run = lambda config: config.seed
    assert cli.main(["fake", "--seed", "5"]) == 5


@pytest.mark.parametrize(
    ("option", "words"), [("--seed", "a whole number"), ("--speed", "a number")]
)
def test_a_wrong_number_says_expected_got_and_remedy(option, words, fake_command, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["fake", option, "seven"])
    printed = " ".join(capsys.readouterr().err.split())
    assert stop.value.code == 2
    assert f"expected {words}; got 'seven'." in printed
    assert "Write a number" in printed


def test_a_value_that_the_config_refuses_exits_with_its_message(fake_command, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["fake", "--speed", "-1"])
    assert stop.value.code == 2
    assert "a positive speed" in capsys.readouterr().err


def test_an_unknown_option_exits_with_a_guess(fake_command, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["fake", "--sead", "1"])
    assert stop.value.code == 2
    assert "--seed" in capsys.readouterr().err


def test_a_users_mistake_is_one_message_and_no_traceback(fake_command, capsys):
    def run(config):
        raise SceneError("a scene", "a heap", "Choose another.")

    fake_command.run = run
    assert cli.main(["fake"]) == 2
    assert capsys.readouterr().err == "worldsim: expected a scene; got a heap. Choose another.\n"


def test_an_interruption_is_quiet(fake_command, capsys):
    def run(config):
        raise KeyboardInterrupt

    fake_command.run = run
    assert cli.main(["fake"]) == 130
    assert capsys.readouterr().err == ""
