"""Puts views on the screen through OpenGL: the warp and the enlargement are one shader."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import Literal

import moderngl
import numpy as np
import pygame
from numpy.typing import NDArray

from worldsim.play.finish import Finish, place, sharpened
from worldsim.play.hud import Hud
from worldsim.play.hud_painter import HudPainter
from worldsim.play.parallax import shift_ndc
from worldsim.play.presenter import BACKGROUND
from worldsim.play.warp import frame_from_view_ndc
from worldsim.play.window import View
from worldsim.types import SKY_DEPTH_M

SOFTWARE_RENDERERS = ("llvmpipe", "softpipe", "swiftshader", "software", "swrast", "gdi generic")


class GLPresenter:
    """Owns the textures of the window's own GL context; lives on the display thread."""

    name = "gl"

    def __init__(self, painter: HudPainter) -> None:
        self._painter = painter
        self._ctx = moderngl.create_context(require=330)
        self.renderer = str(self._ctx.info["GL_RENDERER"])
        self._warp = self._program("warp.frag")
        self._set("depth", np.array(1, "i4"))  # the texture unit
        self._overlay = self._program("overlay.frag")
        self._frame_texture: moderngl.Texture | None = None
        self._depth_texture: moderngl.Texture | None = None
        self._hud_texture: moderngl.Texture | None = None
        self._frame: NDArray[np.uint8] | None = None
        self._finish = Finish()
        self._depth: NDArray[np.float32] | None = None
        self._hud: Hud | None = None
        self._view: View | None = None

    @property
    def in_software(self) -> bool:
        return is_software(self.renderer)

    def present(self, view: View) -> None:
        self._draw(view)
        pygame.display.flip()
        self._view = view

    def capture(self) -> NDArray[np.uint8]:
        """Draws the last view again: after a flip, what the back buffer holds is undefined."""
        assert self._view is not None  # `present` comes first
        width, height = pygame.display.get_window_size()
        self._draw(self._view)
        data = self._ctx.screen.read((0, 0, width, height), components=3, alignment=1)
        return np.frombuffer(data, np.uint8).reshape(height, width, 3)[::-1].copy()

    def close(self) -> None:
        self._ctx.release()

    def _program(self, fragment: str) -> moderngl.VertexArray:
        shaders = resources.files("worldsim.assets.shaders")
        program = self._ctx.program(
            vertex_shader=shaders.joinpath("warp.vert").read_text("utf-8"),
            fragment_shader=shaders.joinpath(fragment).read_text("utf-8"),
        )
        return self._ctx.vertex_array(program, [])

    def _draw(self, view: View) -> None:
        width, height = pygame.display.get_window_size()
        self._ctx.screen.use()
        self._ctx.viewport = (0, 0, width, height)
        red, green, blue = (value / 255 for value in BACKGROUND)
        self._ctx.clear(red, green, blue)
        if view.rgb is not None:
            self._draw_frame(view, view.rgb, (width, height))
        self._draw_hud(view.hud, (width, height))

    def _draw_frame(self, view: View, rgb: NDArray[np.uint8], window: tuple[int, int]) -> None:
        height, width = rgb.shape[:2]
        if rgb is not self._frame or view.finish != self._finish:
            sharp = sharpened(rgb, view.finish.sharpness)
            self._frame_texture = self._written(self._frame_texture, (width, height), sharp)
            self._frame, self._finish = rgb, view.finish
        depth = _all_sky(width, height) if view.depth is None else view.depth
        if depth is not self._depth:
            self._depth_texture = self._written(
                self._depth_texture, (width, height), depth, 1, "f4"
            )
            self._depth = depth
        assert self._frame_texture is not None
        assert self._depth_texture is not None
        aspect = width / height
        homography = frame_from_view_ndc(view.frame_from_view, aspect, view.fov_y_deg)
        self._set("frame_from_view", homography.T.astype("f4"))
        self._set("shift", shift_ndc(view.shift, aspect, view.fov_y_deg).astype("f4"))
        self._frame_texture.use(0)
        self._depth_texture.use(1)
        self._set("squares", np.array(view.finish.squares, "i4"))
        left, top, fitted, tall = place(window, (width, height), view.finish)
        self._ctx.viewport = (left, window[1] - top - tall, fitted, tall)
        self._warp.render(moderngl.TRIANGLES, vertices=3)
        self._ctx.viewport = (0, 0, *window)

    def _set(self, name: str, value: NDArray[np.float32] | NDArray[np.int32]) -> None:
        uniform = self._warp.program[name]
        assert isinstance(uniform, moderngl.Uniform)
        uniform.write(value.tobytes())

    def _draw_hud(self, hud: Hud, window: tuple[int, int]) -> None:
        if hud != self._hud or self._hud_texture is None or self._hud_texture.size != window:
            layer = pygame.Surface(window, pygame.SRCALPHA)
            self._painter.paint(layer, hud)
            pixels = pygame.image.tobytes(layer, "RGBA")
            self._hud_texture = self._written(self._hud_texture, window, pixels, components=4)
            self._hud = hud
        self._hud_texture.use(0)
        self._ctx.enable_only(moderngl.BLEND)
        self._overlay.render(moderngl.TRIANGLES, vertices=3)
        self._ctx.enable_only(moderngl.NOTHING)

    def _written(
        self,
        texture: moderngl.Texture | None,
        size: tuple[int, int],
        pixels: NDArray[np.uint8] | NDArray[np.float32] | bytes,
        components: int = 3,
        dtype: Literal["f1", "f4"] = "f1",
    ) -> moderngl.Texture:
        """The texture with new pixels; a new one where the size has changed."""
        if texture is None or texture.size != size:
            if texture is not None:
                texture.release()
            texture = self._ctx.texture(size, components, dtype=dtype)
        whole = pixels if isinstance(pixels, bytes) else np.ascontiguousarray(pixels)
        texture.write(whole, alignment=1)
        return texture


@lru_cache(maxsize=1)
def _all_sky(width: int, height: int) -> NDArray[np.float32]:  # [H, W] metres
    return np.full((height, width), SKY_DEPTH_M, np.float32)


def is_software(renderer: str) -> bool:
    """Whether a GL_RENDERER draws on the processor, which the model needs for itself."""
    return any(name in renderer.lower() for name in SOFTWARE_RENDERERS)
