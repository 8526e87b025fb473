"""Keeps a dream's colours near those that memory shows around each pixel.

A network that is fed its own pictures can drift where training never led it: in a thicket, dark
reds grew a little at each tick, into glowing specks. What is known takes no colour that is not
there already (the next frame is as good); what is imagined may differ from its coarse picture.
Source: Karis 2014, "High-quality temporal supersampling", on clamping to the neighbourhood.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from worldsim.engine.hints import IMAGINED
from worldsim.model.world_model import FrameInputs

AROUND_PX = 3  # side of the neighbourhood
MARGIN = 0.1  # how far beyond its colours, which go from -1 to 1, what was imagined may go
FREE = 2.0  # any colour


def bounded(
    pictures: Tensor,  # [B, 4, H, W] dreamed from
    frames: FrameInputs,  # of one frame each
    *,
    alone: bool,  # the network has to invent what is unknown; else it was imagined before
) -> Tensor:  # [B, 4, H, W]
    """The pictures with their colours within reach of hint and last frame; depths as they are."""
    hint, confidence = frames.hint[:, 0, :3], frames.confidence[:, 0]
    last = torch.where(frames.last_confidence[:, 0] > 0, frames.last[:, 0, :3], hint)
    highest = _highest_around(torch.maximum(hint, last))
    lowest = -_highest_around(-torch.minimum(hint, last))
    margin = torch.where(confidence == 0, FREE if alone else MARGIN, MARGIN)
    margin = torch.where(confidence > 2 * IMAGINED, 0.0, margin)
    colours = torch.maximum(torch.minimum(pictures[:, :3], highest + margin), lowest - margin)
    return torch.cat((colours, pictures[:, 3:]), dim=1)


def _highest_around(colours: Tensor) -> Tensor:  # [B, 3, H, W]
    return F.max_pool2d(colours, AROUND_PX, stride=1, padding=AROUND_PX // 2)
