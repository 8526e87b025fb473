"""Completing hints: what comes into view and is in nobody's memory is imagined, once and whole.

A strip of six pixels a tick would be imagined anew each time, and never come to a whole. So the
outpainter looks ahead of a turn, and what it sees there serves for the ticks that follow, wherever
memory knows nothing. The horizon is a case of its own: what stands behind the fog comes nearer
while one walks, but the sky in front of it was seen and is known. After some metres the sky is
imagined anew, from a place ahead, unless one is back where its horizon has been looked at before.

A look begins before it is needed and is taken a step a tick. What cannot wait is looked at at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from worldsim.camera import Intrinsics, pixel_rays, pose_matrices
from worldsim.engine.aside import Foreseen, foresee
from worldsim.engine.assemble import Dreamer, recall
from worldsim.engine.dream_world import DreamWorld, Look, origin
from worldsim.engine.ground import with_bridges
from worldsim.engine.hints import IMAGINED, fill_unknown
from worldsim.engine.look import begun, is_done, seen, stepped, ticks_of
from worldsim.engine.recollect import at_a_glance, in_full, recollect, reshown
from worldsim.engine.vantage import vantage
from worldsim.memory.bank import Keyframe
from worldsim.memory.judge import CLEAR_M, SAME_PLACE_M
from worldsim.model.outpainter import wholly_unknown
from worldsim.model.picture import SKY_CODE, decode_depth
from worldsim.model.traced import traced
from worldsim.types import Pose

WANTING = 0.01  # share of a view that nobody knows: from here on it is imagined
SHOWING = 0.003  # share from which on what was imagined before is shown
SUDDEN = 0.15  # at once; less is guessed until a look has been taken step by step
PAUSE_TICKS = 6  # from the beginning of a look to that of the next one that a turn calls for
REST_TICKS = 10  # the same, where a look has only not shown enough
AHEAD_DEG = 40.0  # of a turn that a look leads ahead, at most
HORIZON_M = 6.0  # the way after which the sky is imagined anew


def completed(
    dreamer: Dreamer,
    worlds: Sequence[DreamWorld],
    targets: Sequence[Pose],
    recalled: Sequence[list[Keyframe]],
    known: tuple[Tensor, Tensor],  # [B, 4, H, W] a picture, [B, 1, H, W] its confidence
    foreseen: Sequence[Foreseen | None],
) -> tuple[Tensor, Tensor]:  # the same, of more
    """What memory shows, completed by what an outpainter imagines, if these weights have one."""
    if not dreamer.model.outpainter.is_trained:
        return known
    hints, confidences = (part.split(1) for part in known)
    each = zip(worlds, targets, recalled, hints, confidences, foreseen, strict=True)
    whole = [_completed(dreamer, *one) for one in each]
    return torch.cat([hint for hint, _ in whole]), torch.cat([sure for _, sure in whole])


def _completed(
    dreamer: Dreamer,
    world: DreamWorld,
    target: Pose,
    recalled: list[Keyframe],
    hint: Tensor,  # [1, 4, H, W]
    confidence: Tensor,  # [1, 1, H, W]
    foreseen: Foreseen | None,
) -> tuple[Tensor, Tensor]:  # [1, 4, H, W], [1, 1, H, W]
    """The hint of one world, with what was imagined before, or is imagined now."""
    unknown = unknown_share(confidence)
    is_near = _is_near(world, target, recalled) and shows_sky(hint)
    if unknown >= SHOWING or (foreseen is not None and foreseen.is_new):
        hint, confidence = _overlaid(dreamer, world.imagined, target, hint, confidence, foreseen)
    lacking = unknown_share(confidence)
    if _is_urgent(world, lacking):
        look_at_once(dreamer, world, target)
        return _overlaid(dreamer, world.imagined, target, hint, confidence)
    if world.look is not None:
        world.look = stepped(dreamer, world.look)
    elif is_near:
        world.look = _skywards(dreamer, world, target)
    elif _is_wanting(dreamer, world, target, unknown, lacking):
        world.look = _forwards(dreamer, world, target)
    return hint, confidence


def landed(dreamer: Dreamer, world: DreamWorld) -> bool:
    """Whether a look is done; from now on what it has imagined serves."""
    if world.look is None or not is_done(dreamer, world.look):
        return False
    world.imagined, world.look = seen(dreamer, world.look, has_cells=world.has_cells), None
    return True


def unknown_share(
    confidence: Tensor,  # [1, 1, H, W]
) -> float:
    """Of a view: not the rims of things, but whole coarse pixels of which nothing is known."""
    return float(wholly_unknown(confidence).mean())


def shows_sky(
    hint: Tensor,  # [1, 4, H, W]
) -> bool:
    return float((hint[:, 3] < SKY_CODE).float().mean()) > WANTING


def _overlaid(
    dreamer: Dreamer,
    imagined: Keyframe | None,
    target: Pose,
    hint: Tensor,  # [1, 4, H, W]
    confidence: Tensor,  # [1, 1, H, W]
    foreseen: Foreseen | None = None,
) -> tuple[Tensor, Tensor]:  # [1, 4, H, W], [1, 1, H, W]
    """A hint, and under it what was imagined."""
    if imagined is None:
        return hint, confidence
    known = foreseen and foreseen.of(imagined)
    known = known or reshown(dreamer, imagined, target, in_full(dreamer))
    below = _looks_down(target, in_full(dreamer).camera, hint.device)
    return _laid_under(hint, confidence, *known, below)


@traced
def _laid_under(
    hint: Tensor,  # [1, 4, H, W]
    confidence: Tensor,  # [1, 1, H, W]
    picture: Tensor,  # [1, 4, H, W] what was imagined
    shown: Tensor,  # [1, 1, H, W] its confidence
    below: Tensor,  # [1, 1, H, W] bool, whether a pixel looks down
) -> tuple[Tensor, Tensor]:  # [1, 4, H, W], [1, 1, H, W]
    """What was imagined where the hint knows nothing, and far away in front of its sky."""
    far = (decode_depth(picture[:, 3:]) > CLEAR_M) & (picture[:, 3:] > SKY_CODE)
    is_new = (shown > 0) & ((confidence == 0) | (far & (hint[:, 3:] < SKY_CODE)))
    confidence = confidence.masked_fill(is_new, IMAGINED)
    whole = fill_unknown(torch.where(is_new, picture, hint), (confidence > 0).float())
    whole, is_bridge = with_bridges(whole, is_new & far, below)
    return whole, confidence.masked_fill(is_bridge, IMAGINED)


def _looks_down(
    pose: Pose, camera: Intrinsics, device: torch.device
) -> Tensor:  # [1, 1, H, W] bool
    """Which pixels of a view lie under the horizon."""
    upwards = torch.from_numpy(pose_matrices([pose]))[0, 1, :3].to(device)
    return (pixel_rays(camera, device) @ upwards < 0)[None, None]


def _is_near(world: DreamWorld, target: Pose, recalled: list[Keyframe]) -> bool:
    """Whether the horizon has come nearer than when it was last looked at, here or from afar."""
    before = [key.pose for key in recalled if key.frame < world.horizon_frame]
    is_back = any(_level_m(origin(pose), target) < SAME_PLACE_M for pose in before)
    return not is_back and _level_m(world.horizon, target) > HORIZON_M


def _level_m(place: tuple[float, float, float], target: Pose) -> float:
    return float(np.hypot(target.x - place[0], target.z - place[2]))


def _is_urgent(
    world: DreamWorld,
    lacking: float,  # share of the view that is neither in memory nor was imagined
) -> bool:
    """Whether too much is lacking to wait for it; the first look does not wait."""
    return lacking > (WANTING if world.imagined is None else SUDDEN)


def _is_wanting(
    dreamer: Dreamer,
    world: DreamWorld,
    target: Pose,
    unknown: float,  # share of the view that is not in memory
    lacking: float,  # share of what was not imagined either
) -> bool:
    """Whether enough is lacking, or soon will be, and the last look began a while ago."""
    if world.imagined is None:
        return False
    soon = _ahead(world.observation.pose, target, ticks_of(dreamer))
    leads_on = unknown >= SHOWING and _is_beyond(soon, target, world.imagined.pose)
    pause = PAUSE_TICKS if leads_on else REST_TICKS
    has_paused = world.frame + 1 - world.imagined.frame >= pause
    return has_paused and (leads_on or lacking > WANTING)


def _is_beyond(there: Pose, here: Pose, looked: Pose) -> bool:
    """Whether a turn from here to there leads past where one has looked."""
    turn = _turn_deg(here, there)
    return abs(turn) > float(np.sign(turn)) * _turn_deg(here, looked)


def look_at_once(dreamer: Dreamer, world: DreamWorld, target: Pose) -> None:
    """A whole look in one tick, in place of any other."""
    world.look = _forwards(dreamer, world, target)
    while not landed(dreamer, world):
        world.look = stepped(dreamer, world.look)


def _forwards(dreamer: Dreamer, world: DreamWorld, target: Pose) -> Look:
    """The beginning of a look at where a turn leads."""
    serving = ticks_of(dreamer) + PAUSE_TICKS
    pose = _ahead(world.observation.pose, target, serving)
    known = _known(dreamer, world, pose)
    return begun(dreamer, world.seed, world.frame + 1, world.observation, pose, known)


def _skywards(dreamer: Dreamer, world: DreamWorld, target: Pose) -> Look:
    """The beginning of a look, from ahead, at what was sky."""
    pose = vantage(world.observation, target, dreamer.model.config.intrinsics)
    hint, confidence = _known(dreamer, world, pose)
    confidence = confidence.masked_fill(hint[:, 3:] < SKY_CODE, 0.0)
    known = fill_unknown(hint, (confidence > 0).float()), confidence
    world.horizon, world.horizon_frame = origin(target), world.frame + 1
    return begun(dreamer, world.seed, world.frame + 1, world.observation, pose, known)


def _known(
    dreamer: Dreamer, world: DreamWorld, pose: Pose
) -> tuple[Tensor, Tensor]:  # [1, 4, H/2, W/2], [1, 1, H/2, W/2]
    """What memory, and under it what was imagined, shows of a view at a glance."""
    sight = at_a_glance(dreamer)
    foreseen = foresee(dreamer, world, pose, sight)
    known = recollect(dreamer, [world], [pose], [recall(dreamer, world, pose)], sight)
    if foreseen is None:
        return known
    below = _looks_down(pose, sight.camera, known[0].device)
    return _laid_under(*known, *foreseen.shown.result(), below)


def _ahead(last: Pose, target: Pose, ticks: int) -> Pose:
    """Where a turn leads to within some ticks; a sudden one has led there already."""
    turn = np.array((_turn_deg(last, target), target.pitch_deg - last.pitch_deg))
    if np.abs(turn).max() > AHEAD_DEG:
        return target
    ahead = np.clip(turn * ticks, -AHEAD_DEG, AHEAD_DEG)
    return target.turned(float(ahead[0]), float(ahead[1]))


def _turn_deg(a: Pose, b: Pose) -> float:
    """Of the heading, from -180 to 180."""
    return (b.yaw_deg - a.yaw_deg + 180.0) % 360.0 - 180.0
