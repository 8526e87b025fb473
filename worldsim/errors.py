"""Errors a user can act on: each says what was expected, what came, and what to do."""

from __future__ import annotations


class WorldsimError(Exception):
    """Base of every error that worldsim raises on purpose."""

    def __init__(self, expected: str, got: str, remedy: str) -> None:
        super().__init__(f"expected {expected}; got {got}. {remedy}")
        self.expected = expected
        self.got = got
        self.remedy = remedy

    def __reduce__(self) -> tuple[type[WorldsimError], tuple[str, str, str]]:
        return type(self), (self.expected, self.got, self.remedy)


class ActionError(WorldsimError):
    """An action is out of range, not finite, or of another schema."""


class CheckpointError(WorldsimError):
    """A checkpoint is missing, damaged, foreign, or of another schema."""


class ImageError(WorldsimError):
    """A start image cannot be read or is unusable."""


class OutputError(WorldsimError):
    """A place to write to is occupied or cannot be written."""


class ScriptError(WorldsimError):
    """A rollout script has an unknown key or an impossible value."""


class SceneError(WorldsimError):
    """A scene or a seed does not exist or is not usable."""


class StateError(WorldsimError):
    """A saved state is damaged or was made with other weights."""


class EpisodeError(WorldsimError):
    """A recorded episode is missing a part, damaged, or of another schema."""


class BackendError(WorldsimError):
    """A renderer, device or runtime asked for by name is not available."""


class TrainingError(WorldsimError):
    """A training run has diverged."""


class ConfigError(WorldsimError, ValueError):
    """A configuration value is outside its domain."""
