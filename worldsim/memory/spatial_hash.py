"""Sparse points of keyframes, by place: a query costs the same however long the session grows.

Space is divided into cells of 8 m, each into 4x4x4 voxels of 2 m, each with room for the points of
four frames: bounded, and fair to every place. A new frame takes the room of the least trusted one,
of equals the oldest: what was really seen is not forgotten for dreams of it. Cells are immutable
values that are replaced, never changed, so that a copy of the table is a complete snapshot.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldsim.camera import Intrinsics
from worldsim.memory.keyframe import forward_axis

CELL_M = 8.0
SPLIT = 4  # voxels along one side of a cell
VOXEL_M = CELL_M / SPLIT
SHIFT_M = 0.5  # voxel borders lie between block faces, where no surface flips from side to side
SLOTS = 4  # frames remembered per voxel
ROOM = SPLIT**3 * SLOTS
RANGE_M = 32.0  # cells farther than this from the eye are not asked
NOBODY = -1
FIELDS = 5  # of a point: world x, y, z, the depth it was seen at (metres), the trust of its frame

CellKey = tuple[int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """The points in 8 m of space; slots of voxel v are v * SLOTS and the following."""

    points: NDArray[np.float32]  # [ROOM, 5] see FIELDS
    owners: NDArray[np.int64]  # [ROOM] keyframe numbers, NOBODY where empty

    @property
    def nbytes(self) -> int:
        return self.points.nbytes + self.owners.nbytes


@dataclass(frozen=True, slots=True)
class Nearby:
    """Points around a view."""

    points: NDArray[np.float32]  # [P, 5] see FIELDS
    owners: NDArray[np.int64]  # [P] keyframe numbers

    @property
    def places(self) -> NDArray[np.float32]:  # [P, 3] world, metres
        return self.points[..., :3]

    @property
    def depths(self) -> NDArray[np.float32]:  # [P] metres
        return self.points[..., 3]

    @property
    def trusts(self) -> NDArray[np.float32]:  # [P]
        return self.points[..., 4]

    def where(self, chosen: NDArray[np.generic]) -> Nearby:  # mask or indices
        return Nearby(self.points[chosen], self.owners[chosen])


_EMPTY = Cell(np.zeros((ROOM, FIELDS), np.float32), np.full(ROOM, NOBODY, np.int64))


class SpatialHash:
    """Which keyframes saw what is at a place."""

    def __init__(self, cells: dict[CellKey, Cell] | None = None) -> None:
        self._cells = dict(cells or {})

    def __len__(self) -> int:
        return len(self._cells)

    def cells(self) -> dict[CellKey, Cell]:
        """A snapshot: the cells are immutable, so a copy of the table suffices."""
        return dict(self._cells)

    def insert(
        self,
        points: NDArray[np.float32],  # [P, 3] world, metres
        depths: NDArray[np.float32],  # [P] metres from the eye that saw them
        owner: int,
        trust: float = 1.0,
    ) -> tuple[CellKey, ...]:
        """Adds a keyframe's points, one a voxel, and returns the cells they are in."""
        touched = []
        for key, voxels, members in _by_cell(points):
            first = np.unique(voxels, return_index=True)[1]
            cell = self._cells.get(key, _EMPTY)
            owners, kept = cell.owners.copy(), cell.points.copy()
            places = _least_trusted(cell, voxels[first])
            owners[places] = owner
            kept[places, :3] = points[members[first]]
            kept[places, 3], kept[places, 4] = depths[members[first]], trust
            self._cells[key] = Cell(kept, owners)
            touched.append(key)
        return tuple(touched)

    def remove(self, owners: NDArray[np.int64], keys: tuple[CellKey, ...]) -> None:
        """Empties the slots of some keyframes in the given cells."""
        for key in keys:
            cell = self._cells.get(key)
            if cell is not None:
                self._clear(key, cell, np.isin(cell.owners, owners))

    def remove_points(self, nearby: Nearby) -> None:
        """Empties the slots that hold exactly these points of these keyframes."""
        for key, _, members in _by_cell(nearby.places):
            cell = self._cells.get(key)
            if cell is None:
                continue
            same_owner = cell.owners[:, None] == nearby.owners[members]
            same_point = (cell.points[:, None] == nearby.points[members]).all(axis=2)
            self._clear(key, cell, (same_owner & same_point).any(axis=1))

    def slots_of(self, owner: int, keys: tuple[CellKey, ...]) -> int:
        """How many slots a keyframe still holds: few when newer frames saw all it saw."""
        found = (self._cells.get(key, _EMPTY).owners for key in keys)
        return sum(int(np.count_nonzero(owners == owner)) for owners in found)

    def at(
        self,
        points: NDArray[np.float32],  # [P, 3] world, metres
    ) -> Nearby:  # points [P, SLOTS, 5], owners [P, SLOTS]
        """What is known of the voxels of some points."""
        owners = np.full((len(points), SLOTS), NOBODY, np.int64)
        known = np.zeros((len(points), SLOTS, FIELDS), np.float32)
        for key, voxels, members in _by_cell(points):
            cell = self._cells.get(key)
            if cell is not None:
                owners[members] = cell.owners.reshape(-1, SLOTS)[voxels]
                known[members] = cell.points.reshape(-1, SLOTS, FIELDS)[voxels]
        return Nearby(known, owners)

    def near_view(
        self,
        world_from_camera: NDArray[np.float32],  # [4, 4]
        intrinsics: Intrinsics,
    ) -> Nearby:
        """All points of the cells within RANGE_M that the camera may see."""
        keys = _cells_in_view(world_from_camera, intrinsics)
        cells = [cell for key in keys if (cell := self._cells.get(key)) is not None]
        if not cells:
            return Nearby(np.zeros((0, FIELDS), np.float32), np.zeros(0, np.int64))
        owners = np.concatenate([cell.owners for cell in cells])
        taken = np.flatnonzero(owners != NOBODY)
        points = np.concatenate([cell.points for cell in cells])
        return Nearby(points[taken], owners[taken])

    def _clear(self, key: CellKey, cell: Cell, gone: NDArray[np.bool_]) -> None:  # gone [ROOM]
        if not gone.any():
            return
        owners = np.where(gone, NOBODY, cell.owners)
        if (owners == NOBODY).all():
            del self._cells[key]
        else:
            self._cells[key] = Cell(cell.points, owners)


