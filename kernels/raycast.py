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

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from worldsim.errors import ConfigError
from worldsim.kernels.dispatch import Implementation, tl, triton, use_triton

FACE_NONE = -1
FACE_TOP = 2  # faces are +x, -x, +y, -y, +z, -z, by the direction they look in
FACE_INSIDE = 6  # the ray starts inside a block
BELOW = 3  # what lies under the grid: stone
_TINY = 1e-9  # stands for a direction's zero


@dataclass(frozen=True, slots=True)
class Rays:
    """Rays, and the grids of blocks that they go through."""

    blocks: Tensor  # [N, X, Y, Z] uint8
    clearance: Tensor  # [N, X, Y, Z] uint8
    grid: Tensor  # [B] int64
    through: Tensor  # [B] int64
    origins: Tensor  # [B, R, 3] float32 metres
    directions: Tensor  # [B, R, 3] float32
    max_distance: float  # metres


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
    distance: Tensor  # [P]
    cell: Tensor  # [P, 3] int64
    axis: Tensor  # [P] int64 of the plane last crossed
    crossed: Tensor  # [P] bool, whether there was one

    def kept(self, mask: Tensor) -> _March:
        index = mask.nonzero(as_tuple=True)[0]
        return _March(*(getattr(self, field.name)[index] for field in fields(self)))


def raycast_reference(rays: Rays) -> RayHits:
    """The march in plain torch, in lockstep over the rays that are still on their way."""
    hits = _no_hits(rays)
    size = torch.tensor(rays.blocks.shape[1:], device=rays.origins.device)
    march = _entered(rays, size)
    while len(march.ray):
        march = march.kept(march.distance <= rays.max_distance)
        inside = ((march.cell >= 0) & (march.cell < size)).all(-1)
        below = (march.cell[:, 1] < 0) & (march.direction[:, 1] < 0)
        _record_(hits, march.kept(below), FACE_TOP, BELOW)
        march = march.kept(inside)
        x, y, z = march.cell.unbind(-1)
        block = rays.blocks[march.grid, x, y, z].long()
        blocked = (block != 0) & (block != march.through)
        _record_(hits, march.kept(blocked), None, block[blocked])
        room = rays.clearance[march.grid, x, y, z].long().clamp(min=1)
        march = _advanced(march.kept(~blocked), room[~blocked])
    return hits


def _no_hits(rays: Rays) -> RayHits:
    B, R, _ = rays.origins.shape
    device = rays.origins.device
    return RayHits(
        torch.full((B, R), float("inf"), device=device),
        torch.full((B, R), FACE_NONE, dtype=torch.int32, device=device),
        torch.zeros((B, R), dtype=torch.int32, device=device),
        torch.zeros((B, R, 3), dtype=torch.int32, device=device),
    )


