"""Make the README's moving picture: `python -m worldsim.tools.make_media --help`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import tyro
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from rich.console import Console
from rich.progress import track

from worldsim.engine.engine import WorldEngine
from worldsim.errors import ConfigError
from worldsim.record.script import compile_script, load_script
from worldsim.tools.command import run
from worldsim.types import TICK_HZ

CAPTION_PX = 14


@dataclass(frozen=True, kw_only=True)
class MediaConfig:
    """Dream a bundled script in several scenes and show them side by side in one animation."""

    out: Path = Path("assets/dream.webp")
    checkpoint: str = "default"
    script: str = "stroll"
    scenes: tuple[str, ...] = ("meadow", "forest", "desert", "canyon")
    seconds: float = 7.0
    scale: int = 3
    """Enlargement of each frame."""
    every: int = 2
    """Keep one frame in so many."""
    quality: int = 60

    def __post_init__(self) -> None:
        if self.out.suffix != ".webp":
            raise ConfigError("--out ending in .webp", f"{self.out}", "Name the file so.")


def main() -> int:
    return run(partial(tyro.cli, MediaConfig, description=MediaConfig.__doc__), make)


def make(config: MediaConfig, console: Console) -> None:
    """Write one animated WebP."""
    engine = WorldEngine.from_pretrained(config.checkpoint)
    walks = [
        [captioned(rgb, scene, config.scale) for rgb in walk(engine, scene, config)]
        for scene in track(config.scenes, description="dreaming")
    ]
    half = (len(walks) + 1) // 2
    frames = [
        Image.fromarray(
            np.concatenate([np.concatenate(row, axis=1) for row in (f[:half], f[half:])])
        )
        for f in zip(*walks, strict=True)
    ]
    duration_ms = 1000 * config.every // TICK_HZ
    frames[0].save(
        config.out,
        save_all=True,
        append_images=frames[1:],
        duration=duration_ms,
        loop=0,
        quality=config.quality,
        method=6,
    )
    megabytes = config.out.stat().st_size / 1e6
    console.print(f"{config.out}: {len(frames)} frames, {megabytes:.2f} MB")


def walk(
    engine: WorldEngine, scene: str, config: MediaConfig
) -> list[NDArray[np.uint8]]:  # each [H, W, 3]
    """Every n-th dreamed frame of the script in one scene."""
    engine.reset(scene=scene)
    actions = compile_script(load_script(config.script))[: int(config.seconds * TICK_HZ)]
    frames = [engine.step(action).observation.rgb for action in actions]
    return frames[:: config.every]


def captioned(
    rgb: NDArray[np.uint8],  # [H, W, 3]
    text: str,
    scale: int,
) -> NDArray[np.uint8]:  # [H * scale, W * scale, 3]
    """An enlarged frame with the scene's name in its corner."""
    size = (rgb.shape[1] * scale, rgb.shape[0] * scale)
    picture = Image.fromarray(rgb).resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(picture)
    draw.text(
        (8, size[1] - 8 - CAPTION_PX), text, fill="white", stroke_width=2, stroke_fill="black"
    )
    return np.array(picture)


if __name__ == "__main__":
    sys.exit(main())
