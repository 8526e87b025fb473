"""A look ahead: what an outpainter imagines of a view, one step of it a tick.

A look takes as long as a whole tick. Taken step by step, on the way to where it will serve, none of
the ticks is late.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from worldsim.camera import pose_matrices
from worldsim.engine.assemble import Dreamer, as_pictures
from worldsim.engine.dream_world import Look
from worldsim.engine.ground import with_land
from worldsim.engine.hints import IMAGINED
from worldsim.engine.lattice import aligned
from worldsim.engine.noise import frame_noise
from worldsim.engine.silhouettes import enlarged
from worldsim.kernels.threads import all_threads
from worldsim.memory.bank import Keyframe
from worldsim.model.outpainter import (
    COARSE_PX,
    GLANCE_PX,
    CoarseView,
    coarse,
    coarse_view,
    towards,
)
from worldsim.model.picture import CHANNELS, from_picture
from worldsim.types import Observation, Pose


def begun(
    dreamer: Dreamer,
    seed: int,
    frame: int,  # that is to be dreamed
    last: Observation,
    pose: Pose,  # of the view
    known: tuple[Tensor, Tensor],  # [1, 4, H/2, W/2] of it, [1, 1, H/2, W/2] its confidence
) -> Look:
    """The beginning of a look: noise."""
    camera = dreamer.model.config.intrinsics
    shape = (CHANNELS, camera.height // COARSE_PX, camera.width // COARSE_PX)
    noise = frame_noise(seed, -frame, shape)[None]  # not that of the frame
    elsewhere = coarse(as_pictures(dreamer, [last]))
    return Look(pose, frame, *known, elsewhere, noise.to(dreamer.device))


def stepped(dreamer: Dreamer, look: Look) -> Look:
    """One step on."""
    level, lower = _steps(dreamer)[look.taken]
    view = _view(dreamer, look)
    sigma = torch.full_like(look.noisy[:, 0, 0, 0], level)
    with all_threads():
        predicted = dreamer.prepared.imagine(look.noisy, sigma, view)
    noisy = towards(look.noisy, predicted, level, lower, view)
    return replace(look, noisy=noisy, taken=look.taken + 1)


def is_done(dreamer: Dreamer, look: Look) -> bool:
    return look.taken == len(_steps(dreamer))


def ticks_of(dreamer: Dreamer) -> int:
    """How many ticks a look takes: it begins in one and takes a step in each of the next."""
    return len(_steps(dreamer)) + 1


def seen(dreamer: Dreamer, look: Look, *, has_cells: bool) -> Keyframe:
    """What a look that is done has imagined, as a frame."""
    view = _view(dreamer, look)
    here = torch.from_numpy(pose_matrices([look.pose])).to(dreamer.device)
    picture = with_land(look.noisy, view.known, view.rays, -here[0, :3, 2])
    known = F.interpolate(look.hint, scale_factor=GLANCE_PX, mode="bilinear", align_corners=False)
    is_known = F.interpolate(look.confidence, scale_factor=GLANCE_PX) > 0
    whole = torch.where(is_known, known, enlarged(picture, COARSE_PX))
    camera, celled = dreamer.model.config.intrinsics, torch.tensor([has_cells], device=here.device)
    rgb, depth = from_picture(aligned(whole.clamp(-1.0, 1.0), here, camera, celled))
    frozen = rgb[0].cpu().numpy(), depth[0].cpu().numpy().astype(np.float16)
    return Keyframe(*frozen, look.pose, look.frame, IMAGINED)


def _steps(dreamer: Dreamer) -> list[tuple[float, float]]:
    """From which level of noise each step leads to which."""
    return list(pairwise((*dreamer.model.outpainter.levels, 0.0)))


def _view(dreamer: Dreamer, look: Look) -> CoarseView:
    here = torch.from_numpy(pose_matrices([look.pose])).to(dreamer.device)
    known = (look.confidence > 0).to(look.hint.dtype)
    camera = dreamer.model.config.intrinsics
    return coarse_view(look.hint, known, look.elsewhere, here, camera)
