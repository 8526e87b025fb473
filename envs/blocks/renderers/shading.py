"""The colour of a ray, in torch: the twin of the second half of `voxels.frag`.

Shape letters: B views, R rays of each, P rays that hit a block, of all views together.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from worldsim.envs.blocks.blocks import Block
from worldsim.envs.blocks.renderers import light as lighting
from worldsim.envs.blocks.renderers.volume import LAMP_SHIFT, LIGHT_MAX, SKY_SHIFT
from worldsim.kernels.raycast import FACE_INSIDE, RayHits, raycast

_LOW_32 = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Scene:
    """What the rays of B views can meet, and in which light."""

    cells: Tensor  # [N, X, Y, Z] int32, packed as in volume.py
    blocks: Tensor  # [N, X, Y, Z] uint8, unpacked
    clearance: Tensor  # [N, X, Y, Z] uint8, unpacked
    grid: Tensor  # [B] int64, which of the N volumes a view is in
    origin: Tensor  # [B, 3] int64 world position of its corner
    in_water: Tensor  # [B] bool, whether the eye is
    light: Tensor  # [B, LIGHT_ROWS, 3]
    face_colours: Tensor  # [B, BLOCK_COUNT * 3, 3]
    fog: Tensor  # [B, 2] metres where it starts and ends
    patterns: Tensor  # [BLOCK_COUNT * 2, 4]


@dataclass(frozen=True, slots=True)
class Rays:
    """The rays of B views, in metres from their windows' corners."""

    origin: Tensor  # [B, R, 3]
    direction: Tensor  # [B, R, 3] unit length
    stretch: Tensor  # [B, R] metres along the ray for one metre along the view axis


@dataclass(frozen=True, slots=True)
class _Surface:
    """The points where rays met a block from outside; one row each."""

    view: Tensor  # [P] int64
    block: Tensor  # [P] int64
    face: Tensor  # [P] int64
    axis: Tensor  # [P] int64
    distance: Tensor  # [P] metres
    uv: Tensor  # [P, 2] place in the face, each in [0, 1)
    cell: Tensor  # [P, 3] int64 in the window
    whole: Tensor  # [P, 2] int64 world position of the block along u and v
    layer: Tensor  # [P] int64 world position of the block along the face's axis


def march(scene: Scene, rays: Rays) -> RayHits:
    """What each ray meets."""
    return raycast(
        scene.blocks,
        rays.origin,
        rays.direction,
        max_distance=lighting.RANGE_M,
        grid=scene.grid,
        through=scene.in_water.long() * int(Block.WATER),
        clearance=scene.clearance,
    )


def shade(scene: Scene, rays: Rays, hits: RayHits) -> Tensor:  # [B, R, 3] in [0, 1]
    """The colour that each ray brings to the eye."""
    light = scene.light[:, None]
    behind = sky(rays.direction, light)
    seen = torch.lerp(behind, light[:, :, 1], _disc(rays.direction, light))
    view, ray = ((hits.face >= 0) & (hits.face != FACE_INSIDE)).nonzero(as_tuple=True)
    surface = _surface(scene, rays, hits, view, ray)
    colour = _surface_colour(scene, surface, rays.direction[view, ray], behind[view, ray])
    seen[view, ray] = colour
    inside = hits.face == FACE_INSIDE
    block = hits.block[inside].long()
    dark = scene.face_colours[inside.nonzero()[:, 0], block * 3 + 1] * lighting.INSIDE_LIGHT
    seen[inside] = dark
    return _under_water(scene, seen, hits).clamp(0.0, 1.0)


def sky(
    direction: Tensor,  # [B, R, 3]
    light: Tensor,  # [B, 1, LIGHT_ROWS, 3]
) -> Tensor:  # [B, R, 3]
    """The sky without the sun's disc; below the horizon it keeps the horizon's colour."""
    height = direction[..., 1:2].clamp(min=0.0)
    near_sun = (direction * light[:, :, 0]).sum(-1, keepdim=True).clamp(min=0.0)
    share = height * height * 1.07 / (height * height + 0.07)
    return torch.lerp(light[:, :, 3], light[:, :, 2], share) + light[:, :, 4] * near_sun**8


def _disc(direction: Tensor, light: Tensor) -> Tensor:  # [B, R, 1]
    return _smoothstep(0.9930, 0.9975, (direction * light[:, :, 0]).sum(-1, keepdim=True))


