"""Where rays first meet a block of a voxel grid.

A ray `o + t d` leaves the cell c through the nearest of the planes ahead of it,

    t = min over axes of (plane - o) / d,    plane = c + 1 if d > 0 else c,

and enters the neighbour beyond that plane: Amanatides & Woo 1987, "A fast voxel traversal
algorithm for ray tracing". Here t is computed from the origin at each step instead of being
accumulated, so hits are exact to a rounding. With a clearance k, the cube of cells nearer than k
is empty and the ray leaves the whole cube at once: planes c + k and c + 1 - k.

Shape letters: B batches of rays, R rays in each, N grids of X by Y by Z cells.
Distances are metres, one cell is one metre, and positions count from the grid's corner.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, fields
from typing import Any, Literal

import torch
from torch import Tensor

from worldsim.errors import BackendError, ConfigError

try:
    import triton
    import triton.language as tl
except ImportError:  # the reference serves machines without Triton
    triton = None

FACE_NONE = -1
FACE_TOP = 2  # faces are +x, -x, +y, -y, +z, -z, by the direction they look in
FACE_INSIDE = 6  # the ray starts inside a block
BELOW = 3  # what lies under the grid: stone
_TINY = 1e-9  # stands for a direction's zero

Implementation = Literal["auto", "torch", "triton"]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RayHits:
    """The first block on every ray."""

    distance: Tensor  # [B, R] float32 metres along the ray, inf where there is none
    face: Tensor  # [B, R] int32, FACE_NONE where there is none
    block: Tensor  # [B, R] int32 id, 0 where there is none
    cell: Tensor  # [B, R, 3] int32, 0 where there is none


@dataclass(frozen=True, slots=True)
class _March:
    """The rays still on their way; one row each."""

    ray: Tensor  # [P] int64 position in the flat list of rays
    grid: Tensor  # [P] int64
    through: Tensor  # [P] int64
    origin: Tensor  # [P, 3]
    direction: Tensor  # [P, 3] without zeros
    inverse: Tensor  # [P, 3]
    distance: Tensor  # [P]
    cell: Tensor  # [P, 3] int64
    axis: Tensor  # [P] int64 of the plane last crossed
    crossed: Tensor  # [P] bool, whether there was one

    def kept(self, mask: Tensor) -> _March:
        index = mask.nonzero(as_tuple=True)[0]
        return _March(*(getattr(self, field.name)[index] for field in fields(self)))


def raycast_reference(
    blocks: Tensor,  # [N, X, Y, Z] uint8
    clearance: Tensor,  # [N, X, Y, Z] uint8
    grid: Tensor,  # [B] int64
    through: Tensor,  # [B] int64
    origins: Tensor,  # [B, R, 3] float32
    directions: Tensor,  # [B, R, 3] float32
    max_distance: float,
) -> RayHits:
    """The march in plain torch, in lockstep over the rays that are still on their way."""
    B, R, _ = origins.shape
    hits = _no_hits(B, R, origins.device)
    size = torch.tensor(blocks.shape[1:], device=origins.device)
    march = _entered(grid, through, origins, directions, size)
    while len(march.ray):
        march = march.kept(march.distance <= max_distance)
        inside = ((march.cell >= 0) & (march.cell < size)).all(-1)
        below = (march.cell[:, 1] < 0) & (march.direction[:, 1] < 0)
        _record_(hits, march.kept(below), FACE_TOP, BELOW)
        march = march.kept(inside)
        x, y, z = march.cell.unbind(-1)
        block = blocks[march.grid, x, y, z].long()
        blocked = (block != 0) & (block != march.through)
        _record_(hits, march.kept(blocked), None, block[blocked])
        room = clearance[march.grid, x, y, z].long().clamp(min=1)
        march = _advanced(march.kept(~blocked), room[~blocked])
    return hits


def _no_hits(B: int, R: int, device: torch.device) -> RayHits:
    return RayHits(
        torch.full((B, R), float("inf"), device=device),
        torch.full((B, R), FACE_NONE, dtype=torch.int32, device=device),
        torch.zeros((B, R), dtype=torch.int32, device=device),
        torch.zeros((B, R, 3), dtype=torch.int32, device=device),
    )


def _entered(
    grid: Tensor,  # [B] int64
    through: Tensor,  # [B] int64
    origins: Tensor,  # [B, R, 3]
    directions: Tensor,  # [B, R, 3]
    size: Tensor,  # [3]
) -> _March:
    """Rays at their origins or where they enter the grid; those that miss it are left out."""
    B, R, _ = origins.shape
    origin, direction = origins.reshape(-1, 3), directions.reshape(-1, 3)
    direction = torch.where(direction.abs() < _TINY, torch.full_like(direction, _TINY), direction)
    inverse = 1.0 / direction
    near = torch.where(direction > 0, torch.zeros_like(size), size)
    enter, axis = ((near - origin) * inverse).max(-1)
    leave = ((size - near - origin) * inverse).amin(-1)
    crossed = enter > 0
    distance = enter.clamp(min=0.0)
    cell = (origin + direction * distance[:, None]).floor().long()
    cell = torch.where(crossed[:, None], torch.minimum(cell.clamp(min=0), size - 1), cell)
    ray = torch.arange(B * R, device=origin.device)
    march = _March(
        ray,
        grid.repeat_interleave(R),
        through.repeat_interleave(R),
        origin,
        direction,
        inverse,
        distance,
        cell,
        axis,
        crossed,
    )
    return march.kept(~crossed | (distance <= leave))


def _advanced(
    march: _March,
    room: Tensor,  # [P] int64, at least 1
) -> _March:
    """Every ray moved out of the empty cube around its cell."""
    room = room[:, None]
    ahead = march.direction > 0
    plane = march.cell + torch.where(ahead, room, 1 - room)
    distance, axis = ((plane - march.origin) * march.inverse).min(-1)
    arrived = (march.origin + march.direction * distance[:, None]).floor().long()
    arrived = torch.minimum(torch.maximum(arrived, march.cell - room + 1), march.cell + room - 1)
    beyond = march.cell + torch.where(ahead, room, -room)
    cell = arrived.scatter(1, axis[:, None], beyond.gather(1, axis[:, None]))
    return _March(
        march.ray,
        march.grid,
        march.through,
        march.origin,
        march.direction,
        march.inverse,
        distance,
        cell,
        axis,
        torch.ones_like(march.crossed),
    )


def _record_(hits: RayHits, march: _March, face: int | None, block: Tensor | int) -> None:
    """Write the rays that end here into the flat views of `hits`."""
    ahead = march.direction.gather(1, march.axis[:, None])[:, 0] > 0
    entered = torch.where(march.crossed, march.axis * 2 + ahead, FACE_INSIDE)
    hits.distance.view(-1)[march.ray] = march.distance
    hits.face.view(-1)[march.ray] = entered.int() if face is None else face
    hits.block.view(-1)[march.ray] = block.int() if isinstance(block, Tensor) else block
    hits.cell.view(-1, 3)[march.ray] = march.cell.int()


if triton is not None:

    @triton.jit
    def _pick(i_axis, x, y, z):
        return tl.where(i_axis == 0, x, tl.where(i_axis == 1, y, z))

    @triton.jit
    def _first_of(b_x, b_y, b_best):
        return tl.where(b_x == b_best, 0, tl.where(b_y == b_best, 1, 2))

    @triton.jit
    def _arrive(b_o, b_d, b_t, b_c, b_room, m_axis):
        """The cell of one axis after leaving the cube: the neighbour, or inside its bounds."""
        b_at = tl.floor(b_o + b_d * b_t).to(tl.int32)
        b_at = tl.minimum(tl.maximum(b_at, b_c - b_room + 1), b_c + b_room - 1)
        return tl.where(m_axis, b_c + tl.where(b_d > 0, b_room, -b_room), b_at)

    @triton.jit
    def _raycast_kernel(
        p_blocks,
        p_clearance,
        p_grid,
        p_through,
        p_origins,
        p_directions,
        p_distance,
        p_face,
        p_block,
        p_cell,
        R,
        X,
        Y,
        Z,
        max_distance,
        TINY: tl.constexpr,
        BELOW_ID: tl.constexpr,
        BLOCK: tl.constexpr,
    ):
        i_batch = tl.program_id(1).to(tl.int64)
        i_ray = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        m_ray = i_ray < R
        i_flat = i_batch * R + i_ray
        i_grid = tl.load(p_grid + i_batch) * X * Y * Z
        through = tl.load(p_through + i_batch)
        b_ox = tl.load(p_origins + i_flat * 3, mask=m_ray, other=0.0)
        b_oy = tl.load(p_origins + i_flat * 3 + 1, mask=m_ray, other=0.0)
        b_oz = tl.load(p_origins + i_flat * 3 + 2, mask=m_ray, other=0.0)
        b_dx = tl.load(p_directions + i_flat * 3, mask=m_ray, other=1.0)
        b_dy = tl.load(p_directions + i_flat * 3 + 1, mask=m_ray, other=1.0)
        b_dz = tl.load(p_directions + i_flat * 3 + 2, mask=m_ray, other=1.0)
        b_dx = tl.where(tl.abs(b_dx) < TINY, TINY, b_dx)
        b_dy = tl.where(tl.abs(b_dy) < TINY, TINY, b_dy)
        b_dz = tl.where(tl.abs(b_dz) < TINY, TINY, b_dz)
        b_ix, b_iy, b_iz = 1.0 / b_dx, 1.0 / b_dy, 1.0 / b_dz

        b_ex = (tl.where(b_dx > 0, 0, X) - b_ox) * b_ix
        b_ey = (tl.where(b_dy > 0, 0, Y) - b_oy) * b_iy
        b_ez = (tl.where(b_dz > 0, 0, Z) - b_oz) * b_iz
        b_lx = (tl.where(b_dx > 0, X, 0) - b_ox) * b_ix
        b_ly = (tl.where(b_dy > 0, Y, 0) - b_oy) * b_iy
        b_lz = (tl.where(b_dz > 0, Z, 0) - b_oz) * b_iz
        b_enter = tl.maximum(tl.maximum(b_ex, b_ey), b_ez)
        b_leave = tl.minimum(tl.minimum(b_lx, b_ly), b_lz)
        b_axis = _first_of(b_ex, b_ey, b_enter)
        m_crossed = b_enter > 0
        b_t = tl.maximum(b_enter, 0.0)
        b_cx = tl.floor(b_ox + b_dx * b_t).to(tl.int32)
        b_cy = tl.floor(b_oy + b_dy * b_t).to(tl.int32)
        b_cz = tl.floor(b_oz + b_dz * b_t).to(tl.int32)
        b_cx = tl.where(m_crossed, tl.minimum(tl.maximum(b_cx, 0), X - 1), b_cx)
        b_cy = tl.where(m_crossed, tl.minimum(tl.maximum(b_cy, 0), Y - 1), b_cy)
        b_cz = tl.where(m_crossed, tl.minimum(tl.maximum(b_cz, 0), Z - 1), b_cz)
        m_active = m_ray & ((b_t <= b_leave) | (b_enter <= 0)) & (b_t <= max_distance)

        b_out_t = tl.full((BLOCK,), float("inf"), tl.float32)
        b_out_face = tl.full((BLOCK,), -1, tl.int32)
        b_out_block = tl.zeros((BLOCK,), tl.int32)
        b_out_x = tl.zeros((BLOCK,), tl.int32)
        b_out_y = tl.zeros((BLOCK,), tl.int32)
        b_out_z = tl.zeros((BLOCK,), tl.int32)
        while tl.max(m_active.to(tl.int32), axis=0) > 0:
            m_x = (b_cx >= 0) & (b_cx < X)
            m_inside = m_active & m_x & (b_cy >= 0) & (b_cy < Y) & (b_cz >= 0) & (b_cz < Z)
            i_cell = i_grid + (b_cx.to(tl.int64) * Y + b_cy) * Z + b_cz
            b_id = tl.load(p_blocks + i_cell, mask=m_inside, other=0).to(tl.int32)
            b_room = tl.load(p_clearance + i_cell, mask=m_inside, other=1).to(tl.int32)
            b_room = tl.maximum(b_room, 1)
            m_below = m_active & (b_cy < 0) & (b_dy < 0)
            m_hit = (m_inside & (b_id != 0) & (b_id != through)) | m_below
            b_ahead = (_pick(b_axis, b_dx, b_dy, b_dz) > 0).to(tl.int32)
            b_face = tl.where(m_crossed, b_axis * 2 + b_ahead, 6)
            b_out_t = tl.where(m_hit, b_t, b_out_t)
            b_out_face = tl.where(m_hit, tl.where(m_below, 2, b_face), b_out_face)
            b_out_block = tl.where(m_hit, tl.where(m_below, BELOW_ID, b_id), b_out_block)
            b_out_x = tl.where(m_hit, b_cx, b_out_x)
            b_out_y = tl.where(m_hit, b_cy, b_out_y)
            b_out_z = tl.where(m_hit, b_cz, b_out_z)

            b_nx = (b_cx + tl.where(b_dx > 0, b_room, 1 - b_room) - b_ox) * b_ix
            b_ny = (b_cy + tl.where(b_dy > 0, b_room, 1 - b_room) - b_oy) * b_iy
            b_nz = (b_cz + tl.where(b_dz > 0, b_room, 1 - b_room) - b_oz) * b_iz
            b_t = tl.minimum(tl.minimum(b_nx, b_ny), b_nz)
            b_axis = _first_of(b_nx, b_ny, b_t)
            b_cx = _arrive(b_ox, b_dx, b_t, b_cx, b_room, b_axis == 0)
            b_cy = _arrive(b_oy, b_dy, b_t, b_cy, b_room, b_axis == 1)
            b_cz = _arrive(b_oz, b_dz, b_t, b_cz, b_room, b_axis == 2)
            m_crossed = m_crossed | m_active
            m_active = m_inside & (m_hit == 0) & (b_t <= max_distance)

        tl.store(p_distance + i_flat, b_out_t, mask=m_ray)
        tl.store(p_face + i_flat, b_out_face, mask=m_ray)
        tl.store(p_block + i_flat, b_out_block, mask=m_ray)
        tl.store(p_cell + i_flat * 3, b_out_x, mask=m_ray)
        tl.store(p_cell + i_flat * 3 + 1, b_out_y, mask=m_ray)
        tl.store(p_cell + i_flat * 3 + 2, b_out_z, mask=m_ray)


def _launch(
    blocks: Tensor,  # [N, X, Y, Z] uint8
    clearance: Tensor,  # [N, X, Y, Z] uint8
    grid: Tensor,  # [B] int64
    through: Tensor,  # [B] int64
    origins: Tensor,  # [B, R, 3] float32
    directions: Tensor,  # [B, R, 3] float32
    max_distance: float,
) -> RayHits:
    B, R, _ = origins.shape
    device = origins.device
    hits = RayHits(
        torch.empty((B, R), device=device),
        torch.empty((B, R), dtype=torch.int32, device=device),
        torch.empty((B, R), dtype=torch.int32, device=device),
        torch.empty((B, R, 3), dtype=torch.int32, device=device),
    )
    if B * R == 0:
        return hits
    inputs = (blocks, clearance, grid, through, origins, directions)
    outputs = (hits.distance, hits.face, hits.block, hits.cell)
    BLOCK = 128
    _raycast_kernel[(triton.cdiv(R, BLOCK), B)](
        *(tensor.contiguous() for tensor in inputs),
        *outputs,
        R,
        *blocks.shape[1:],
        max_distance,
        TINY=_TINY,
        BELOW_ID=BELOW,
        BLOCK=BLOCK,
        num_warps=4,
    )
    return hits


def raycast(
    blocks: Tensor,  # [N, X, Y, Z] uint8, 0 is empty
    origins: Tensor,  # [B, R, 3] float32, metres from the grid's corner
    directions: Tensor,  # [B, R, 3] float32, unit length
    *,
    max_distance: float,
    grid: Tensor | None = None,  # [B] int64, which of the N grids each batch is in
    through: Tensor | None = None,  # [B] int64, a block id each batch of rays passes through
    clearance: Tensor | None = None,  # [N, X, Y, Z] uint8, cells free to skip
    implementation: Implementation = "auto",
) -> RayHits:
    """The first block that each ray meets within `max_distance` metres.

    Below the grid lies endless stone (its top face at y = 0); the other sides are open. A ray
    that starts inside a block hits it at distance 0 with face FACE_INSIDE. Not differentiable.

    Args:
        blocks: The grids' block ids.
        origins: Where rays start; outside of the grid is allowed.
        directions: Where they go.
        max_distance: Metres after which a ray has met nothing.
        grid: Defaults to batch b in grid b, or to the only grid (b modulo N).
        through: Defaults to none. Water, for an eye under water.
        clearance: A cell of clearance k has only empty cells nearer than k; 0 and 1 skip nothing.
        implementation: "auto" takes Triton on CUDA and plain torch elsewhere.

    Source: Amanatides & Woo 1987, section 2.
    """
    if blocks.ndim != 4 or origins.shape != directions.shape or origins.shape[-1:] != (3,):
        raise ConfigError(
            "blocks [N, X, Y, Z] and rays [B, R, 3]",
            f"{tuple(blocks.shape)}, {tuple(origins.shape)} and {tuple(directions.shape)}",
            "Add the missing batch dimension.",
        )
    N, B, device = len(blocks), len(origins), origins.device
    if grid is None:
        grid = (
            torch.arange(B, device=device) if N == B else torch.zeros_like(origins[:, 0, 0]).long()
        )
    if through is None:
        through = torch.zeros(B, dtype=torch.int64, device=device)
    if clearance is None:
        clearance = (blocks == 0).to(torch.uint8)
    march: Any = _launch if _use_triton(device, implementation) else raycast_reference
    hits: RayHits = march(blocks, clearance, grid, through, origins, directions, max_distance)
    return hits


def _use_triton(device: torch.device, implementation: Implementation) -> bool:
    """The one place that decides who runs the kernel."""
    if implementation == "triton" and triton is None:
        raise BackendError("Triton to be installed", "no module triton", "pip install triton")
    chosen = implementation == "triton"
    if implementation == "auto":
        chosen = triton is not None and device.type == "cuda"
    _log.debug("raycast: %s on %s (%s)", "triton" if chosen else "torch", device, implementation)
    return chosen
