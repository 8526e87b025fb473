"""Finds and returns by what it sees: who forgets what lies behind does not find home again."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from worldsim.camera import Intrinsics
from worldsim.envs.blocks.scripted import Script, travel
from worldsim.envs.blocks.tasks import ARRIVAL_M
from worldsim.envs.blocks.world import BlockWorld
from worldsim.tools.agents.worlds import Begun, View
from worldsim.types import Action

GEM_PIXELS: Final = 6  # fewer of a gem's colour are chance
GREENER, BLUER = 90, 60  # grey levels that a gem has of green and blue above its red
SAME_GEM_ROWS: Final = 4  # pixels above the lowest one that belong to the same gem
SEARCH_TURN_DEG: Final = 12.0  # a tick
STEER_TURN_DEG: Final = 10.0  # a tick, at most
AHEAD_DEG: Final = 25.0
STUCK_M: Final = 0.04  # less than this a tick is no progress

SeeingScript = Generator[Action, View, View]


class SightedReturner:
    """Plays `return`: it is told the way to the beacon and back to where it began, no more.

    There it turns round until it sees a gem, and walks to that. It stays where it is as long as it
    sees none, so it succeeds only in a world that still shows the gem, where it was.
    """

    name = "by sight"

    def begin(self, begun: Sequence[Begun]) -> None:
        self._worlds = [BlockWorld(task="return") for _ in begun]
        for world, episode in zip(self._worlds, begun, strict=True):
            world.prepare(seed=episode.world_seed)
        self._scripts: list[SeeingScript] = []

    def act(self, views: Sequence[View]) -> list[Action]:
        if not self._scripts:
            told = zip(self._worlds, views, strict=True)
            self._scripts = [_find_and_return(world, view) for world, view in told]
            return [next(script) for script in self._scripts]
        return [script.send(view) for script, view in zip(self._scripts, views, strict=True)]


def gem_bearing_deg(
    rgb: NDArray[np.uint8],  # [H, W, 3]
) -> float | None:
    """How far to the right of the view's middle the nearest gem is; None if none is seen.

    The nearest is the lowest in the picture.
    """
    red, green, blue = (rgb[..., channel].astype(np.int16) for channel in range(3))
    rows, columns = np.nonzero((green - red > GREENER) & (blue - red > BLUER))
    if len(rows) < GEM_PIXELS:
        return None
    lowest = columns[rows > rows.max() - SAME_GEM_ROWS]
    height, width = rgb.shape[:2]
    aside_px = float(np.median(lowest)) + 0.5 - width / 2
    focal_px = Intrinsics(width=width, height=height).focal_x_px
    return math.degrees(math.atan(aside_px / focal_px))


def _find_and_return(world: BlockWorld, view: View) -> SeeingScript:
    goals = world.goals
    out = travel(world, view.pose, (goals.beacon[0], goals.beacon[2]))
    view = yield from _by_pose(out, view, goals.beacon, 0.9 * ARRIVAL_M)
    back = travel(world, view.pose, (goals.home[0], goals.home[2]))
    view = yield from _by_pose(back, view, goals.home, 0.5)
    return (yield from _walk_to_what_is_seen(view))


def _by_pose(
    script: Script, view: View, goal: tuple[float, float, float], near_m: float
) -> SeeingScript:
    """A script that is told where it is, as far as its goal."""
    try:
        action = next(script)
        while math.dist((view.pose.x, view.pose.z), (goal[0], goal[2])) > near_m:
            view = yield action
            action = script.send(view.pose)
    except StopIteration:
        pass
    return view


def _walk_to_what_is_seen(view: View) -> SeeingScript:
    """Endless. Steps are jumped over; the view is level."""
    stuck = False
    while True:
        aside_deg, before = gem_bearing_deg(view.rgb), view.pose
        ahead = aside_deg is not None and abs(aside_deg) < AHEAD_DEG
        turn_deg = SEARCH_TURN_DEG if aside_deg is None else _clipped(aside_deg, STEER_TURN_DEG)
        level_deg = _clipped(-before.pitch_deg, STEER_TURN_DEG)
        view = yield Action(
            forward=ahead, jump=ahead and stuck, yaw_deg=turn_deg, pitch_deg=level_deg
        )
        moved_m = math.dist((view.pose.x, view.pose.z), (before.x, before.z))
        stuck = ahead and moved_m < STUCK_M


def _clipped(angle_deg: float, most_deg: float) -> float:
    return min(max(angle_deg, -most_deg), most_deg)
