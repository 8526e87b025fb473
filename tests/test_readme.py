"""The README's code: every ```python block runs, every `worldsim` command line can be typed."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from worldsim import cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ENVS_README = (ROOT / "envs" / "README.md").read_text(encoding="utf-8")


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def commands() -> list[list[str]]:
    """The words of every command in the bash blocks, comments and `&&` taken apart."""
    text = "\n".join(blocks("bash")).replace("\\\n", " ").replace("&&", "\n")
    return [words for line in text.splitlines() if (words := shlex.split(line, comments=True))]


def typed(program: str) -> list[list[str]]:
    return [words for words in commands() if words[0] == program]


@pytest.mark.parametrize("code", [*blocks("python"), *blocks("python", ENVS_README)])
def test_a_python_block_runs(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})


@pytest.mark.parametrize("words", typed("worldsim"), ids=" ".join)
def test_a_worldsim_command_can_be_typed(words):
    assert cli.parse(words[1], words[2:]) is not None


@pytest.mark.parametrize("words", typed("python"), ids=" ".join)
def test_a_module_that_is_run_exists(words):
    assert words[1] == "-m"
    assert importlib.util.find_spec(words[2]) is not None
