"""Puts views on the screen through a plain pygame surface, for machines without OpenGL."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import pygame
from numpy.typing import NDArray

from worldsim.play.finish import Finish, place, sharpened
from worldsim.play.hud_painter import HudPainter
from worldsim.play.parallax import parallax, shift_ndc
from worldsim.play.warp import enlarged, frame_from_view_ndc, warp
from worldsim.play.window import View

BACKGROUND = (10, 12, 16)
ENLARGEMENT = 3  # bicubic up to here, bilinear from here to the window


class Presenter(Protocol):
    """Draws a view into the open window and shows it."""

    name: str

    def present(self, view: View) -> None: ...

    def capture(self) -> NDArray[np.uint8]:  # [height, width, 3]
        """What the last `present` drew."""

    def close(self) -> None: ...


class SurfacePresenter:
    """The warp in numpy, the last enlargement in SDL."""

    name = "surface"

    def __init__(self, painter: HudPainter) -> None:
        self._painter = painter
        self._frame: NDArray[np.uint8] | None = None
        self._finish = Finish()
        self._pixels = np.zeros((1, 1), dtype=np.uint32)

    def present(self, view: View) -> None:
        screen = self._screen()
        screen.fill(BACKGROUND)
        if view.rgb is not None:
            self._draw(screen, view, view.rgb)
        self._painter.paint(screen, view.hud)
        pygame.display.flip()

    def capture(self) -> NDArray[np.uint8]:
        pixels = pygame.surfarray.array3d(self._screen())
        return np.ascontiguousarray(pixels.swapaxes(0, 1))

    def close(self) -> None:
        return

    def _screen(self) -> pygame.Surface:
        screen = pygame.display.get_surface()
        assert screen is not None  # the window is open
        return screen

    def _draw(self, screen: pygame.Surface, view: View, rgb: NDArray[np.uint8]) -> None:
        if rgb is not self._frame or view.finish != self._finish:
            self._frame, self._finish = rgb, view.finish
            sharp = sharpened(rgb, view.finish.sharpness)
            self._pixels = enlarged(sharp, ENLARGEMENT, squares=view.finish.squares)
        height, width = self._pixels.shape
        offset = _offset(view, (width, height))
        turned = warp(self._pixels, view.frame_from_view, view.fov_y_deg, offset)
        picture = pygame.image.frombuffer(turned.data, (width, height), "BGRA")
        small = (rgb.shape[1], rgb.shape[0])
        left, top, fitted, tall = place(screen.get_size(), small, view.finish)
        scale = pygame.transform.scale if view.finish.squares else pygame.transform.smoothscale
        target = screen.subsurface((left, top, fitted, tall))
        if target.get_masks()[:3] == picture.get_masks()[:3]:
            scale(picture, (fitted, tall), target)
        else:
            scaled = scale(picture.convert(screen), (fitted, tall))
            screen.blit(scaled, (left, top))


def _offset(
    view: View, size: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:  # as of `parallax`
    if view.depth is None or not view.shift.any():
        return None
    aspect = view.depth.shape[1] / view.depth.shape[0]
    homography = frame_from_view_ndc(view.frame_from_view, aspect, view.fov_y_deg)
    return parallax(view.depth, homography, shift_ndc(view.shift, aspect, view.fov_y_deg), size)
