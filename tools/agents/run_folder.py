"""The folder of a learning run: what it was asked for, and the agent that came of it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from worldsim.errors import CheckpointError, ConfigError
from worldsim.record.output import replace_file
from worldsim.tools.agents.choices import HOLD_TICKS
from worldsim.tools.agents.course import CourseConfig, WorldName

SETTINGS_FILE: Final = "settings.json"


@dataclass(frozen=True, kw_only=True)
class LearningConfig(CourseConfig):
    """What is learned, and where. Nothing of it may change while a run goes on."""

    env: WorldName = "real"
    """Where to learn."""
    seed: int = 0
    """Of the network and of the starts."""
    hold: int = HOLD_TICKS
    """Ticks for which each choice is held."""
    worlds: int = 8
    """Worlds that move together."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.hold, self.worlds) < 1 or self.seed < 0:
            raise ConfigError(
                "hold and worlds from 1, and a seed from 0",
                f"{self.hold}, {self.worlds}, {self.seed}",
                "Correct the settings.",
            )


def learning_of(config: LearningConfig) -> LearningConfig:
    """The settings of a command that are about learning."""
    return LearningConfig(
        **{field.name: getattr(config, field.name) for field in fields(LearningConfig)}
    )


def claim(folder: Path, learning: LearningConfig) -> None:
    """Begin a run in a folder, or go on with the same.

    Raises:
        ConfigError: there is a run with other settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / SETTINGS_FILE).exists():
        text = json.dumps(asdict(learning), indent=2) + "\n"
        return replace_file(folder / SETTINGS_FILE, text.encode())
    before = asdict(read_settings(folder))
    other = {name: was for name, was in before.items() if was != asdict(learning)[name]}
    if other:
        raise ConfigError(
            f"the settings of the run in {folder}: {other}",
            f"{ {name: asdict(learning)[name] for name in other} }",
            "Choose another --out, or the settings of that run.",
        )
    return None


def read_settings(folder: Path) -> LearningConfig:
    """What a run was asked for. Raises CheckpointError if there is none, or a damaged one."""
    try:
        saved: dict[str, Any] = json.loads((folder / SETTINGS_FILE).read_text(encoding="utf-8"))
        return LearningConfig(**{**saved, "size": tuple(saved["size"])})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            "a run of train_agent", f"{folder}: {error}", "Pass the --out of one."
        ) from error