def _surface(scene: Scene, rays: Rays, hits: RayHits, view: Tensor, ray: Tensor) -> _Surface:
    face = hits.face[view, ray].long()
    axis = face >> 1
    distance = hits.distance[view, ray]
    cell = hits.cell[view, ray].long()
    local = rays.origin[view, ray] + rays.direction[view, ray] * distance[:, None] - cell
    along = torch.tensor(((2, 1), (0, 2), (0, 1)), device=face.device)[axis]
    block = cell + scene.origin[view]
    return _Surface(
        view=view,
        block=hits.block[view, ray].long(),
        face=face,
        axis=axis,
        distance=distance,
        uv=local.gather(1, along).clamp(0.0, 0.9999),
        cell=cell,
        whole=block.gather(1, along),
        layer=block.gather(1, axis[:, None])[:, 0],
    )


def _surface_colour(
    scene: Scene,
    surface: _Surface,
    direction: Tensor,  # [P, 3]
    behind: Tensor,  # [P, 3] the sky in the same direction
) -> Tensor:  # [P, 3]
    base, emit = _albedo(scene, surface)
    sky_light, lamp_light = _light_near(scene, surface).unsqueeze(-1).unbind(1)
    light = scene.light[surface.view]
    facing = light.gather(1, (5 + surface.face)[:, None, None].expand(-1, 1, 3))[:, 0]
    lit = torch.maximum(facing * sky_light, light[:, 11] * (0.55 + 0.45 * sky_light))
    day = (light[:, 7] * 0.3333).sum(-1, keepdim=True)
    lit = lit + light[:, 12] * lamp_light * (1.0 - 0.75 * sky_light * day)
    seen = base * torch.lerp(lit, torch.ones_like(lit), emit)
    grazing = 1.0 - direction.gather(1, surface.axis[:, None]).abs()
    mirror = torch.where(surface.block[:, None] == Block.WATER, 0.10 + 0.45 * grazing**4, 0.0)
    seen = torch.lerp(seen, behind, mirror)
    start, end = scene.fog[surface.view].unbind(-1)
    fog = _smoothstep(start, end, surface.distance)
    return torch.lerp(seen, behind, fog[:, None])


def _albedo(scene: Scene, surface: _Surface) -> tuple[Tensor, Tensor]:  # [P, 3], [P, 1]
    """The block's own colour at a point of its face with its pattern, and how much it glows."""
    shape = scene.patterns[surface.block * 2]
    seam_amount, shift, glow_amount, emit = scene.patterns[surface.block * 2 + 1].unbind(-1)
    side = torch.tensor((1, 1, 0, 2, 1, 1), device=surface.face.device)[surface.face]
    base = scene.face_colours[surface.view, surface.block * 3 + side]
    fade = 1.0 - _smoothstep(lighting.TEXTURE_NEAR_M, lighting.TEXTURE_FAR_M, surface.distance)
    place = surface.uv * shape[:, :2]
    odd_row = (place[:, 1].long() & 1).float()
    place = torch.stack((place[:, 0] + shift * odd_row, place[:, 1]), dim=-1)
    low, value = _values(surface, place, shape)
    part = place - place.floor()
    to_seam = (torch.minimum(part, 1.0 - part) / shape[:, :2]).amin(-1)
    seam = 1.0 - _smoothstep(0.02, 0.075, to_seam)
    glow = glow_amount * (1.0 - _smoothstep(0.05, 0.42, (surface.uv - 0.5).abs().amax(-1)))
    tint = _lattice(surface.whole[:, 0], surface.whole[:, 1], surface.layer * 4 + 3)
    tint = tint * lighting.TINT_AMOUNT
    tint = tint * (1.0 - _smoothstep(lighting.TEXTURE_FAR_M, lighting.TINT_FAR_M, surface.distance))
    base = _grass_edge(scene, surface, base, low)
    pattern = 1.0 + fade * (value - seam * seam_amount) + tint
    return base * pattern[:, None] + glow[:, None], emit[:, None]


def _values(
    surface: _Surface,
    place: Tensor,  # [P, 2] in lattice cells of the face
    shape: Tensor,  # [P, 4] cells along u and v, softness, amount
) -> tuple[Tensor, Tensor]:  # [P] along the lower row, [P] pattern
    corner = place.floor()
    weight = ((place - corner - 0.5) / shape[:, 2:3] + 0.5).clamp(0.0, 1.0)
    weight = weight * weight * (3.0 - 2.0 * weight)
    u, v = (surface.whole * shape[:, :2].long() + corner.long()).unbind(-1)
    salt = surface.layer * 4 + surface.axis
    low = torch.lerp(_lattice(u, v, salt), _lattice(u + 1, v, salt), weight[:, 0])
    high = torch.lerp(_lattice(u, v + 1, salt), _lattice(u + 1, v + 1, salt), weight[:, 0])
    return low, torch.lerp(low, high, weight[:, 1]) * shape[:, 3]


