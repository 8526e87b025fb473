"""`worldsim doctor`: what this machine can do, and how to mend what it cannot."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

import worldsim
from worldsim.backends.installation import CLASH_REMEDY
from worldsim.engine.clock import Clock, RealClock
from worldsim.errors import ConfigError, WorldsimError
from worldsim.play.app import quiet_pygame
from worldsim.play.display import pictures_folder
from worldsim.play.keymap_file import config_folder, user_keymap_path
from worldsim.play.play_config import PlayConfig
from worldsim.play.stats import TickMeter, installed_versions
from worldsim.play.window import NoDisplayError
from worldsim.record.script import compile_script, load_script
from worldsim.record.worlds import MakeWorld, WorldKind, make_world
from worldsim.types import TICK_HZ

if TYPE_CHECKING:
    from worldsim.play.pads import PluggedPads

State = Literal["good", "note", "bad"]
MARKS: dict[State, str] = {"good": "[green]ok[/]", "note": "[yellow]--[/]", "bad": "[red]no[/]"}
WARM_UP_TICKS = 3
SLOW_REMEDIES: dict[WorldKind, str] = {
    "dream": "Close other programs, or play with --steps 1.",
    "real": "Close other programs, or mend the renderer.",
}
MAPPINGS_FILE = "gamecontrollerdb.txt"  # as in `worldsim.play.pads`, which needs SDL


@dataclass(frozen=True, kw_only=True)
class DoctorConfig:
    """Tell what this machine can do, and how to mend what it cannot."""

    checkpoint: str = "default"
    """The dream to measure: a name or a folder."""
    seconds: float = 1.0
    """How long to measure it, and the real world."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.seconds <= 600.0:
            raise ConfigError("seconds from 0 to 600", repr(self.seconds), "Correct it.")


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the table."""

    subject: str
    state: State
    found: str
    remedy: str = ""


def run(config: DoctorConfig, *, make: MakeWorld = make_world, clock: Clock | None = None) -> int:
    """Print what was found; exit code 0 also where something is missing."""
    table = Table(title=f"worldsim {worldsim.__version__}", show_header=False)
    table.add_column()
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")  # paths are worth their full length
    for finding in examine(config, make, clock or RealClock()):
        remedy = f"\n[dim]{escape(finding.remedy)}[/]" if finding.remedy else ""
        found = escape(finding.found) + remedy
        table.add_row(MARKS[finding.state], finding.subject, found)
    Console().print(table)
    return 0


def examine(config: DoctorConfig, make: MakeWorld, clock: Clock) -> Iterator[Finding]:
    """Everything the doctor looks at, in the order of the table."""
    yield _system()
    yield _torch()
    yield _pygame()
    yield _window()
    yield _audio()
    yield pads_finding(_plugged(), config_folder())
    yield _renderer()
    yield onnx_finding(installed_versions("onnxruntime", "onnxruntime-gpu"))
    yield agents_finding(installed_versions("stable-baselines3"))
    yield from _paths()
    yield _speed("dream", config, make, clock)
    yield _speed("real", config, make, clock)


def _system() -> Finding:
    found = f"Python {platform.python_version()}, {platform.platform()}, {os.cpu_count()} cores"
    return Finding("system", "good", found)


def _torch() -> Finding:
    import torch

    if torch.cuda.is_available():
        return Finding("torch", "good", f"{torch.__version__}, {torch.cuda.get_device_name()}")
    threads = torch.get_num_threads()
    return Finding("torch", "good", f"{torch.__version__}, processor with {threads} threads")


def _pygame() -> Finding:
    quiet_pygame()
    import pygame

    from worldsim.play.pygame_window import PYGAMES, foreign_pygame

    installed = installed_versions(*PYGAMES)
    warning = foreign_pygame(getattr(pygame, "IS_CE", False), installed)
    sdl = ".".join(map(str, pygame.get_sdl_version()))
    found = f"{', '.join(f'{name} {v}' for name, v in installed.items())}, SDL {sdl}"
    return Finding("pygame", "bad" if warning else "good", found, warning or "")


def _window() -> Finding:
    from worldsim.play.pygame_window import PygameWindow, WindowConfig

    try:
        window = PygameWindow(WindowConfig())
    except NoDisplayError as error:
        return Finding("window", "note", f"none: {error.got}", error.remedy)
    found = f"{window.presenter.name} ({window.reason}), refreshed at {window.refresh_hz:.0f} Hz"
    remedy = "" if window.on_gpu else "A driver with OpenGL 3.3 would draw on the graphics card."
    window.close()
    return Finding("window", "good", found, remedy)


def _audio() -> Finding:
    quiet_pygame()
    from worldsim.play.pygame_mixer import NoSoundError, PygameMixer

    try:
        mixer = PygameMixer()
    except NoSoundError as error:
        return Finding("sound", "note", f"none: {error.got}", error.remedy)
    found = mixer.device
    mixer.close()
    return Finding("sound", "good", found)


def _plugged() -> PluggedPads | None:
    quiet_pygame()
    from worldsim.play.pads import plugged_pads

    return plugged_pads(config_folder())


def pads_finding(plugged: PluggedPads | None, folder: Path) -> Finding:
    """Which gamepads can be played with."""
    if plugged is None:
        remedy = "pip install --force-reinstall pygame-ce, alone; the keyboard does it all."
        return Finding("gamepads", "note", "cannot be used", remedy)
    if plugged.strange:
        remedy = (
            "Put its line of https://github.com/mdqinc/SDL_GameControllerDB into "
            f"{folder / MAPPINGS_FILE}."
        )
        return Finding("gamepads", "bad", f"not understood: {', '.join(plugged.strange)}", remedy)
    if not plugged.known:
        return Finding("gamepads", "note", "none", "optional: plug one in, also while playing")
    return Finding("gamepads", "good", ", ".join(plugged.known))


def _renderer() -> Finding:
    from worldsim.envs.blocks.renderers.choose import make_renderer
    from worldsim.envs.blocks.renderers.gl import GLRenderer

    renderer = make_renderer("auto")
    renderer.close()
    if isinstance(renderer, GLRenderer):
        return Finding("renderer", "good", "OpenGL")
    remedy = "On Linux: apt install libegl1 libgl1-mesa-dri; elsewhere a graphics driver."
    return Finding("renderer", "note", "PyTorch, which is slower than OpenGL", remedy)


def onnx_finding(installed: dict[str, str]) -> Finding:
    """Both distributions install one module; together the graphics card is not found."""
    if len(installed) == 2:
        return Finding(
            "onnxruntime",
            "bad",
            " and ".join(f"{name} {version}" for name, version in installed.items()),
            CLASH_REMEDY,
        )
    if not installed:
        remedy = "optional: pip install 'worldsim-engine[onnx]'"
        return Finding("onnxruntime", "note", "not installed", remedy)
    ((name, version),) = installed.items()
    return Finding("onnxruntime", "good", f"{name} {version}")


def agents_finding(installed: dict[str, str]) -> Finding:
    """Whether trained agents can take the wheel."""
    if not installed:
        remedy = "optional: pip install 'worldsim-engine[rl]'"
        return Finding("trained agents", "note", "no stable-baselines3", remedy)
    ((name, version),) = installed.items()
    return Finding("trained agents", "good", f"{name} {version}")


def _paths() -> Iterator[Finding]:
    from worldsim.model.checkpoint import SHIPPED

    keymap = user_keymap_path()
    state: State = "good" if keymap.is_file() else "note"
    yield Finding("your keymap", state, str(keymap), "" if keymap.is_file() else "optional")
    yield Finding("screenshots", "good", str(pictures_folder()))
    yield Finding("checkpoints", "good", str(SHIPPED))


def _speed(kind: WorldKind, config: DoctorConfig, make: MakeWorld, clock: Clock) -> Finding:
    subject = "real world" if kind == "real" else kind
    try:
        meter = measure(kind, config, make, clock)
    except WorldsimError as error:
        missing = f"expected {error.expected}; got {error.got}"
        return Finding(subject, "bad", missing, error.remedy)
    ticks = meter.tick_ms.quantiles()
    fast = meter.fps() >= TICK_HZ
    found = f"{meter.fps():.1f} frames/s, tick p50 {ticks.p50:.1f} ms, p95 {ticks.p95:.1f} ms"
    remedy = "" if fast else SLOW_REMEDIES[kind]
    return Finding(subject, "good" if fast else "note", found, remedy)


def measure(kind: WorldKind, config: DoctorConfig, make: MakeWorld, clock: Clock) -> TickMeter:
    """Step a world for a while, the first steps not counted."""
    made = make(PlayConfig(checkpoint=config.checkpoint).world_config(kind))
    meter = TickMeter()
    try:
        made.world.reset(seed=PlayConfig.seed)
        actions = cycle(compile_script(load_script("stroll")))
        for _ in range(WARM_UP_TICKS):
            made.world.step(next(actions))
        end_s = clock.now() + config.seconds
        while clock.now() < end_s:
            started_s = clock.now()
            made.world.step(next(actions))
            meter.ticked(started_s, clock.now())
    finally:
        made.world.close()
    return meter
