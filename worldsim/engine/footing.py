"""Floors that carry and walls that stop: the body against the surfaces that memory knows.

The pose head knows where keys lead; heights and walls come from geometry, for a head that adds up
heights drifts (it sank 1.5 to 3.6 m in 100 ticks). The body is a column that stands on the highest
surface within a step below it, jumps, falls, and slides along what is in its way. Where memory
knows nothing it floats on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldsim.types import TICK_S, Pose

EYE_M = 1.62  # above the feet
BODY_M, SLACK_M = 0.3, 0.05  # radius of what is stopped, less what the camera's way may be off by
NOSE_M = 0.45  # this far before its eyes the body is stopped as well: nearer, dreams come apart
SLIDING = 0.3  # a wall is met at an angle, if this share of the move or more is along it
FOOT_M = 0.2  # radius of what carries
BELOW_RADII_M = (0.2, 0.35, 0.5)  # of the columns in which ground is looked for below
STEP_M = 0.5  # higher edges have to be jumped
HEADROOM_M = 0.1  # of the body above the eye
JUMP_M = 8.9 * TICK_S  # the block world's body, a tick
GRAVITY_M = 28.0 * TICK_S**2
GROUNDED_M = 0.25  # depths are not exact: this near to the floor the body stands on it
SETTLING = 0.3  # share of such an error that is made good in a tick
FEW = 4  # points that make no surface
FLOOR_QUANTILE = 0.8  # of the heights of a floor's points
LOOK_BACK_M, LOOK_DOWN_DEG = 2.0, 35.0  # from where what is in the way is looked up
BELOW_M = (0.1, 2.1, 4.1)  # under the feet, where ground is looked up


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The known surface points around a place."""

    points: NDArray[np.float32]  # [N, 3] world, metres

    def heights(
        self, pose: Pose, radius_m: float
    ) -> NDArray[np.float32]:  # [n] over the feet, metres
        """Of the points in a column around a pose, upwards and downwards without end."""
        aside = self.points[:, (0, 2)] - np.array((pose.x, pose.z), np.float32)
        inside = (aside**2).sum(axis=1) < radius_m**2
        return self.points[inside, 1] - np.float32(pose.y - EYE_M)

    def floor(self, pose: Pose) -> float | None:
        """Height of what carries the body over its feet, metres; None where nothing is known."""
        return _highest_level(self.heights(pose, FOOT_M))

    def drop(self, pose: Pose) -> float | None:
        """Height of the ground below the feet, metres, 0 at most; None where nothing is known.

        What was seen from afar is sparse, so ever wider columns are asked. They do not lift a body:
        the foot of a wall beside it is in them as well, and so is all that was ever dreamed there.
        """
        levels = (_highest_level(self.heights(pose, radius_m)) for radius_m in BELOW_RADII_M)
        return next((min(height_m, 0.0) for height_m in levels if height_m is not None), None)

    def obstacles(self, pose: Pose) -> tuple[int, int]:
        """How many points the body would be in, and its nose, above what it can step on."""
        return self._inside(pose), self._inside(pose.moved_along(0.0, 0.0, NOSE_M))

    def _inside(self, pose: Pose) -> int:
        heights = self.heights(pose, BODY_M - SLACK_M)
        return int(np.count_nonzero((heights > STEP_M) & (heights < EYE_M + HEADROOM_M)))


def _highest_level(
    heights: NDArray[np.float32],  # [n] over the feet, metres
) -> float | None:
    """Of the highest surface that can be stepped on; None if there are too few points."""
    heights = heights[heights < STEP_M]
    if len(heights) < FEW:
        return None
    highest = heights[heights > heights.max() - STEP_M]
    return float(np.quantile(highest, FLOOR_QUANTILE))


def lookout(here: Pose, there: Pose) -> Pose:
    """A view from behind onto the place that the body moves to, to ask memory for."""
    dx, dz = there.x - here.x, there.z - here.z
    moving = float(np.hypot(dx, dz)) > 1e-3
    yaw_deg = float(np.degrees(np.arctan2(dx, -dz))) if moving else there.yaw_deg
    behind = Pose(there.x, there.y, there.z, yaw_deg).moved_along(0.0, 0.0, -LOOK_BACK_M)
    return behind.turned(0.0, LOOK_DOWN_DEG)


def underfoot(there: Pose) -> NDArray[np.float32]:  # [P, 3] world, metres
    """Places to ask memory for: from a ledge on, what is below was only seen from afar."""
    return np.array([(there.x, there.y - EYE_M - m, there.z) for m in BELOW_M], np.float32)


def step_on(
    around: Surroundings,  # what may be in the way, and carries
    ground: Callable[[], Surroundings],  # what more is known of what is below, if that is needed
    here: Pose,
    there: Pose,
    rise_m: float,
    *,
    jump: bool,
) -> Pose:
    """Where the body gets to on its way from here to there; `rise_m` is its last vertical move."""
    place = _stopped(around, here, there)
    floor_m = around.floor(place)
    if floor_m is None:
        floor_m = ground().drop(place)
    if floor_m is None:
        return place
    return place.moved(0.0, _risen(floor_m, rise_m, jump=jump), 0.0)


def _stopped(around: Surroundings, here: Pose, there: Pose) -> Pose:
    """The whole move, or the part of it along one axis of the world, or none.

    Where a nose is stopped at an angle, its body slides on to where less is before it.
    """
    tolerated = [points + FEW for points in around.obstacles(here)]
    dx, dz = there.x - here.x, there.z - here.z
    stay = there.moved(-dx, 0.0, -dz)
    along_x, along_z = stay.moved(dx, 0.0, 0.0), stay.moved(0.0, 0.0, dz)
    longer_first = (along_x, along_z) if abs(dx) > abs(dz) else (along_z, along_x)
    met = {place: around.obstacles(place) for place in (there, *longer_first)}
    for place, points in met.items():
        if all(now < most for now, most in zip(points, tolerated, strict=True)):
            return place
    if min(abs(dx), abs(dz)) < SLIDING * max(abs(dx), abs(dz)):
        return stay
    past = min((along_x, along_z), key=lambda place: met[place][1])
    return past if met[past][0] < tolerated[0] else stay


def _risen(floor_m: float, rise_m: float, *, jump: bool) -> float:
    """The vertical move of a tick."""
    grounded = abs(floor_m) < GROUNDED_M and rise_m < 0.5 * JUMP_M
    if grounded:
        return JUMP_M if jump else SETTLING * floor_m
    if floor_m > 0.0:
        return min(floor_m, STEP_M)
    return max(rise_m - GRAVITY_M, floor_m)