def _entered(
    rays: Rays,
    size: Tensor,  # [3] cells of a grid
) -> _March:
    """Rays at their origins or where they enter the grid; those that miss it are left out."""
    B, R, _ = rays.origins.shape
    origin, direction = rays.origins.reshape(-1, 3), rays.directions.reshape(-1, 3)
    direction = torch.where(direction.abs() < _TINY, torch.full_like(direction, _TINY), direction)
    near = torch.where(direction > 0, torch.zeros_like(size), size)
    enter, axis = ((near - origin) / direction).max(-1)
    leave = ((size - near - origin) / direction).amin(-1)
    crossed = enter > 0
    distance = enter.clamp(min=0.0)
    cell = (origin + direction * distance[:, None]).floor().long()
    cell = torch.where(crossed[:, None], torch.minimum(cell.clamp(min=0), size - 1), cell)
    ray = torch.arange(B * R, device=origin.device)
    march = _March(
        ray,
        rays.grid.repeat_interleave(R),
        rays.through.repeat_interleave(R),
        origin,
        direction,
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
    distance, axis = ((plane - march.origin) / march.direction).min(-1)
    arrived = (march.origin + march.direction * distance[:, None]).floor().long()
    arrived = torch.minimum(torch.maximum(arrived, march.cell - room + 1), march.cell + room - 1)
    beyond = march.cell + torch.where(ahead, room, -room)
    cell = arrived.scatter(1, axis[:, None], beyond.gather(1, axis[:, None]))
    crossed = torch.ones_like(march.crossed)
    return replace(march, distance=distance, cell=cell, axis=axis, crossed=crossed)


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
    def _load3(p_rows, i_row, m_row, other):
        b_x = tl.load(p_rows + i_row * 3, mask=m_row, other=other)
        b_y = tl.load(p_rows + i_row * 3 + 1, mask=m_row, other=other)
        b_z = tl.load(p_rows + i_row * 3 + 2, mask=m_row, other=other)
        return b_x, b_y, b_z

    @triton.jit
    def _first_of(b_x, b_y, b_best):
        """The axis whose value is the best one."""
        return tl.where(b_x == b_best, 0, tl.where(b_y == b_best, 1, 2))

    @triton.jit
    def _span(b_o, b_d, extent):
        """Where a ray enters and leaves the grid's extent along one axis."""
        b_near = tl.where(b_d > 0, 0, extent)
        return (b_near - b_o) / b_d, (extent - b_near - b_o) / b_d

    @triton.jit
    def _first_cell(b_o, b_d, b_t, m_crossed, extent):
        b_c = tl.floor(b_o + b_d * b_t).to(tl.int32)
        return tl.where(m_crossed, tl.minimum(tl.maximum(b_c, 0), extent - 1), b_c)

    @triton.jit
    def _exit(b_o, b_d, b_c, b_room):
        """Where a ray crosses the plane ahead of it along one axis."""
        return (b_c + tl.where(b_d > 0, b_room, 1 - b_room) - b_o) / b_d

    @triton.jit
    def _next_cell(b_o, b_d, b_t, b_c, b_room, m_axis):
        """Beyond the plane along the axis crossed, within the cube along the others."""
        b_at = tl.floor(b_o + b_d * b_t).to(tl.int32)
        b_at = tl.minimum(tl.maximum(b_at, b_c - b_room + 1), b_c + b_room - 1)
        return tl.where(m_axis, b_c + tl.where(b_d > 0, b_room, -b_room), b_at)

    @triton.jit
    def _raycast_kernel(
        p_blocks, p_clearance, p_grid, p_through, p_origins, p_directions,
        p_distance, p_face, p_block, p_cell,
        R, X, Y, Z, max_distance,
        TINY: tl.constexpr, BELOW_ID: tl.constexpr, BLOCK: tl.constexpr
    ):  # fmt: skip
        i_batch = tl.program_id(1).to(tl.int64)
        i_ray = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        m_ray = i_ray < R
        i_out = i_batch * R + i_ray
        i_grid = tl.load(p_grid + i_batch) * X * Y * Z
        through = tl.load(p_through + i_batch)
        b_ox, b_oy, b_oz = _load3(p_origins, i_out, m_ray, 0.0)
        b_dx, b_dy, b_dz = _load3(p_directions, i_out, m_ray, 1.0)
        b_dx = tl.where(tl.abs(b_dx) < TINY, TINY, b_dx)
        b_dy = tl.where(tl.abs(b_dy) < TINY, TINY, b_dy)
        b_dz = tl.where(tl.abs(b_dz) < TINY, TINY, b_dz)
        b_ex, b_lx = _span(b_ox, b_dx, X)
        b_ey, b_ly = _span(b_oy, b_dy, Y)
        b_ez, b_lz = _span(b_oz, b_dz, Z)
        b_enter = tl.maximum(tl.maximum(b_ex, b_ey), b_ez)
        b_axis = _first_of(b_ex, b_ey, b_enter)
        m_crossed = b_enter > 0
        b_t = tl.maximum(b_enter, 0.0)
        b_cx = _first_cell(b_ox, b_dx, b_t, m_crossed, X)
        b_cy = _first_cell(b_oy, b_dy, b_t, m_crossed, Y)
        b_cz = _first_cell(b_oz, b_dz, b_t, m_crossed, Z)
        m_meets = (b_t <= tl.minimum(tl.minimum(b_lx, b_ly), b_lz)) | (b_enter <= 0)
        m_active = m_ray & m_meets & (b_t <= max_distance)

        while tl.max(m_active.to(tl.int32), axis=0) > 0:
            m_inside = (b_cx >= 0) & (b_cx < X) & (b_cy >= 0) & (b_cy < Y)
            m_inside = m_active & m_inside & (b_cz >= 0) & (b_cz < Z)
            i_cell = i_grid + (b_cx.to(tl.int64) * Y + b_cy) * Z + b_cz
            b_id = tl.load(p_blocks + i_cell, mask=m_inside, other=0).to(tl.int32)
            b_room = tl.load(p_clearance + i_cell, mask=m_inside, other=1).to(tl.int32)
            b_room = tl.maximum(b_room, 1)
            m_below = m_active & (b_cy < 0) & (b_dy < 0)
            m_hit = (m_inside & (b_id != 0) & (b_id != through)) | m_below
            b_along = tl.where(b_axis == 0, b_dx, tl.where(b_axis == 1, b_dy, b_dz))
            b_face = tl.where(m_crossed, b_axis * 2 + (b_along > 0).to(tl.int32), 6)
            tl.store(p_distance + i_out, b_t, mask=m_hit)
            tl.store(p_face + i_out, tl.where(m_below, 2, b_face), mask=m_hit)
            tl.store(p_block + i_out, tl.where(m_below, BELOW_ID, b_id), mask=m_hit)
            tl.store(p_cell + i_out * 3, b_cx, mask=m_hit)
            tl.store(p_cell + i_out * 3 + 1, b_cy, mask=m_hit)
            tl.store(p_cell + i_out * 3 + 2, b_cz, mask=m_hit)

            b_x, b_y = _exit(b_ox, b_dx, b_cx, b_room), _exit(b_oy, b_dy, b_cy, b_room)
            b_t = tl.minimum(tl.minimum(b_x, b_y), _exit(b_oz, b_dz, b_cz, b_room))
            b_axis = _first_of(b_x, b_y, b_t)
            b_cx = _next_cell(b_ox, b_dx, b_t, b_cx, b_room, b_axis == 0)
            b_cy = _next_cell(b_oy, b_dy, b_t, b_cy, b_room, b_axis == 1)
            b_cz = _next_cell(b_oz, b_dz, b_t, b_cz, b_room, b_axis == 2)
            m_crossed = m_crossed | m_active
            m_active = m_inside & (m_hit == 0) & (b_t <= max_distance)


def _launch(rays: Rays) -> RayHits:
    B, R, _ = rays.origins.shape
    hits = _no_hits(rays)  # the kernel writes only where there is a hit
    if B * R == 0:
        return hits
    inputs = (rays.blocks, rays.clearance, rays.grid, rays.through, rays.origins, rays.directions)
    outputs = (hits.distance, hits.face, hits.block, hits.cell)
    BLOCK = 128
    _raycast_kernel[(triton.cdiv(R, BLOCK), B)](
        *(tensor.contiguous() for tensor in inputs),
        *outputs,
        R,
        *rays.blocks.shape[1:],
        rays.max_distance,
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
    rays = Rays(blocks, clearance, grid, through, origins, directions, max_distance)
    march = _launch if use_triton("raycast", device, implementation) else raycast_reference
    return march(rays)
