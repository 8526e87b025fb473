"""The options of `worldsim play`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from worldsim.errors import ConfigError
from worldsim.play.window import PresenterName, WarpName
from worldsim.record.worlds import (
    BackendName,
    MemoryMode,
    RendererName,
    WorldConfig,
    WorldKind,
)


@dataclass(frozen=True, kw_only=True)
class PlayConfig:
    """Walk through a world. Without a display, ten seconds of it are filmed instead."""

    world: WorldKind = "dream"
    """The dream, or the real block world that it learned from; Tab switches while playing."""
    seed: int = 44
    """Which world: the same seed is the same world."""
    scene: str | None = None
    """meadow, forest, desert, snow or canyon; left out, the seed decides."""
    image: Path | None = None
    """Start the dream in this picture, instead of in the seed's world."""
    load: str | None = None
    """Go on where a game was saved: its name, or the path of its file."""
    checkpoint: str = "default"
    """The dream's checkpoint: a name or a folder."""
    steps: int | None = None
    """The dream's denoising steps a frame; by default those that its model was made for, and fewer
    while a machine is too slow for them (never while recording)."""
    memory: MemoryMode = "full"
    """What the dream remembers."""
    device: str = "auto"
    """Where the dream runs."""
    backend: BackendName = "torch"
    """Who computes the dream: torch, onnx, or auto, the faster of the two on this machine."""
    renderer: RendererName = "auto"
    """What draws the real world."""
    headless: bool = False
    """No window: a script plays, as fast as the machine can."""
    frames: int | None = None
    """Stop after so many ticks. Left out: the script once, or until the window is closed."""
    script: str = "stroll"
    """Who plays where there is no window: a bundled script or the path of a TOML file."""
    policy: str | None = None
    """An agent at the wheel, which a key hands over: random, scripted (it knows its way where it
    can), a script, or the .zip of an agent that Stable-Baselines3 trained here."""
    report: Path | None = None
    """Write the run's numbers to this JSON file."""
    record: Path | None = None
    """Record what is played into this new or empty folder."""
    width: int = 1280
    """The window's width in pixels."""
    height: int = 800
    """The window's height in pixels."""
    fullscreen: bool = False
    """Start on the whole screen."""
    presenter: PresenterName = "auto"
    """How the window is drawn: gl, surface, or auto (gl where a graphics card does it)."""
    warp: WarpName = "auto"
    """What brings the view up to date between two frames: off, rotation, or parallax, which also
    moves it; auto chooses by what that costs here."""

    def __post_init__(self) -> None:
        if self.frames is not None and self.frames < 1:
            raise ConfigError("frames of 1 or more", repr(self.frames), "Leave it out to play on.")
        if self.seed < 0:
            raise ConfigError("a seed of 0 or more", repr(self.seed), "Correct it.")
        if self.image is not None and (self.world == "real" or self.scene is not None):
            other = "--world real" if self.world == "real" else f"--scene {self.scene}"
            raise ConfigError(
                "--image for a dream that starts in no scene",
                f"--image {self.image} {other}",
                f"Leave out {other}, or the picture.",
            )
        if self.load is not None and (self.image is not None or self.scene is not None):
            other = "--image" if self.image is not None else "--scene"
            raise ConfigError(
                "--load alone to say where to start",
                f"--load {self.load} and {other}",
                f"Leave out {other}, or --load.",
            )

    def world_config(self, kind: WorldKind) -> WorldConfig:
        return WorldConfig(
            kind=kind,
            checkpoint=self.checkpoint,
            steps=self.steps,
            memory=self.memory,
            device=self.device,
            backend=self.backend,
            renderer=self.renderer,
        )
