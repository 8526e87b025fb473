"""`worldsim record`: run a script in a world and write what is seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, TaskID

from worldsim.errors import ConfigError
from worldsim.record.dataset import append_metadata, episode_folder
from worldsim.record.output import claim_folder
from worldsim.record.recorder import Recorder, RecorderConfig
from worldsim.record.script import compile_script, load_script
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


@dataclass(frozen=True, kw_only=True)
class RecordConfig:
    """Record scripted rollouts of the dream or of the real block world."""

    out: Path
    """A new or empty folder: the episode, or with `episodes` the data set of episodes."""
    script: str = "stroll"
    """A bundled script (stroll, look_around, there_and_back) or the path of a TOML file."""
    world: WorldKind = "dream"
    """Which world to record."""
    seed: int = 0
    """Where to start; of several episodes, the first one's seed."""
    scene: str | None = None
    """meadow, forest, desert, snow or canyon; left out, the seed decides. The real world also has
    crystal: the seed's land in other colours, under another sky."""
    episodes: int | None = None
    """Record this many episodes, with consecutive seeds, into one data set."""
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
        for name in ("episodes", "ticks"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} of 1 or more", repr(value), "Correct it.")
        if self.seed < 0:
            raise ConfigError("a seed of 0 or more", repr(self.seed), "Correct it.")

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
    actions = planned_actions(config)
    claim_folder(config.out)
    made = make(config.world_config())
    count = config.episodes or 1
    try:
        with Progress(console=Console(stderr=True)) as progress:
            bar = progress.add_task("recording", total=count * len(actions))
            for number in range(count):
                _record_one(config, made, number, actions, progress, bar)
    finally:
        made.world.close()
    noun = f"{count} episodes" if config.episodes else "episode"
    Console().print(f"{noun} of {len(actions) + 1} frames in {config.out}", soft_wrap=True)
    return 0


def planned_actions(config: RecordConfig) -> list[Action]:
    """The script's actions, cut or repeated to `config.ticks`."""
    actions = compile_script(load_script(config.script))
    return list(islice(cycle(actions), config.ticks or len(actions)))


def _record_one(
    config: RecordConfig,
    made: MadeWorld,
    number: int,
    actions: Sequence[Action],
    progress: Progress,
    bar: TaskID,
) -> None:
    """One episode; in a data set, with its row in the metadata."""
    folder = config.out if config.episodes is None else episode_folder(config.out, number)
    info = replace(made.info, seed=config.seed + number, scene=config.scene)
    first = made.world.reset(seed=info.seed, scene=info.scene)
    with Recorder(
        folder, info, made.world.intrinsics, first=first, config=config.recorder_config()
    ) as recorder:
        for action in _advancing(actions, progress, bar):
            recorder.append(action, made.world.step(action))
    if config.episodes is not None:
        append_metadata(config.out, folder, info, frames=recorder.frames, script=config.script)


def _advancing(actions: Sequence[Action], progress: Progress, bar: TaskID) -> Iterator[Action]:
    for action in actions:
        yield action
        progress.advance(bar)