def _grass_edge(scene: Scene, surface: _Surface, base: Tensor, low: Tensor) -> Tensor:  # [P, 3]
    """Grass hangs over the upper edge of its block's sides."""
    edge = 0.72 + 0.08 * low
    blur = 0.05 + surface.distance * 0.012
    green = _smoothstep(edge - blur, edge + blur, surface.uv[:, 1])
    on_side = (surface.block == Block.GRASS) & (surface.axis != 1)
    share = torch.where(on_side, green, 0.0)[:, None]
    return torch.lerp(base, scene.face_colours[surface.view, 3] * 0.94, share)


def _light_near(scene: Scene, surface: _Surface) -> Tensor:  # [P, 2] sky and lamp light
    """Light at a point of the open cell before the face, darker near filled cells."""
    device = surface.face.device
    eye = torch.eye(3, dtype=torch.int64, device=device)
    open_cell = surface.cell + eye[surface.axis] * (1 - 2 * (surface.face & 1))[:, None]
    along = torch.tensor(((2, 1), (0, 2), (0, 1)), device=device)[surface.axis]
    from_centre = surface.uv - 0.5
    towards = torch.where(from_centre < 0, -1, 1)
    to_u = eye[along[:, 0]] * towards[:, :1]
    to_v = eye[along[:, 1]] * towards[:, 1:]
    places = (open_cell, open_cell + to_u, open_cell + to_v, open_cell + to_u + to_v)
    packed = torch.stack([_cells_at(scene, surface.view, place) for place in places], dim=1)
    block = packed & 15
    filled = ((block != 0) & (block != Block.WATER))[..., None]
    light = torch.stack(((packed >> SKY_SHIFT) & 15, (packed >> LAMP_SHIFT) & 15), -1) / LIGHT_MAX
    dimmed = light[:, 0] * torch.tensor((lighting.OCCLUDED, 0.6), device=device)
    side_u = torch.where(filled[:, 1], dimmed, light[:, 1])
    side_v = torch.where(filled[:, 2], dimmed, light[:, 2])
    hidden = filled[:, 3] | (filled[:, 1] & filled[:, 2])
    diagonal = torch.where(hidden, dimmed, light[:, 3])
    u, v = from_centre.abs().unsqueeze(-1).unbind(1)
    return torch.lerp(torch.lerp(light[:, 0], side_u, u), torch.lerp(side_v, diagonal, u), v)


def _cells_at(scene: Scene, view: Tensor, cell: Tensor) -> Tensor:  # [P] packed
    size = torch.tensor(scene.cells.shape[1:], device=cell.device)
    x, y, z = torch.minimum(cell.clamp(min=0), size - 1).unbind(-1)
    return scene.cells[scene.grid[view], x, y, z]


def _under_water(scene: Scene, seen: Tensor, hits: RayHits) -> Tensor:  # [B, R, 3]
    if not scene.in_water.any():
        return seen
    far = torch.where(hits.face < 0, lighting.RANGE_M, hits.distance)[..., None]
    blue = scene.light[:, None, 13]
    filtered = seen * torch.tensor((0.55, 0.80, 0.95), device=seen.device)
    filtered = torch.lerp(
        filtered, blue.expand_as(seen), 1.0 - (-far / lighting.WATER_VIEW_M).exp()
    )
    return torch.where(scene.in_water[:, None, None], filtered, seen)


def _lattice(u: Tensor, v: Tensor, salt: Tensor) -> Tensor:  # [P] in [-1, 1]
    """A hash of integer places; 32-bit arithmetic carried out in int64."""
    h = (u * 0x8DA6B343 ^ v * 0xD8163841 ^ salt * 0xCB1AB31F) & _LOW_32
    h = ((h ^ (h >> 15)) * 0x2C1B3C6D) & _LOW_32
    h = ((h ^ (h >> 13)) * 0x297A2D39) & _LOW_32
    return (h >> 16).float() * (2.0 / 65535.0) - 1.0


def _smoothstep(low: Tensor | float, high: Tensor | float, value: Tensor) -> Tensor:
    share = ((value - low) / (high - low)).clamp(0.0, 1.0)
    return share * share * (3.0 - 2.0 * share)
