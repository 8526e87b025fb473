"""The window of `render_mode="human"`: shows one frame after another at the env's rate."""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.errors import BackendError

SCREEN_VARIABLES = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")
WINDOW_WIDTH_PX = 960  # frames are enlarged by the largest whole factor that fits


class Viewer:
    """A pygame window, opened by the first frame; pygame is imported only then."""

    def __init__(self, *, title: str, fps: int) -> None:
        self._title = title
        self._fps = fps
        self._window: Any = None
        self._clock: Any = None

    def show(
        self,
        rgb: NDArray[np.uint8],  # [H, W, 3]
    ) -> None:
        """Draw the frame and wait for the rest of the tick.

        Raises:
            BackendError: there is no display to open a window on.
        """
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
        import pygame

        height, width = rgb.shape[:2]
        scale = max(1, WINDOW_WIDTH_PX // width)
        if self._window is None:
            self._open((width * scale, height * scale))
        frame = pygame.surfarray.make_surface(rgb.swapaxes(0, 1))
        pygame.transform.scale_by(frame, scale, self._window)
        pygame.event.pump()
        pygame.display.flip()
        self._clock.tick(self._fps)

    def close(self) -> None:
        """Close the window; closing twice changes nothing."""
        if self._window is None:
            return
        import pygame

        pygame.display.quit()
        self._window = None

    def _open(self, size: tuple[int, int]) -> None:
        import pygame

        _avoid_offscreen()
        try:
            pygame.display.init()
            self._window = pygame.display.set_mode(size)
        except pygame.error as error:
            raise BackendError(
                'a display for render_mode="human"',
                f"pygame's {str(error)!r}",
                'Use render_mode="rgb_array", or set SDL_VIDEODRIVER=dummy.',
            ) from error
        pygame.display.set_caption(self._title)
        self._clock = pygame.time.Clock()


def _avoid_offscreen() -> None:
    """Without a screen SDL chooses its EGL driver, whose end ends every EGL context of the process.

    The block world draws in such a context. The dummy driver has none.
    """
    if sys.platform.startswith("linux") and not any(map(os.environ.get, SCREEN_VARIABLES)):
        os.environ["SDL_VIDEODRIVER"] = "dummy"
