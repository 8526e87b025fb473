"""Keeps a dream's colours near those that memory shows around each pixel.

A network that is fed its own pictures can drift where training never led it: in a thicket, dark
reds grew a little at each tick, into glowing specks. What is known takes no colour that is not
there already (the next frame is as good); what is imagined may differ from its coarse picture.
Lightness and the two chroma axes are bounded each: in a box of red, green and blue, the red of one
pixel and the green of another still make a colour that neither has. And where a keyframe is sure,
a dreamed last frame has no say: a circle through keyframes, which stay as they are, cannot grow.
Sources: Karis 2014, "High-quality temporal supersampling", on clamping to the neighbourhood;
Malvar and Sullivan 2003, "YCoCg-R", for the axes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from worldsim.engine.hints import IMAGINED
from worldsim.memory.planes import around
from worldsim.model.compositor import where_shown
from worldsim.model.traced import traced
from worldsim.model.world_model import FrameInputs

MARGIN = 0.1  # how far beyond its colours, which go from -1 to 1, what was imagined may go
FREE = 2.0  # any colour
UNSURE, SURE = 0.4, 0.5  # a hint that keyframes agree on has more; from a dreamed last frame, less


@traced
def bounded(
    pictures: Tensor,  # [B, 4, H, W] dreamed from
    frames: FrameInputs,  # of one frame each
    *,
    real: Tensor,  # [B] bool, whether the last frame was shown to the dream, not dreamed
    alone: bool,  # the network has to invent what is unknown; else it was imagined before
) -> Tensor:  # [B, 4, H, W]
    """The pictures with their colours within reach of hint and last frame; depths as they are."""
    hint, confidence = frames.hint[:, 0, :3], frames.confidence[:, 0]
    doubt = ((SURE - confidence) / (SURE - UNSURE)).clamp(0.0, 1.0)
    say = torch.where(real[:, None, None, None], 1.0, doubt)
    say = say * where_shown(frames.last_confidence[:, 0])
    ours = _to_ycocg(hint)
    theirs = torch.lerp(ours, _to_ycocg(frames.last[:, 0, :3]), say)
    highest = around(torch.maximum, torch.maximum(ours, theirs))
    lowest = around(torch.minimum, torch.minimum(ours, theirs))
    margin = torch.where(confidence == 0, FREE if alone else MARGIN, MARGIN)
    margin = torch.where(confidence > 2 * IMAGINED, 0.0, margin)
    colours = _to_ycocg(pictures[:, :3])
    within = torch.maximum(torch.minimum(colours, highest + margin), lowest - margin)
    is_within = (within == colours).all(dim=1, keepdim=True)
    rgb = torch.where(is_within, pictures[:, :3], _to_rgb(within))
    return torch.cat((rgb, pictures[:, 3:]), dim=1)


def _to_ycocg(
    rgb: Tensor,  # [B, 3, H, W]
) -> Tensor:  # [B, 3, H, W] lightness, orange against blue, green against magenta
    red, green, blue = rgb.unbind(1)
    orange = red - blue
    middle = blue + 0.5 * orange
    verdant = green - middle
    return torch.stack((middle + 0.5 * verdant, orange, verdant), dim=1)


def _to_rgb(
    ycocg: Tensor,  # [B, 3, H, W]
) -> Tensor:  # [B, 3, H, W]
    lightness, orange, verdant = ycocg.unbind(1)
    middle = lightness - 0.5 * verdant
    blue = middle - 0.5 * orange
    return torch.stack((blue + orange, middle + verdant, blue), dim=1)
