"""What the game asks of a window, the events it gives, and the window that is none.

A window draws a `View`: the newest frame, by how much the camera has turned and moved since that
frame's pose, and the HUD on top. `PygameWindow` shows it on a screen; `HeadlessWindow` shows it to
nobody.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from worldsim.errors import BackendError
from worldsim.play.finish import Finish
from worldsim.play.hud import Hud
from worldsim.types import TICK_HZ

TITLE = "worldsim"

PresenterName = Literal["auto", "gl", "surface"]
WarpName = Literal["auto", "off", "rotation", "parallax"]
StickName = Literal["left", "right"]


class NoDisplayError(BackendError):
    """There is no screen to open a window on."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key, a mouse button or a pad's button went down or up; names as in the keymap."""

    name: str
    down: bool


@dataclass(frozen=True, slots=True)
class MouseMoved:
    """Pixels since the last motion, right and down positive."""

    dx_px: float
    dy_px: float


@dataclass(frozen=True, slots=True)
class PointerAt:
    """Where the free mouse points, in a window of that many pixels."""

    x_px: float
    y_px: float
    window_px: tuple[int, int]


@dataclass(frozen=True, slots=True)
class StickMoved:
    """A pad's stick is now at (x, y), each from -1 to 1, right and down positive."""

    stick: StickName
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class PadPlugged:
    """A gamepad came or went; what it held down has been released by events before this one."""

    name: str
    connected: bool


@dataclass(frozen=True, slots=True)
class FileDropped:
    """A file was dragged onto the window."""

    path: Path


@dataclass(frozen=True, slots=True)
class FocusLost:
    """The keyboard now belongs to another window."""


@dataclass(frozen=True, slots=True)
class Quit:
    """The window's close button."""


Event: TypeAlias = (
    Key | MouseMoved | PointerAt | StickMoved | PadPlugged | FileDropped | FocusLost | Quit
)


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One picture for the player."""

    rgb: NDArray[np.uint8] | None  # [H, W, 3]; None before the first frame
    fov_y_deg: float
    frame_from_view: NDArray[np.float64]  # [3, 3] rotation and zoom, camera axes
    hud: Hud
    shift: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    # [3] metres from the frame's eye to the view's, the frame's camera axes
    depth: NDArray[np.float32] | None = None  # [H, W] metres; None: nothing shifts
    finish: Finish = field(default_factory=Finish)


class Window(Protocol):
    """A place to play in."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""

    @property
    def refresh_hz(self) -> float:
        """How often a picture is worth presenting."""

    @property
    def on_gpu(self) -> bool:
        """Whether a graphics card draws, so that drawing costs the model nothing."""

    def poll(self) -> list[Event]: ...

    def present(self, view: View, /) -> None: ...

    def screenshot(self) -> NDArray[np.uint8] | None:
        """What is on the screen now, [height, width, 3]; None before the first picture."""

    def knows_key(self, name: str, /) -> bool:
        """Whether `poll` can give an event of this key."""

    def grab_mouse(self, grabbed: bool, /) -> None: ...

    def toggle_fullscreen(self) -> None: ...

    def close(self) -> None: ...


class HeadlessWindow:
    """A window without a screen and without a player: nothing comes in, nothing is drawn."""

    def __init__(self, width: int = 1280, height: int = 800) -> None:
        self._size = (width, height)

    @property
    def size(self) -> tuple[int, int]:
        return self._size

    @property
    def refresh_hz(self) -> float:
        return TICK_HZ

    @property
    def on_gpu(self) -> bool:
        return False

    def poll(self) -> list[Event]:
        return []

    def present(self, _view: View, /) -> None:
        return

    def screenshot(self) -> NDArray[np.uint8] | None:
        return None

    def knows_key(self, _name: str, /) -> bool:
        return True

    def grab_mouse(self, _grabbed: bool, /) -> None:
        return

    def toggle_fullscreen(self) -> None:
        return

    def close(self) -> None:
        return