def _least_trusted(
    cell: Cell,
    voxels: NDArray[np.int64],  # [n]
) -> NDArray[np.int64]:  # [n] of each voxel's slots an empty one, or the one to give way
    owners = cell.owners.reshape(-1, SLOTS)[voxels]
    trusts = np.where(owners == NOBODY, 0.0, cell.points[:, 4].reshape(-1, SLOTS)[voxels])
    return voxels * SLOTS + np.lexsort((owners, trusts), axis=1)[:, 0]


def _by_cell(
    points: NDArray[np.float32],  # [P, 3] world, metres
) -> list[tuple[CellKey, NDArray[np.int64], NDArray[np.int64]]]:  # key, voxels [n], indices [n]
    """Groups points by cell, in order of first appearance within a cell."""
    if not len(points):
        return []
    voxel = np.floor((points - SHIFT_M) / VOXEL_M).astype(np.int64)
    cell, inside = voxel // SPLIT, voxel % SPLIT
    index = (inside[:, 0] * SPLIT + inside[:, 1]) * SPLIT + inside[:, 2]
    order = np.lexsort(cell.T)
    ordered = cell[order]
    starts = np.flatnonzero((ordered[1:] != ordered[:-1]).any(axis=1)) + 1
    groups = np.split(order, starts)
    keys = ordered[np.concatenate(([0], starts))].tolist()
    return [
        ((x, y, z), index[members], members)
        for (x, y, z), members in zip(keys, groups, strict=True)
    ]


_REACH = int(RANGE_M / CELL_M)
_STEPS = np.arange(-_REACH, _REACH + 1)
_OFFSETS = np.stack(np.meshgrid(_STEPS, _STEPS, _STEPS, indexing="ij"), axis=-1).reshape(-1, 3)
_CELL_RADIUS_M = CELL_M * 3**0.5 / 2


def _cells_in_view(
    world_from_camera: NDArray[np.float32],  # [4, 4]
    intrinsics: Intrinsics,
) -> list[CellKey]:
    """The cells whose bounding ball meets the view frustum within RANGE_M."""
    eye = world_from_camera[:3, 3]
    keys = np.floor((eye - SHIFT_M) / CELL_M).astype(np.int64) + _OFFSETS
    to_centre = (keys + 0.5) * CELL_M + SHIFT_M - eye
    camera = to_centre @ world_from_camera[:3, :3]
    ahead = to_centre @ forward_axis(world_from_camera)
    seen = np.ones(len(keys), bool)
    for axis, size in ((0, intrinsics.width), (1, intrinsics.height)):
        slope = size / 2 / intrinsics.focal_px
        margin = _CELL_RADIUS_M * (1 + slope**2) ** 0.5
        seen &= np.abs(camera[:, axis]) <= ahead * slope + margin
    seen &= (ahead > -_CELL_RADIUS_M) & (ahead < RANGE_M + _CELL_RADIUS_M)
    return [(x, y, z) for x, y, z in keys[seen].tolist()]
