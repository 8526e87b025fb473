"""Make the start clips in assets/scenes: `python -m worldsim.tools.make_scenes --help`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import tyro
from rich.console import Console
from rich.progress import track

from worldsim.engine.start import save_scene
from worldsim.envs.blocks.start import start_clip
from worldsim.record.contact_sheet import contact_sheet, save_png

SEEDS = {"meadow": 27, "forest": 12, "desert": 5, "snow": 9, "canyon": 11}


@dataclass(frozen=True, kw_only=True)
class SceneConfig:
    """Look around in the block world and save what was seen, one clip per scene.

    A dream that starts in a shipped scene needs no renderer at all.
    """

    out: Path = Path("assets/scenes")
    """Folder for NAME.npz."""
    sheet: Path | None = None
    """Where to write a contact sheet of all scenes."""
    seeds: dict[str, int] = field(default_factory=lambda: dict(SEEDS))
    """World seed of each scene."""


def main() -> None:
    """Write every scene and a contact sheet of them."""
    config = tyro.cli(SceneConfig, description=SceneConfig.__doc__)
    config.out.mkdir(parents=True, exist_ok=True)
    clips = {}
    for name, seed in track(config.seeds.items(), description="rendering scenes"):
        clips[name] = start_clip(seed, scene=name)
        save_scene(clips[name], config.out / f"{name}.npz")
    if config.sheet is not None:
        rows = [[seen.rgb for seen in clip.observations[:8]] for clip in clips.values()]
        save_png(contact_sheet(rows, list(clips)), config.sheet)
    size = sum(path.stat().st_size for path in config.out.glob("*.npz")) / 1e6
    Console().print(f"{len(clips)} scenes, {size:.1f} MB, in {config.out}")


if __name__ == "__main__":
    main()
