"""The window on a real screen. Only pygame's display, events, gamepads and fonts are started."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import get_args

import moderngl
import numpy as np
import pygame
from numpy.typing import NDArray

from worldsim.errors import BackendError, ConfigError
from worldsim.play.gl_presenter import GLPresenter
from worldsim.play.hud_painter import HudPainter
from worldsim.play.icon import draw_icon
from worldsim.play.keymap_file import config_folder
from worldsim.play.presenter import Presenter, SurfacePresenter
from worldsim.play.pygame_events import PygameEvents, knows_key
from worldsim.play.stats import installed_versions
from worldsim.play.window import (
    TITLE,
    Event,
    NoDisplayError,
    PresenterName,
    View,
)

log = logging.getLogger(__name__)

PYGAMES = ("pygame", "pygame-ce")  # both provide the module `pygame`
SCREENLESS_DRIVERS = ("dummy", "offscreen")
FALLBACK_HZ = 60.0
MAX_HZ = 240.0
# At the screen's own rate an input would wait a whole refresh and then be drawn: more than a frame.
# Where `flip` waits for the screen, this leaves the rhythm to it.
HURRY = 1.25


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowConfig:
    width: int = 1280
    height: int = 800
    presenter: PresenterName = "auto"

    def __post_init__(self) -> None:
        if self.width < 160 or self.height < 100:
            raise ConfigError(
                "a window of 160x100 pixels or more",
                f"{self.width}x{self.height}",
                "Choose a larger window.",
            )
        if self.presenter not in get_args(PresenterName):
            raise ConfigError(
                f"presenter among {list(get_args(PresenterName))}",
                repr(self.presenter),
                "auto chooses OpenGL where a graphics card does it.",
            )


class PygameWindow:
    """Opens on construction; lives on the main thread, as some systems demand.

    Raises NoDisplayError if there is no screen, and BackendError if OpenGL was asked for by name
    and is not available.
    """

    def __init__(self, config: WindowConfig) -> None:
        _start_display()
        pygame.display.set_caption(TITLE)
        pygame.display.set_icon(draw_icon(64))
        self._windowed_size = (config.width, config.height)
        self.presenter, self.reason = _choose_presenter(config.presenter, self._windowed_size)
        self._fullscreen = False
        self._presented = False
        self._events = PygameEvents(config_folder())
        log.info("presenting through %s: %s", self.presenter.name, self.reason)

    @property
    def size(self) -> tuple[int, int]:
        width, height = pygame.display.get_window_size()
        return width, height

    @property
    def refresh_hz(self) -> float:
        """Above the screen's rate; that of 60 Hz at most where drawing costs the model its time."""
        hz = float(pygame.display.get_current_refresh_rate())
        hz = hz if hz >= 24 else FALLBACK_HZ  # 0 where the system does not tell
        most = MAX_HZ if self.presenter.name == "gl" else FALLBACK_HZ
        return min(hz, most) * HURRY

    @property
    def on_gpu(self) -> bool:
        return isinstance(self.presenter, GLPresenter) and not self.presenter.in_software

    def poll(self) -> list[Event]:
        return self._events.read()

    def present(self, view: View) -> None:
        self.presenter.present(view)
        self._presented = True

    def screenshot(self) -> NDArray[np.uint8] | None:
        return self.presenter.capture() if self._presented else None

    def knows_key(self, name: str) -> bool:
        return knows_key(name)

    def grab_mouse(self, grabbed: bool) -> None:
        """Hide the pointer and take its motion without limits, or give it back."""
        pygame.event.set_grab(grabbed)
        pygame.mouse.set_visible(not grabbed)
        pygame.mouse.set_relative_mode(grabbed)
        pygame.mouse.get_rel()

    def toggle_fullscreen(self) -> None:
        self._fullscreen = not self._fullscreen
        if self.presenter.name == "gl":  # keeps the context
            pygame.display.toggle_fullscreen()
        elif self._fullscreen:
            self._windowed_size = self.size
            pygame.display.set_mode((0, 0), pygame.FULLSCREEN)
        else:
            pygame.display.set_mode(self._windowed_size, pygame.RESIZABLE)

    def close(self) -> None:
        self._events.close()
        self.presenter.close()
        pygame.display.quit()


