"""Draws block worlds with OpenGL: a voxel ray-march in a fragment shader.

No display is needed. The context is made at the first render, belongs to one process (a child
forked before makes its own) and is entered for every call: other libraries may hold contexts.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from worldsim.camera import Intrinsics, pose_matrices
from worldsim.envs.blocks.looks import Look
from worldsim.envs.blocks.renderers import light as lighting
from worldsim.envs.blocks.renderers.frames import Frames, require_matching, require_supersample
from worldsim.envs.blocks.renderers.volume import Volume, eye_in_water, make_volume
from worldsim.envs.blocks.voxels import VoxelWindow
from worldsim.errors import BackendError
from worldsim.types import Pose

_CACHED_WINDOWS = 16  # at least; a batch may have three for each of its views
_MAX_ROWS = 8192  # of one framebuffer; larger batches are drawn in parts


@dataclass(slots=True)
class _Uploaded:
    texture: Any
    volume: Volume


@dataclass(slots=True)
class _Target:
    size: tuple[int, int]
    framebuffer: Any


@dataclass(slots=True)
class _Session:
    """Everything that lives in one GL context of one process."""

    pid: int
    context: Any
    program: Any
    triangle: Any
    target: _Target | None
    uploaded: OrderedDict[int, _Uploaded]  # by window version, oldest first
    look: Look | None = None  # whose colours the program holds


class GLRenderer:
    """The fast renderer where there is OpenGL 3.3, in hardware or software.

    Args:
        supersample: Colour rays along each side of a pixel, 2 or 1. Depth and labels always come
            from the one ray through the pixel's centre.

    Raises:
        BackendError: at the first render, if no context can be made.
    """

    _opened_in: ClassVar[int | None] = None  # the process that first used the driver

    def __init__(self, *, supersample: int = 2) -> None:
        require_supersample(supersample)
        self._supersample = supersample
        self._session: _Session | None = None

    def render(
        self,
        windows: Sequence[VoxelWindow],
        poses: Sequence[Pose],
        day: Sequence[float],
        intrinsics: Intrinsics,
    ) -> Frames:
        """Draw one view for each pose. The returned arrays are the caller's own."""
        require_matching(windows, poses, day)
        session = self._open()
        batch = max(1, _MAX_ROWS // intrinsics.height)
        with session.context:
            parts = [
                self._draw(session, windows[i:j], poses[i:j], day[i:j], intrinsics)
                for i, j in _spans(len(poses), batch)
            ]
        return _joined(parts, intrinsics)

    def probe(self) -> None:
        """Open the context now. Raises BackendError if there is no OpenGL."""
        self._open()

    def close(self) -> None:
        """Release the context. A later render opens a new one."""
        session, self._session = self._session, None
        if session is not None and session.pid == os.getpid():
            with session.context:
                for uploaded in session.uploaded.values():
                    uploaded.texture.release()
            session.context.release()

    def _open(self) -> _Session:
        if self._session is None or self._session.pid != os.getpid():
            _refuse_after_fork(GLRenderer._opened_in)
            self._session = _open_session()
            GLRenderer._opened_in = os.getpid()
        return self._session

    def _draw(
        self,
        session: _Session,
        windows: Sequence[VoxelWindow],
        poses: Sequence[Pose],
        day: Sequence[float],
        intrinsics: Intrinsics,
    ) -> Frames:
        width, height, count = intrinsics.width, intrinsics.height, len(poses)
        framebuffer = _target(session, (width, height * count))
        framebuffer.use()
        matrices = pose_matrices(list(poses))
        for i, window in enumerate(windows):
            uploaded = _uploaded(session, window, max(_CACHED_WINDOWS, 3 * count))
            _set_view(session.program, uploaded.volume, matrices[i], intrinsics)
            raster = (width / 2, height / 2, i * height, self._supersample)
            session.program["raster"].value = raster
            light = lighting.light_at(day[i], window.look)
            session.program["light"].write(lighting.light_rows(light))
            _set_look(session, window.look)
            uploaded.texture.use(0)
            framebuffer.viewport = (0, i * height, width, height)
            session.triangle.render(vertices=3)
        return _read(framebuffer, count, intrinsics)


def _refuse_after_fork(opened_in: int | None) -> None:
    """GL drivers do not survive a fork: the child would wait for the parent's threads forever."""
    if opened_in not in (None, os.getpid()):
        raise BackendError(
            "a process whose parent has not used OpenGL before it forked",
            f"process {os.getpid()}, forked from {opened_in} after it had rendered",
            "Start workers with the 'spawn' or 'forkserver' method, or use renderer='torch'.",
        )


def _open_session() -> _Session:
    try:
        import moderngl
    except ImportError as error:
        raise BackendError(
            "moderngl to be installed", str(error), "Install moderngl, or use renderer='torch'."
        ) from error
    context = _make_context(moderngl)
    with context:
        shaders = files("worldsim.assets.shaders")
        program = context.program(
            vertex_shader=shaders.joinpath("fullscreen.vert").read_text(),
            fragment_shader=shaders.joinpath("voxels.frag").read_text(),
        )
        program["patterns"].write(lighting.pattern_table())
        program["detail"].value = (
            lighting.TEXTURE_NEAR_M,
            lighting.TEXTURE_FAR_M,
            lighting.TINT_FAR_M,
            lighting.TINT_AMOUNT,
        )
        program["darkness"].value = (lighting.OCCLUDED, lighting.INSIDE_LIGHT)
        triangle = context.vertex_array(program, [])
    return _Session(os.getpid(), context, program, triangle, None, OrderedDict())


def _make_context(moderngl: Any) -> Any:
    """A context without a window: EGL first, which needs no display, then the platform's own."""
    reasons = []
    for backend in ({"backend": "egl"}, {}):
        try:
            return moderngl.create_context(standalone=True, require=330, **backend)
        except Exception as error:  # noqa: BLE001 glcontext raises nothing more specific
            reasons.append(str(error))
    raise BackendError(
        "OpenGL 3.3 without a display (EGL)",
        "; ".join(reasons),
        "Install a GL driver (on Debian: libegl1 and libgl1-mesa-dri), or use renderer='torch'.",
    )


def _target(session: _Session, size: tuple[int, int]) -> Any:
    if session.target is None or session.target.size != size:
        if session.target is not None:
            session.target.framebuffer.release()
        context = session.context
        colour = context.texture(size, 4)
        depth = context.texture(size, 1, dtype="f4")
        session.target = _Target(size, context.framebuffer([colour, depth]))
    return session.target.framebuffer


def _uploaded(session: _Session, window: VoxelWindow, kept: int) -> _Uploaded:
    """The window's texture, made once for each version; the `kept` last used ones stay."""
    cached = session.uploaded.get(window.version)
    if cached is None:
        volume = make_volume(window)
        x, y, z = volume.cells.shape
        texture = session.context.texture3d(
            (z, y, x), 1, volume.cells.tobytes(), alignment=1, dtype="u2"
        )
        texture.filter = (0x2600, 0x2600)  # GL_NEAREST, which integer textures require
        cached = session.uploaded[window.version] = _Uploaded(texture, volume)
        while len(session.uploaded) > kept:
            session.uploaded.popitem(last=False)[1].texture.release()
    session.uploaded.move_to_end(window.version)
    return cached


def _set_look(session: _Session, look: Look) -> None:
    """Hand over the colours and the fog, if those of another look are in place."""
    if session.look is look:
        return
    session.program["face_colours"].write(lighting.face_colours(look))
    fog = (lighting.RANGE_M, look.fog_start_m, look.fog_end_m, lighting.WATER_VIEW_M)
    session.program["fog"].value = fog
    session.look = look


def _set_view(
    program: Any,
    volume: Volume,
    world_from_camera: NDArray[np.float32],  # [4, 4]
    intrinsics: Intrinsics,
) -> None:
    x, _, z = volume.cells.shape
    program["size"].value = (x, volume.top, z)
    program["origin"].value = volume.origin
    rows = np.zeros((4, 4), dtype=np.float32)
    rows[0, :3] = world_from_camera[:3, 3] - np.array(volume.origin, dtype=np.float32)
    rows[0, 3] = eye_in_water(volume, rows[0, :3])
    rows[1, :3] = world_from_camera[:3, 0] / intrinsics.focal_x_px
    rows[2, :3] = world_from_camera[:3, 1] / intrinsics.focal_px
    rows[3, :3] = -world_from_camera[:3, 2]
    program["view"].write(rows)


def _read(framebuffer: Any, count: int, intrinsics: Intrinsics) -> Frames:
    shape = (count, intrinsics.height, intrinsics.width)
    pixels = np.frombuffer(framebuffer.read(components=4, alignment=1), np.uint8)
    pixels = pixels.reshape(*shape, 4)
    depth = np.frombuffer(framebuffer.read(components=1, attachment=1, dtype="f4"), np.float32)
    return Frames(
        np.ascontiguousarray(pixels[..., :3]),
        depth.reshape(shape).copy(),
        np.ascontiguousarray(pixels[..., 3]),
    )


def _spans(count: int, size: int) -> list[tuple[int, int]]:
    return [(i, min(i + size, count)) for i in range(0, count, size)]


def _joined(parts: list[Frames], intrinsics: Intrinsics) -> Frames:
    if len(parts) == 1:
        return parts[0]
    if not parts:
        shape = (0, intrinsics.height, intrinsics.width)
        rgb = np.zeros((*shape, 3), np.uint8)
        return Frames(rgb, np.zeros(shape, np.float32), np.zeros(shape, np.uint8))
    return Frames(
        np.concatenate([part.rgb for part in parts]),
        np.concatenate([part.depth for part in parts]),
        np.concatenate([part.labels for part in parts]),
    )
