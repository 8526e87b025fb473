"""The memory of a world: keyframes, admitted when they show something new, found by what they saw.

Unlimited in length, constant in cost: retrieval asks a spatial hash, bytes are capped, and the
least useful keyframe makes room for a new one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from worldsim.camera import Intrinsics, pose_matrices, pose_matrix
from worldsim.errors import ConfigError, StateError
from worldsim.memory.holes import emptied, may_see, without_specks
from worldsim.memory.judge import DECIDES_FROM, REAL_TRUST
from worldsim.memory.keyframe import Keyframe, forward_axis, sparse_points
from worldsim.memory.novelty import LookedThrough, looked_through, novelty_share
from worldsim.memory.overlap import most_overlapping
from worldsim.memory.retrieve import MemoryMode, vote_frames
from worldsim.memory.spatial_hash import NOBODY, Cell, CellKey, Nearby, SpatialHash
from worldsim.types import Pose

T = TypeVar("T", bound=np.generic)

MORE_TRUSTED = 1.25  # a frame trusted this many times more is worth keeping beside the old one
AS_TRUSTED = 0.7  # a frame trusted less than this share cannot contradict what is stored
CANDIDATES = 8  # least recently used keyframes that are compared when one must go
SURE_SHARE = 0.5  # of the recalled keyframes are chosen for what they really saw, if they did
SURE_CANDIDATES = 32  # keyframes that are compared for that
SAME_VIEWS = 1  # keyframes that are recalled for being seen from here, whatever they saw
RECENT_VIEWS = 256  # recently used keyframes that are compared for that
REACH_M = 7.0  # how far from the eye a hand can have changed something
STROKE_TICKS, SAME_M, SAME_TURN = 5, 1.0, 0.985  # cosine of 10 degrees
NEARBY_M = 16.0  # so many metres away count as much as a turn by 60 degrees


@dataclass(frozen=True, slots=True, kw_only=True)
class BankConfig:
    """When a frame is admitted, and how much is kept."""

    max_bytes: int = 160_000_000
    novelty: float = 0.15  # share of a frame's points that must be new
    contradiction: float = 0.05  # share of known points that it must look through
    moved_m: float = 3.0  # with a little novelty, a keyframe at least every so many metres
    turned_deg: float = 40.0
    little_novelty: float = 0.04
    min_gap: int = 1  # ticks between keyframes; a look around in 45 degree steps needs each
    coarser: float = 1.6  # a surface seen from this many times farther is not seen well enough
    protect: int = 8  # newest keyframes that are never dropped

    def __post_init__(self) -> None:
        shares = (self.novelty, self.contradiction, self.little_novelty)
        if not all(0.0 <= share <= 1.0 for share in shares):
            raise ConfigError("shares between 0 and 1", f"{shares}", "Correct the bank's config.")
        if self.max_bytes < 1 or self.min_gap < 1 or self.coarser < 1 or self.protect < 1:
            raise ConfigError(
                "positive max_bytes, min_gap and protect, and coarser >= 1",
                f"{self.max_bytes}, {self.min_gap}, {self.protect}, {self.coarser}",
                "Correct the bank's config.",
            )


@dataclass(frozen=True, slots=True, eq=False)
class BankState:
    """A complete snapshot; shares the immutable keyframes and cells with the bank."""

    keyframes: dict[int, Keyframe]
    places: dict[int, tuple[CellKey, ...]]
    cells: dict[CellKey, Cell]
    used: dict[int, None]
    next_number: int
    last_frame: int
    nbytes: int

    @property
    def table_nbytes(self) -> int:
        """Bytes that are this snapshot's own: its tables, without what they refer to."""
        return sum(map(sys.getsizeof, (self.keyframes, self.places, self.cells, self.used)))

    def nbytes_beyond(self, later: BankState) -> int:
        """Bytes of the keyframes and cells that memory gave up from here to a later snapshot."""
        frames = (
            keyframe.nbytes
            for number, keyframe in self.keyframes.items()
            if later.keyframes.get(number) is not keyframe
        )
        cells = (c.nbytes for key, c in self.cells.items() if later.cells.get(key) is not c)
        return sum(frames) + sum(cells)


