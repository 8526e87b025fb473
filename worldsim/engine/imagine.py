"""Completing hints: what comes into view and is in nobody's memory is imagined, once and whole.

A strip of six pixels a tick would be imagined anew each time, and never come to a whole. So the
outpainter looks ahead of a turn, and what it sees there serves for the ticks that follow, wherever
memory knows nothing. The horizon is a case of its own: what stands behind the fog comes nearer
while one walks, but the sky in front of it was seen and is known. After some metres the sky is
imagined anew, unless one is back where its horizon has been looked at before.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from worldsim.camera import pose_matrices
from worldsim.engine.aside import Foreseen, foresee
from worldsim.engine.assemble import Dreamer, as_pictures, recall
from worldsim.engine.dream_world import DreamWorld, origin
from worldsim.engine.ground import with_land
from worldsim.engine.hints import IMAGINED, fill_unknown, with_imagined
from worldsim.engine.noise import frame_noise
from worldsim.engine.recollect import recollect, reshown
from worldsim.kernels.threads import all_threads
from worldsim.memory.bank import Keyframe
from worldsim.memory.judge import CLEAR_M
from worldsim.model.outpainter import COARSE_PX, CoarseView, coarse, coarse_rays
from worldsim.model.picture import CHANNELS, SKY_CODE, decode_depth, from_picture
from worldsim.model.traced import traced
from worldsim.types import Pose

WANTING = 0.01  # share of a view that nobody knows: from here on it is imagined
SHOWING = 0.003  # share from which on what was imagined before is shown
URGENT = 0.1  # at once; smaller shares wait some ticks after the last time
PAUSE_TICKS = 6  # a look ahead serves as long as it looks ahead
AHEAD_TICKS, AHEAD_DEG = PAUSE_TICKS, 40.0  # of a turn, and no farther than this
HORIZON_M = 6.0  # the way after which the sky is imagined anew
BACK_M = 3.0  # this near to where an older frame was seen, its horizon is known


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
    if _is_near(world, target, recalled) and shows_sky(hint):
        _imagine(dreamer, world, target, sky=True)
    elif unknown_share(confidence) < SHOWING:
        return hint, confidence
    overlaid = _overlaid(dreamer, world.imagined, target, hint, confidence, foreseen)
    if not _is_wanting(world, overlaid[1]):
        return overlaid
    _imagine(dreamer, world, target, sky=False)
    return _overlaid(dreamer, world.imagined, target, hint, confidence)


def unknown_share(
    confidence: Tensor,  # [1, 1, H, W]
) -> float:
    """Of a view: not the rims of things, but whole coarse pixels of which nothing is known."""
    return float((coarse((confidence > 0).float()) == 0).float().mean())


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
    return _laid_under(hint, confidence, *(known or reshown(dreamer, imagined, target)))


@traced
def _laid_under(
    hint: Tensor,  # [1, 4, H, W]
    confidence: Tensor,  # [1, 1, H, W]
    picture: Tensor,  # [1, 4, H, W] what was imagined
    shown: Tensor,  # [1, 1, H, W] its confidence
) -> tuple[Tensor, Tensor]:  # [1, 4, H, W], [1, 1, H, W]
    """What was imagined where the hint knows nothing, and far away in front of its sky."""
    far = (decode_depth(picture[:, 3:]) > CLEAR_M) & (picture[:, 3:] > SKY_CODE)
    is_new = (shown > 0) & ((confidence == 0) | (far & (hint[:, 3:] < SKY_CODE)))
    confidence = confidence.masked_fill(is_new, IMAGINED)
    return fill_unknown(torch.where(is_new, picture, hint), (confidence > 0).float()), confidence


def _is_near(world: DreamWorld, target: Pose, recalled: list[Keyframe]) -> bool:
    """Whether the horizon has come nearer than when it was last looked at, here or from afar."""
    before = [key.pose for key in recalled if key.frame < world.horizon_frame]
    is_back = any(_level_m(origin(pose), target) < BACK_M for pose in before)
    return not is_back and _level_m(world.horizon, target) > HORIZON_M


def _level_m(place: tuple[float, float, float], target: Pose) -> float:
    return float(np.hypot(target.x - place[0], target.z - place[2]))


def _is_wanting(
    world: DreamWorld,
    confidence: Tensor,  # [1, 1, H, W]
) -> bool:
    """Whether enough is unknown, and was for a while."""
    unknown = unknown_share(confidence)
    since = PAUSE_TICKS if world.imagined is None else world.frame + 1 - world.imagined.frame
    return unknown > URGENT or (unknown > WANTING and since >= PAUSE_TICKS)


def _imagine(dreamer: Dreamer, world: DreamWorld, target: Pose, *, sky: bool) -> None:
    """Look ahead, and keep what was imagined there in place of the last."""
    pose = target if sky else _ahead(world.observation.pose, target)
    foreseen = foresee(dreamer, world, pose)
    known = recollect(dreamer, [world], [pose], [recall(dreamer, world, pose)])
    hint, confidence = _overlaid(dreamer, world.imagined, pose, *known, foreseen)
    if sky:
        confidence = confidence.masked_fill(hint[:, 3:] < SKY_CODE, 0.0)
        hint = fill_unknown(hint, (confidence > 0).float())
        world.horizon, world.horizon_frame = origin(pose), world.frame + 1
    picture = _sample(dreamer, world, pose, hint, confidence)
    whole, _ = with_imagined(hint, confidence, picture)
    rgb, depth = from_picture(whole.clamp(-1.0, 1.0))
    frozen = rgb[0].cpu().numpy(), depth[0].cpu().numpy().astype(np.float16)
    world.imagined = Keyframe(*frozen, pose, world.frame + 1, IMAGINED)


def _sample(
    dreamer: Dreamer,
    world: DreamWorld,
    pose: Pose,
    hint: Tensor,  # [1, 4, H, W]
    confidence: Tensor,  # [1, 1, H, W]
) -> Tensor:  # [1, 4, h, w]
    camera = dreamer.model.config.intrinsics
    here = torch.from_numpy(pose_matrices([pose])).to(dreamer.device)
    view = CoarseView(
        hint=coarse(hint),
        known=coarse((confidence > 0).to(hint.dtype)),
        elsewhere=coarse(as_pictures(dreamer, [world.observation])),
        rays=coarse_rays(here, camera),
    )
    shape = (CHANNELS, camera.height // COARSE_PX, camera.width // COARSE_PX)
    noise = frame_noise(world.seed, -1 - world.frame, shape)  # not that of the frame
    with all_threads():
        picture = dreamer.prepared.imagine(view, noise[None].to(dreamer.device))
    return with_land(picture, view.known, view.rays, -here[0, :3, 2])


def _ahead(last: Pose, target: Pose) -> Pose:
    """Where a turn leads to within some ticks; a sudden one has led there already."""
    yaw_deg = (target.yaw_deg - last.yaw_deg + 180.0) % 360.0 - 180.0
    turn = np.array((yaw_deg, target.pitch_deg - last.pitch_deg))
    if np.abs(turn).max() > AHEAD_DEG:
        return target
    ahead = np.clip(turn * AHEAD_TICKS, -AHEAD_DEG, AHEAD_DEG)
    return target.turned(float(ahead[0]), float(ahead[1]))
