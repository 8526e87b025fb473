"""`worldsim eval`: runs the suites against the ground-truth twin and tells the results."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from worldsim.errors import ConfigError, OutputError
from worldsim.evaluate.budget import BUDGETS, PARTS, Part, SuiteName

HELD_OUT_FROM = 5_000_000  # training uses seeds below 1,000,000


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalConfig:
    """What `worldsim eval` measures.

    Args:
        suite: quick (four minutes) or full (about two and a quarter hours; two with 8 seeds), both
            on two cores at 20 to 25 frames a second.
        seeds: START:COUNT, the worlds to play in; held-out worlds begin at 5000000.
        json: also write the results into this file.
        report: also write report.md into this folder, with contact sheets, and with plots where
            matplotlib is installed (the `report` extra).
        checkpoint: a checkpoint's name or path.
        device: auto, cpu, cuda ...
        backend: who computes the dream: auto, torch or onnx.
        steps: denoising steps a frame; the checkpoint's own number without it.
        renderer: who draws the truth: auto, gl or torch.
        only: parts to run; all without it.
        allow_training_seeds: accept seeds that training has seen.
    """

    suite: SuiteName = "quick"
    seeds: str = f"{HELD_OUT_FROM}:16"
    json: Path | None = None
    report: Path | None = None
    checkpoint: str = "default"
    device: str = "auto"
    backend: str = "torch"
    steps: int | None = None
    renderer: str = "auto"
    only: tuple[Part, ...] = ()
    allow_training_seeds: bool = False

    def __post_init__(self) -> None:
        if self.suite not in BUDGETS:
            raise ConfigError(f"a suite among {list(BUDGETS)}", repr(self.suite), "Choose one.")
        unknown = [part for part in self.only if part not in PARTS]
        if unknown:
            raise ConfigError(f"parts among {list(PARTS)}", f"{unknown}", "Correct --only.")
        first = self.seed_range.start
        if first < HELD_OUT_FROM and not self.allow_training_seeds:
            raise ConfigError(
                f"held-out seeds, from {HELD_OUT_FROM} on",
                f"{self.seeds} (training uses seeds below 1000000)",
                f"Use --seeds {HELD_OUT_FROM}:16, or pass --allow-training-seeds.",
            )

    @property
    def seed_range(self) -> range:
        start, colon, count = self.seeds.partition(":")
        if not (colon and start.isdecimal() and count.isdecimal() and int(count) > 0):
            raise ConfigError(
                "seeds as START:COUNT with a positive count",
                repr(self.seeds),
                f"For example --seeds {HELD_OUT_FROM}:16.",
            )
        return range(int(start), int(start) + int(count))


def run(config: EvalConfig) -> int:
    """Evaluate a checkpoint, and tell of it on the console and where it was asked for.

    Returns 0 when done. Raises OutputError before the work begins if results could not be written.
    """
    require_writable(config)
    from rich.console import Console

    from worldsim.evaluate.evaluation import evaluate_checkpoint

    evaluate_checkpoint(config, Console())
    return 0


def require_writable(config: EvalConfig) -> None:
    """Raise OutputError now rather than after the work."""
    if config.json is not None and (config.json.is_dir() or not config.json.parent.is_dir()):
        raise OutputError(
            "a file in an existing folder", f"--json {config.json}", "Create the folder first."
        )
    if config.report is not None and config.report.exists() and not config.report.is_dir():
        raise OutputError("a folder", f"--report {config.report}, a file", "Name another folder.")
