"""A time-boxed, resumable training loop; what is trained, and how, is a `Stage`."""

from __future__ import annotations

import json
import math
import signal
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBar
from torch import Tensor

from worldsim.camera import Intrinsics
from worldsim.errors import ConfigError, TrainingError
from worldsim.model.checkpoint import load_checkpoint, save_checkpoint
from worldsim.model.conv import channels_last
from worldsim.model.presets import preset
from worldsim.model.world_model import WorldModel
from worldsim.train.data import BlockWalks, DataConfig, Episode, EpisodePool, EpisodeSource
from worldsim.train.ema import Ema
from worldsim.train.optim import make_optimizers, scale_learning_rates
from worldsim.train.recorded import RecordedWalks
from worldsim.train.recording_search import find_recordings
from worldsim.train.runtime import Runtime
from worldsim.train.store import Progress, load_state, save_divergence, save_state

SAVING_S = 15.0  # kept back from the time limit
LOG_EVERY = 20  # steps


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """What every stage's run has: a place, a time limit, a pace."""

    out: Path = Path("runs/model")
    """Folder of this run's state, log, sheets and checkpoint; resumed when it holds a state."""
    preset: str = "small"
    """Model size: tiny, small, base, xl."""
    minutes: float = 60.0
    """Stop after this much time, all included."""
    schedule_minutes: float | None = None
    """Length of the whole learning-rate schedule, over all resumed runs; `minutes` by default."""
    init_from: str | None = None
    """Checkpoint that a new run starts from; the model is then of its size."""
    device: str = "auto"
    """auto, cpu or cuda."""
    learning_rate: float = 7e-4
    """AdamW's peak; Muon's is 20 times as high."""
    warmup_steps: int = 40
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    ema_decay: float = 0.998
    episodes_per_step: float = 0.2
    """How many fresh episodes join the pool at each step."""
    workers: int = 1
    """Processes that make episodes."""
    recordings: tuple[Path, ...] = ()
    """Folders to search for recorded episodes to train on, in place of the block world: ours, made
    with --depth, or pairs of mp4 and jsonl as VPT's, whose depth is then a simple stage."""
    strict: bool = False
    """Refuse damaged recordings; otherwise each is skipped with a warning."""
    vpt_fov_y_deg: float = 70.0
    """Vertical field of view of VPT recordings, which do not tell theirs; the game's default."""
    evaluate_minutes: float = 10.0
    """Time between evaluations, each of which also saves."""
    seed: int = 0
    data: DataConfig = field(default_factory=DataConfig)

    def __post_init__(self) -> None:
        if not (self.minutes > 0 and self.evaluate_minutes > 0 and self.learning_rate > 0):
            raise ConfigError(
                "positive minutes, evaluate_minutes and learning_rate",
                f"{self.minutes}, {self.evaluate_minutes}, {self.learning_rate}",
                "Correct the training configuration.",
            )


class Stage(Protocol):
    """One kind of training: a model, its loss, a look at it, and what it leaves behind."""

    name: str
    model: WorldModel

    @property
    def drawn(self) -> list[Episode]:
        """What the last losses were computed from."""

    def losses(
        self,
        average: WorldModel,
        episodes: list[Episode],
        step: int,
        rng: np.random.Generator,
    ) -> dict[str, Tensor]:
        """Scalars to log; "total" is the one to descend. Runs under autocast."""

    def evaluate(self, average: WorldModel, step: int, folder: Path) -> dict[str, float]:
        """Figures of merit; may write contact sheets into `folder`."""


class Pool(Protocol):
    """Where a trainer gets its episodes from; the processes of an `EpisodePool` make them."""

    episodes: list[Episode]
    rendered: int

    def refresh(self, *, wait: bool = False) -> bool: ...

    def close(self) -> None: ...