class MemoryBank:
    """Remembers RGB-D frames and recalls those that saw what a camera is about to see."""

    def __init__(self, intrinsics: Intrinsics, config: BankConfig | None = None) -> None:
        self.intrinsics = intrinsics
        self.config = config or BankConfig()
        self.restore(BankState({}, {}, {}, {}, 0, -1, 0))

    def __len__(self) -> int:
        return len(self._keyframes)

    @property
    def keyframes(self) -> list[Keyframe]:
        """All keyframes, oldest first."""
        return list(self._keyframes.values())

    @property
    def nbytes(self) -> int:
        """Bytes of pictures and depths; the hash adds a few per cent."""
        return self._nbytes

    def insert(
        self,
        rgb: NDArray[np.uint8],  # [H, W, 3]
        depth: NDArray[np.float32],  # [H, W] metres
        pose: Pose,
        frame: int,
        trust: float = 1.0,
        *,
        touched: bool = False,
    ) -> bool:
        """Offers a frame; True if it was admitted, because it is new, changed, or far away.

        Args:
            touched: a hand has just acted. One block is too small a part of most pictures to be
                noticed as a change, and memory would bring back the world before it. So the frame
                is admitted, and takes the place of all that was known within the hand's reach,
                and of the keyframe a few ticks before: a button held down fills no memory.
        """
        self._require_fitting(rgb, depth, trust)
        self._last_frame = frame
        newest = self._newest()
        gap = self.config.min_gap if newest is None else abs(frame - newest.frame)
        if gap < self.config.min_gap:
            return False
        points, depths = sparse_points(depth, pose, self.intrinsics)
        through = self._looked_through(depth, pose, trust, REACH_M if touched else 0.0)
        changed = touched or through.share >= self.config.contradiction
        if newest is not None and not changed:
            novelty = self._novelty(points, depths, trust)
            far = self._is_far(pose, newest.pose) and novelty >= self.config.little_novelty
            if novelty < self.config.novelty and not far:
                return False
        self._hash.remove_points(through.points)
        if touched and newest is not None and gap < STROKE_TICKS and _is_same_view(pose, newest):
            self._drop(self._next_number - 1)
        kept = depth if trust == 1.0 else without_specks(depth)
        keyframe = Keyframe(_frozen(rgb), _frozen(kept.astype(np.float16)), pose, frame, trust)
        self._add(keyframe, points, depths)
        return True

    def retrieve(
        self,
        pose: Pose,
        *,
        count: int,
        exclude_after: int | None = None,
        mode: MemoryMode = MemoryMode.FULL,
    ) -> list[Keyframe]:
        """At most `count` keyframes, best first; none newer than frame `exclude_after`."""
        if mode is MemoryMode.OFF or count < 1:
            return []
        if mode is MemoryMode.RECENT:
            return list(islice(self._older_than(exclude_after), count))
        if mode is MemoryMode.RANDOM:
            return self._random(count, exclude_after)
        nearby = self._nearby(pose, exclude_after)
        numbers = self._surest(nearby, pose, int(SURE_SHARE * count))
        same = min(SAME_VIEWS, count - len(numbers) - 1)  # one at least is for the votes
        numbers += self._similar_views(pose, same, exclude_after, numbers)
        numbers += self._voted(nearby, pose, count - len(numbers), numbers)
        numbers += self._similar_views(pose, count - len(numbers), exclude_after, numbers)
        for number in numbers:
            self._used.pop(number)
            self._used[number] = None
        return [self._keyframes[number] for number in numbers]

    def witnesses(
        self,
        places: NDArray[np.float32],  # [P, 3] world, metres
        *,
        count: int,
    ) -> list[Keyframe]:
        """At most `count` keyframes that saw something at some places, the nearest eye first."""
        known = self._hash.at(places)
        seen = known.where(known.owners != NOBODY)
        nearest = seen.owners[np.argsort(seen.depths, kind="stable")].tolist()
        return [self._keyframes[number] for number in list(dict.fromkeys(nearest))[:count]]

    def empty(
        self,
        low: NDArray[np.float64],  # [3] corners of a box, world, metres
        high: NDArray[np.float64],  # [3]
    ) -> None:
        """Forget what was seen in a box: it is there no longer, and nobody saw what was behind."""
        numbers = list(self._keyframes)
        poses = [self._keyframes[number].pose for number in numbers]
        for i in np.flatnonzero(may_see(poses, low, high, self.intrinsics)):
            keyframe = self._keyframes[numbers[i]]
            self._keyframes[numbers[i]] = emptied(keyframe, low, high, self.intrinsics)

    def snapshot(self) -> BankState:
        return BankState(
            dict(self._keyframes),
            dict(self._places),
            self._hash.cells(),
            dict(self._used),
            self._next_number,
            self._last_frame,
            self._nbytes,
        )

    def restore(self, state: BankState) -> None:
        self._keyframes = dict(state.keyframes)
        self._places = dict(state.places)
        self._hash = SpatialHash(state.cells)
        self._used = dict(state.used)
        self._next_number = state.next_number
        self._last_frame = state.last_frame
        self._nbytes = state.nbytes

    def _require_fitting(
        self, rgb: NDArray[np.uint8], depth: NDArray[np.float32], trust: float
    ) -> None:
        size = (self.intrinsics.height, self.intrinsics.width)
        if rgb.shape != (*size, 3) or depth.shape != size:
            raise StateError(
                f"rgb {(*size, 3)} and depth {size}",
                f"{rgb.shape} and {depth.shape}",
                "Offer frames of the camera that the bank was made for.",
            )
        if not 0.0 < trust <= 1.0:
            raise StateError("trust in (0, 1]", f"{trust}", "Use 1 for a real frame.")

    def _newest(self) -> Keyframe | None:
        return next(reversed(self._keyframes.values()), None)

    def _novelty(
        self, points: NDArray[np.float32], depths: NDArray[np.float32], trust: float
    ) -> float:
        known = self._hash.at(points)
        return novelty_share(known, depths, trust / MORE_TRUSTED, self.config.coarser)

    def _looked_through(
        self, depth: NDArray[np.float32], pose: Pose, trust: float, reach_m: float
    ) -> LookedThrough:
        nearby = self._hash.near_view(pose_matrix(pose), self.intrinsics)
        overruled = (nearby.trusts * AS_TRUSTED <= trust) & (trust >= DECIDES_FROM)
        return looked_through(
            nearby.where(overruled), depth, pose, self.intrinsics, reach_m=reach_m
        )

    def _is_far(self, pose: Pose, other: Pose) -> bool:
        moved = float(np.linalg.norm(pose.position() - other.position()))
        cosine = forward_axis(pose_matrix(pose)) @ forward_axis(pose_matrix(other))
        turned_deg = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
        return moved >= self.config.moved_m or bool(turned_deg >= self.config.turned_deg)

    def _add(
        self, keyframe: Keyframe, points: NDArray[np.float32], depths: NDArray[np.float32]
    ) -> None:
        number = self._next_number
        self._next_number += 1
        self._keyframes[number] = keyframe
        self._places[number] = self._hash.insert(points, depths, number, keyframe.trust)
        self._used[number] = None
        self._nbytes += keyframe.nbytes
        while self._nbytes > self.config.max_bytes and len(self._keyframes) > self.config.protect:
            self._drop(self._least_useful())

    def _least_useful(self) -> int:
        """Of the least recently used keyframes the one whose surfaces are best known otherwise."""
        protected = self._next_number - self.config.protect
        old = (number for number in self._used if number < protected)
        candidates = list(islice(old, CANDIDATES)) or [next(iter(self._keyframes))]
        return min(candidates, key=lambda one: self._hash.slots_of(one, self._places[one]))

    def _drop(self, number: int) -> None:
        self._nbytes -= self._keyframes.pop(number).nbytes
        self._hash.remove(np.array([number]), self._places.pop(number))
        del self._used[number]

    def _older_than(self, exclude_after: int | None) -> Iterator[Keyframe]:
        """Keyframes up to a frame index, newest first."""
        for keyframe in reversed(self._keyframes.values()):
            if exclude_after is None or keyframe.frame <= exclude_after:
                yield keyframe

    def _random(self, count: int, exclude_after: int | None) -> list[Keyframe]:
        known = list(self._older_than(exclude_after))
        rng = np.random.default_rng(self._last_frame + 1)
        return [known[i] for i in rng.permutation(len(known))[:count]]

    def _nearby(self, pose: Pose, exclude_after: int | None) -> Nearby:
        """The points around a view, of keyframes that may be recalled."""
        nearby = self._hash.near_view(pose_matrix(pose), self.intrinsics)
        if exclude_after is None:
            return nearby
        return nearby.where(nearby.owners <= self._last_number(exclude_after))

    def _surest(self, nearby: Nearby, pose: Pose, count: int) -> list[int]:
        """The keyframes that were really seen, or touched by a hand, and show most of the view.

        Dreams show all of it, copies of copies: in a vote among them what is real would be lost.
        """
        owners = nearby.owners[nearby.trusts > DECIDES_FROM]
        numbers, points = np.unique(owners, return_counts=True)
        numbers = np.sort(numbers[np.argsort(-points, kind="stable")[:SURE_CANDIDATES]])
        sure = [self._keyframes[number] for number in numbers.tolist()]
        touched = np.array([keyframe.trust <= REAL_TRUST for keyframe in sure], np.bool_)
        picks = most_overlapping(sure, pose, self.intrinsics, count, first=touched)
        return [int(numbers[i]) for i in picks]

    def _voted(self, nearby: Nearby, pose: Pose, count: int, picked: list[int]) -> list[int]:
        return vote_frames(nearby, pose_matrix(pose), self.intrinsics, count, picked)

    def _last_number(self, exclude_after: int) -> int:
        newest_first = reversed(self._keyframes.items())
        return next((n for n, keyframe in newest_first if keyframe.frame <= exclude_after), NOBODY)

    def _similar_views(
        self, pose: Pose, count: int, exclude_after: int | None, picked: list[int]
    ) -> list[int]:
        """The keyframes that look in the most similar direction from nearby, of those last used.

        They know what was shown here, even where points of later frames hide theirs, and skies.
        """
        if count <= 0 or len(picked) == len(self._keyframes):
            return []
        last = self._next_number if exclude_after is None else self._last_number(exclude_after)
        recent = islice(reversed(self._used), RECENT_VIEWS)
        numbers = [number for number in recent if number <= last and number not in picked]
        if not numbers:
            return []
        matrices = pose_matrices([self._keyframes[number].pose for number in numbers])
        distance = np.linalg.norm(matrices[:, :3, 3] - pose.position(), axis=1)
        alike = -matrices[:, :3, 2] @ forward_axis(pose_matrix(pose)) - distance / (2 * NEARBY_M)
        return [numbers[i] for i in np.argsort(-alike, kind="stable")[:count]]


def _is_same_view(pose: Pose, keyframe: Keyframe) -> bool:
    moved = float(np.linalg.norm(pose.position() - keyframe.pose.position()))
    turn = forward_axis(pose_matrix(pose)) @ forward_axis(pose_matrix(keyframe.pose))
    return moved < SAME_M and bool(turn > SAME_TURN)


def _frozen(array: NDArray[T]) -> NDArray[T]:
    """A read-only copy."""
    copy = array.copy()
    copy.setflags(write=False)
    return copy
