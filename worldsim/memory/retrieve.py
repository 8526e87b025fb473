"""Finding the frames that saw what the camera is about to see.

The points visible from the query pose vote for the frame that saw them; the frame with the most
votes is picked, what it covers is removed, and the rest votes again. Source: the point-to-frame
retrieval of Memory Forcing (Huang et al. 2025), with greedy coverage in place of a plain count.
What a dream adds later can hide what was seen first, so the frame seen from most nearly here is
recalled without a vote (pose overlap, as in WorldMem, Xiao et al. 2025). What was really seen is
chosen before all dreams, by `overlap`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from worldsim.camera import Intrinsics
from worldsim.memory.judge import REAL_TRUST
from worldsim.memory.spatial_hash import RANGE_M, Nearby

COARSE_W, COARSE_H = 32, 20  # grid of the visibility test and of the votes
NEAR_M = 0.1
BEHIND_RELATIVE, BEHIND_M = 0.10, 0.75  # points this far behind the nearest one are hidden
NEW_BONUS = 0.02  # share of its votes that the newest frame gets on top: it wins ties


class MemoryMode(StrEnum):
    """What retrieval returns; all but `full` are ablations."""

    FULL = "full"
    RECENT = "recent"  # the newest keyframes, wherever they were seen
    RANDOM = "random"  # any keyframes, reproducible per frame
    OFF = "off"  # nothing


@dataclass(frozen=True, slots=True)
class Projected:
    """World points in a picture; only those in front of the camera and inside the picture."""

    index: NDArray[np.int64]  # [Q] which of the points
    x: NDArray[np.floating]  # [Q] position as a share of the width, in [0, 1)
    y: NDArray[np.floating]  # [Q] share of the height, downwards
    depth: NDArray[np.floating]  # [Q] metres


def vote_frames(
    nearby: Nearby,  # what is known around the view; larger owners are newer
    world_from_camera: NDArray[np.float32],  # [4, 4] the query pose
    intrinsics: Intrinsics,
    count: int,
    picked: Sequence[int] = (),  # owners that are recalled anyway
) -> list[int]:
    """At most `count` more owners, best first; none when nothing known is in view.

    A vote weighs as much as its frame is trusted, and most if the point was seen from about the
    query's distance: from afar it was seen coarsely, from nearby in thinner fog. What a dream put
    in front of a real surface does not hide it: the real frame must be asked, to deny the dream.
    """
    seen = project_points(nearby.places, world_from_camera, intrinsics)
    if not len(seen.index):
        return []
    pixel = (seen.y * COARSE_H).astype(np.int64) * COARSE_W + (seen.x * COARSE_W).astype(np.int64)
    real = nearby.trusts[seen.index] > REAL_TRUST
    visible = _is_visible(seen.depth, pixel, np.ones_like(real))
    visible |= real & _is_visible(seen.depth, pixel, real)
    voters = nearby.where(seen.index[visible])
    frames, row = np.unique(voters.owners, return_inverse=True)
    covers = np.zeros((len(frames), COARSE_W * COARSE_H), np.float32)
    covers[row, pixel[visible]] = voters.trusts * _alike(seen.depth[visible], voters.depths)
    return [int(frames[pick]) for pick in choose_greedily(covers, np.isin(frames, picked), count)]


def _is_visible(
    depth: NDArray[np.floating],  # [Q] metres
    pixel: NDArray[np.int64],  # [Q]
    hides: NDArray[np.bool_],  # [Q] which points can stand in front of others
) -> NDArray[np.bool_]:  # [Q]
    nearest = np.full(COARSE_W * COARSE_H, np.inf, np.float32)
    np.minimum.at(nearest, pixel[hides], depth[hides])
    return depth <= nearest[pixel] * (1 + BEHIND_RELATIVE) + BEHIND_M


def _alike(
    now_m: NDArray[np.floating],  # [Q]
    then_m: NDArray[np.floating],  # [Q]
) -> NDArray[np.floating]:  # [Q] 1 for equal distances, 0.5 for a fourfold one
    return np.sqrt(np.minimum(now_m, then_m) / np.maximum(now_m, then_m))


def project_points(
    points_world: NDArray[np.float32],  # [P, 3] metres
    world_from_camera: NDArray[np.float32],  # [4, 4]
    intrinsics: Intrinsics,
) -> Projected:
    camera = (points_world - world_from_camera[:3, 3]) @ world_from_camera[:3, :3]
    depth = -camera[:, 2]
    ahead = np.flatnonzero((depth > NEAR_M) & (depth < RANGE_M))
    camera, depth = camera[ahead], depth[ahead]
    x = camera[:, 0] / depth * (intrinsics.focal_px / intrinsics.width) + 0.5
    y = 0.5 - camera[:, 1] / depth * (intrinsics.focal_px / intrinsics.height)
    inside = (x >= 0) & (x < 1) & (y >= 0) & (y < 1)
    return Projected(ahead[inside], x[inside], y[inside], depth[inside])


def choose_greedily(
    covers: NDArray[np.float32],  # [F, N] how well a frame covers a pixel; later rows are newer
    is_picked: NDArray[np.bool_],  # [F] already
    count: int,
    least: float = 0.0,
) -> list[int]:
    """Rows that together cover the most pixels, each chosen for more than `least` the others lack.

    None is chosen twice, though a frame that is trusted little lacks something of its own.
    """
    bonus = (1.0 + NEW_BONUS * np.linspace(0.0, 1.0, len(covers))) * ~is_picked
    missing = np.prod(1.0 - covers[is_picked], axis=0)
    picks: list[int] = []
    while len(picks) < count:
        votes = (covers @ missing) * bonus
        best = int(votes.argmax())
        if votes[best] <= least:
            break
        picks.append(best)
        missing *= 1.0 - covers[best]
        bonus[best] = 0.0
    return picks
