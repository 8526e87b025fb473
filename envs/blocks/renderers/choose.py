"""The one place that decides who draws the block world."""

from __future__ import annotations

import logging
from typing import Literal

import torch

from worldsim.envs.blocks.renderers.frames import Renderer
from worldsim.envs.blocks.renderers.gl import GLRenderer
from worldsim.envs.blocks.renderers.torch_renderer import TorchRenderer
from worldsim.errors import BackendError, ConfigError

RendererName = Literal["auto", "gl", "torch"]

_log = logging.getLogger(__name__)


def make_renderer(name: str = "auto", *, supersample: int = 2) -> Renderer:
    """The renderer of that name; "auto" takes OpenGL where a context can be had.

    Raises:
        BackendError: if OpenGL is asked for by name and there is none (at the first render).
        ConfigError: for an unknown name.
    """
    if name == "gl":
        return GLRenderer(supersample=supersample)
    if name == "torch":
        return _torch_renderer("asked for by name", supersample)
    if name != "auto":
        raise ConfigError("a renderer named auto, gl or torch", f"{name!r}", "Use auto.")
    try:
        renderer = GLRenderer(supersample=supersample)
        renderer.probe()
    except BackendError as error:
        return _torch_renderer(f"no OpenGL ({error.got})", supersample)
    _log.info("renderer: gl (a context without a display is available)")
    return renderer


def _torch_renderer(reason: str, supersample: int) -> TorchRenderer:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    _log.info("renderer: torch on %s (%s)", device, reason)
    return TorchRenderer(device, supersample=supersample)
