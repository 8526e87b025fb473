"""`worldsim record`: run a script in a world and write what is seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from itertools import chain, count, islice
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.progress import Progress

from worldsim.errors import ConfigError
from worldsim.record.output import claim_folder
from worldsim.record.recorder import Recorder, RecorderConfig
from worldsim.record.script import compile_script, load_script
from worldsim.record.shard import Shard
from worldsim.record.video import PixelFormat
from worldsim.record.worlds import (
    BackendName,
    MadeWorld,
    MakeWorld,
    MemoryMode,
    RendererName,
    WorldConfig,
    WorldKind,
    make_world,
)
from worldsim.types import Action

EngineName = Literal["local", "ray"]
_OF_MANY = ("shard", "resume", "workers", "engine")  # options that mean nothing for one episode


@dataclass(frozen=True, kw_only=True)
class RecordConfig:
    """Record scripted rollouts of the dream or of the real block world.

    An episode is a function of its seed and of the script: whichever process records it, alone
    or beside others, now or after an interruption, its frames are the same.
    """

    out: Path
    """A new or empty folder: the episode, or with `episodes` the data set of episodes."""
    script: str = "stroll"
    """A bundled script (stroll, wander, look_around, there_and_back) or a TOML file's path."""
    world: WorldKind = "dream"
    """Which world to record."""
    seed: int = 0
    """Where to start; of several episodes, the first one's seed."""
    scene: str | None = None
    """meadow, forest, desert, snow or canyon; left out, the seed decides. The real world also has
    crystal: the seed's land in other colours, under another sky."""
    episodes: int | None = None
    """Record this many episodes, with consecutive seeds, into one data set."""
    shard: str = "1/1"
    """Record only the i-th of n equal parts, written i/n; other processes record the others."""
    resume: bool = False
    """Go on with a data set that was interrupted; what is whole is kept."""
    workers: int = 1
    """Processes that record at the same time."""
    engine: EngineName = "local"
    """local: processes of this machine. ray: actors of a Ray cluster, begun here if none is."""
    threads: int = 1
    """Threads a worker computes a dream with; its last bits may depend on them."""
    ticks: int | None = None
    """Actions an episode: cuts the script, or repeats it. Left out, the script once."""
    depth: bool = False
    """Record depth too."""
    pixel_format: PixelFormat = "yuv444p"
    """yuv444p keeps colours for training, yuv420p plays everywhere."""
    checkpoint: str = "default"
    """The dream's checkpoint: a name or a folder."""
    steps: int | None = None
    """The dream's denoising steps a frame; by default those that its model was made for."""
    memory: MemoryMode = "full"
    """What the dream remembers."""
    device: str = "auto"
    """Where the dream runs."""
    backend: BackendName = "torch"
    """Who computes the dream: torch, onnx, or auto, the faster of the two on this machine."""
    renderer: RendererName = "auto"
    """What draws the real world."""

    def __post_init__(self) -> None:
        for name in ("episodes", "ticks", "workers", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} of 1 or more", repr(value), "Correct it.")
        if self.seed < 0:
            raise ConfigError("a seed of 0 or more", repr(self.seed), "Correct it.")
        Shard.parse(self.shard)
        if self.episodes is None:
            self._require_usual(*_OF_MANY)

    def _require_usual(self, *names: str) -> None:
        for field in fields(self):
            if field.name in names and getattr(self, field.name) != field.default:
                raise ConfigError(
                    f"episodes with {field.name}",
                    f"{field.name} alone",
                    "Add --episodes, how many to record.",
                )

    def world_config(self) -> WorldConfig:
        return WorldConfig(
            kind=self.world,
            checkpoint=self.checkpoint,
            steps=self.steps,
            memory=self.memory,
            device=self.device,
            backend=self.backend,
            renderer=self.renderer,
        )

    def recorder_config(self) -> RecorderConfig:
        return RecorderConfig(pixel_format=self.pixel_format, depth=self.depth, script=self.script)


def run(config: RecordConfig, *, make: MakeWorld = make_world) -> int:
    """Record; exit code 0. Raises a WorldsimError that names the mistake."""
    if config.episodes is not None:
        from worldsim.record.mass import record_dataset  # it records with what stands here

        return record_dataset(config, make=make)
    frames = len(planned_actions(config)) + 1
    claim_folder(config.out)
    made = make(config.world_config())
    try:
        with Progress(console=Console(stderr=True)) as progress:
            bar = progress.add_task("recording", total=frames - 1)
            record_episode(config, made, config.out, after_tick=lambda: progress.advance(bar))
    finally:
        made.world.close()
    Console().print(f"episode of {frames} frames in {config.out}", soft_wrap=True)
    return 0


def planned_actions(config: RecordConfig, number: int = 0) -> list[Action]:
    """The script's actions in an episode, cut or repeated to `config.ticks`."""
    script = load_script(config.script)
    seed = config.seed + number
    if config.ticks is None:
        return compile_script(script, seed=seed)
    laps = (compile_script(script, seed=seed, lap=lap) for lap in count())
    return list(islice(chain.from_iterable(laps), config.ticks))


def record_episode(
    config: RecordConfig,
    made: MadeWorld,
    folder: Path,
    number: int = 0,
    *,
    after_tick: Callable[[], object] = lambda: None,
) -> None:
    """Record one episode into a new folder."""
    info = replace(made.info, seed=config.seed + number, scene=config.scene)
    actions = planned_actions(config, number)
    first = made.world.reset(seed=info.seed, scene=info.scene)
    with Recorder(
        folder, info, made.world.intrinsics, first=first, config=config.recorder_config()
    ) as recorder:
        for action in actions:
            recorder.append(action, made.world.step(action))
            after_tick()