class Trainer:
    """Owns model, average, optimizers, pool and progress of one process of a run."""

    def __init__(
        self,
        config: RunConfig,
        stage: Stage,
        runtime: Runtime,
        console: Console,
        make_pool: Callable[[DataConfig, Intrinsics, int], Pool] = EpisodePool,
    ) -> None:
        self.config, self.stage, self.runtime, self.console = config, stage, runtime, console
        self.make_pool = make_pool
        stage.model.to(runtime.device)
        self.ema = Ema(stage.model, config.ema_decay)
        self.optimizers = make_optimizers(stage.model, config.learning_rate, config.weight_decay)
        loaded = load_state(config.out, stage.model, self.ema, self.optimizers)
        self.progress = loaded or Progress()
        self.rng = np.random.default_rng((config.seed, runtime.rank, self.progress.step))
        torch.manual_seed(int(self.rng.integers(2**31)))  # resumed runs see other noise
        self._base = replace(self.progress)

    def run(self) -> None:
        """Train until the time is up or the process is told to stop; leaves a state either way.

        Raises TrainingError when the loss or its gradient is not finite. The state on disk then
        stays the last one saved before, and `diverged.json` tells what the batch was made of.
        """
        config, runtime = self.config, self.runtime
        seed = int(self.rng.integers(2**31))  # and other worlds
        pool = self.make_pool(
            replace(config.data, seed=seed), self.stage.model.config.intrinsics, config.workers
        )
        diverged = False
        try:
            with self._bar() as bar:
                self._fill(pool, bar)
                self._loop(pool, bar)
        except TrainingError:
            diverged = True
            raise
        finally:
            pool.close()
            if runtime.leads and not diverged:
                self._save()

    def _fill(self, pool: Pool, bar: ProgressBar) -> None:
        first = self.config.data.first
        task = bar.add_task("gathering first episodes", total=first, loss="")
        while len(pool.episodes) < first:
            pool.refresh(wait=True)
            bar.update(task, completed=len(pool.episodes))
        bar.remove_task(task)

    def _loop(self, pool: Pool, bar: ProgressBar) -> None:
        config, runtime = self.config, self.runtime
        task = bar.add_task("training", total=config.minutes * 60, loss="")
        next_evaluation_s = config.evaluate_minutes * 60
        while not runtime.time_is_up(reserve_s=SAVING_S):
            self._refresh(pool)
            loss = self._step(pool.episodes)
            elapsed_s = runtime.elapsed_s()
            self.progress.seconds = self._base.seconds + elapsed_s
            bar.update(task, completed=elapsed_s, loss=f"{loss:.4f}")
            if elapsed_s > next_evaluation_s and runtime.leads:
                next_evaluation_s = elapsed_s + config.evaluate_minutes * 60
                self._evaluate()

    def _refresh(self, pool: Pool) -> None:
        wanted = self.config.data.first + self.config.episodes_per_step * (
            self.progress.step - self._base.step
        )
        while pool.rendered < wanted and pool.refresh():
            pass

    def _step(self, episodes: list[Episode]) -> float:
        config, step, model = self.config, self.progress.step, self.stage.model
        factor = learning_rate_factor(config, self.progress)
        scale_learning_rates(self.optimizers, config.learning_rate, factor)
        with self.runtime.autocast():
            losses = self.stage.losses(self.ema.model, episodes, step, self.rng)
        losses["total"].backward()
        self.runtime.average_gradients(model)
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
        total = float(losses["total"].detach())
        if not (math.isfinite(total) and math.isfinite(norm)):
            raise self._diverged(total, float(norm))
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.ema.update(model)
        self.progress.step += 1
        if step % LOG_EVERY == 0 and self.runtime.leads:
            self._log({name: float(value.detach()) for name, value in losses.items()})
        return total

    def _diverged(self, loss: float, gradient_norm: float) -> TrainingError:
        """The error of this step; what its batch was made of is written down."""
        runtime, step = self.runtime, self.progress.step
        name = "diverged.json" if runtime.leads else f"diverged_{runtime.rank}.json"
        figures = {"step": step, "loss": loss, "gradient_norm": gradient_norm}
        save_divergence(self.config.out / name, figures, self.stage.drawn)
        return TrainingError(
            f"a finite loss and gradient at step {step}",
            f"loss {loss:g} with a gradient of norm {gradient_norm:g}",
            f"{self.config.out / name} tells what the batch was made of. Call it again with the "
            "same --out, to go on from the last state saved, and a lower --learning-rate.",
        )

    def _evaluate(self) -> None:
        self._save()
        with self.runtime.autocast(), torch.no_grad():
            folder = self.config.out / "sheets"
            scores = self.stage.evaluate(self.ema.model, self.progress.step, folder)
        self._log(scores)
        shown = "  ".join(f"{name} {value:.2f}" for name, value in scores.items())
        self.console.print(f"step {self.progress.step}  {shown}")

    def _save(self) -> None:
        save_state(self.config.out, self.stage.model, self.ema, self.optimizers, self.progress)
        record = {
            "stage": self.stage.name,
            "steps": self.progress.step,
            "minutes": round(self.progress.seconds / 60, 1),
            "device": self.runtime.device.type,
            "init_from": self.config.init_from,
            "torch": torch.__version__,
        }
        save_checkpoint(self.ema.model, self.config.out / "checkpoint", record)

    def _log(self, values: dict[str, float]) -> None:
        self.config.out.mkdir(parents=True, exist_ok=True)
        line = {"step": self.progress.step, "seconds": round(self.progress.seconds, 1), **values}
        with (self.config.out / "log.jsonl").open("a") as stream:
            stream.write(json.dumps(line) + "\n")

    def _bar(self) -> ProgressBar:
        return ProgressBar(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("loss {task.fields[loss]}"),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.runtime.leads,
        )


def train(
    config: RunConfig,
    make_stage: Callable[[WorldModel, EpisodeSource], Stage],
    console: Console,
) -> None:
    """Run a stage in this process; under torchrun, in each of its processes."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a kill saves, as Ctrl+C does
    runtime = Runtime.start(config.device, config.minutes * 60)
    try:
        model = initial_model(config)
        source = episode_source(config, model.config.intrinsics)
        make_pool = partial(EpisodePool, source=source)
        Trainer(config, make_stage(model, source), runtime, console, make_pool).run()
    finally:
        runtime.close()


def learning_rate_factor(config: RunConfig, progress: Progress) -> float:
    """Linear warm-up over steps, then a cosine over the scheduled time, down to 5 %."""
    total_s = 60.0 * (config.schedule_minutes or config.minutes)
    warm = min(1.0, (progress.step + 1) / config.warmup_steps)
    cosine = 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress.seconds / total_s)))
    return warm * (0.05 + 0.95 * cosine)


def episode_source(config: RunConfig, camera: Intrinsics) -> EpisodeSource:
    """The recordings that a run is given, or else the block world.

    Raises ConfigError if none of the recordings can be used, or with `strict` one cannot.
    """
    if not config.recordings:
        return BlockWalks()
    found = find_recordings(
        config.recordings, camera, strict=config.strict, vpt_fov_y_deg=config.vpt_fov_y_deg
    )
    return RecordedWalks(found, strict=config.strict)


def initial_model(config: RunConfig) -> WorldModel:
    """A new model of the preset, or the one that the run starts from, whatever its preset."""
    if config.init_from is not None:
        model = load_checkpoint(config.init_from).model
    else:
        torch.manual_seed(config.seed)  # the same weights in every process of a run
        model = WorldModel(preset(config.preset))
    return channels_last(model)