def missing_display(environment: Mapping[str, str], platform: str) -> str | None:
    """Why there can be no window, judged before opening one; None if there may be a screen."""
    driver = environment.get("SDL_VIDEODRIVER", "")
    if driver in SCREENLESS_DRIVERS:
        return f"SDL_VIDEODRIVER is {driver!r}"
    named = environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")
    if platform.startswith("linux") and not (named or driver):
        return "neither DISPLAY nor WAYLAND_DISPLAY is set"
    return None


def foreign_pygame(is_ce: bool, installed: Mapping[str, str]) -> str | None:
    """What to say where `pygame` is installed in place of, or beside, pygame-ce."""
    if "pygame" not in installed and is_ce:
        return None
    found = " and ".join(f"{name} {version}" for name, version in sorted(installed.items()))
    return (
        f"expected pygame-ce alone; got {found}. Both install the module `pygame` and break each "
        "other: pip uninstall -y pygame pygame-ce && pip install pygame-ce"
    )


def _start_display() -> None:
    warning = foreign_pygame(getattr(pygame, "IS_CE", False), installed_versions(*PYGAMES))
    if warning:
        log.warning("%s", warning)
    reason = missing_display(os.environ, sys.platform)
    if reason:
        raise _no_display(reason)
    _load_triton()
    # Windows would enlarge the whole window, blurred. On X11 a pixel is a pixel of the screen; on a
    # Mac pygame opens no window of the finer grid.
    os.environ.setdefault("SDL_WINDOWS_DPI_AWARENESS", "permonitorv2")
    try:
        pygame.display.init()
    except pygame.error as error:
        raise _no_display(str(error)) from error
    if pygame.display.get_driver() in SCREENLESS_DRIVERS:
        pygame.display.quit()
        raise _no_display("SDL found only a driver without a screen")


def _no_display(reason: str) -> NoDisplayError:
    return NoDisplayError(
        "a display to open a window on", reason, "Use --headless, or run it on a desktop."
    )


def _choose_presenter(
    wanted: PresenterName, size: tuple[int, int]
) -> tuple[Presenter, str]:  # and the reason
    """OpenGL where a graphics card does it; else a plain surface, which leaves the model more."""
    if wanted == "surface":
        return _surface(size), "asked for by name"
    try:
        presenter = _gl(size)
    except (pygame.error, moderngl.Error, ValueError, RuntimeError) as error:
        return _without_gl(wanted, size, f"OpenGL 3.3 cannot be had ({error})")
    if wanted == "auto" and presenter.in_software:
        presenter.close()
        return _without_gl(wanted, size, f"OpenGL is emulated ({presenter.renderer})")
    return presenter, presenter.renderer


def _without_gl(wanted: PresenterName, size: tuple[int, int], reason: str) -> tuple[Presenter, str]:
    if wanted == "gl":
        pygame.display.quit()
        raise BackendError("OpenGL 3.3 in a window", reason, "Use --presenter auto.")
    return _surface(size), reason


def _gl(size: tuple[int, int]) -> GLPresenter:
    for attribute, value in (
        (pygame.GL_CONTEXT_MAJOR_VERSION, 3),
        (pygame.GL_CONTEXT_MINOR_VERSION, 3),
        (pygame.GL_CONTEXT_PROFILE_MASK, pygame.GL_CONTEXT_PROFILE_CORE),
    ):
        pygame.display.gl_set_attribute(attribute, value)
    flags = pygame.OPENGL | pygame.DOUBLEBUF | pygame.RESIZABLE
    try:
        pygame.display.set_mode(size, flags, vsync=1)
    except pygame.error:  # this driver has no vsync
        pygame.display.set_mode(size, flags)
    return GLPresenter(HudPainter())


def _load_triton() -> None:
    """Mesa and triton each bring an LLVM; a process that meets Mesa's first crashes at triton's."""
    with contextlib.suppress(ImportError):
        import_module("triton")


def _surface(size: tuple[int, int]) -> SurfacePresenter:
    """SDL would send even this through OpenGL: 7 ms of processor a flip where it is emulated."""
    os.environ.setdefault("SDL_FRAMEBUFFER_ACCELERATION", "0")
    try:
        pygame.display.set_mode(size, pygame.RESIZABLE)
    except pygame.error as error:
        pygame.display.quit()
        raise _no_display(str(error)) from error
    return SurfacePresenter(HudPainter())
