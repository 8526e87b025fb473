"""Enlarging a coarse picture with its silhouettes kept: land or sky, and nothing between.

Halfway between a trunk and the sky behind it lies a depth at which there is nothing. In another
view such pixels are dropped, and with them all that is thin: crowns stayed, and floated.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from worldsim.model.picture import SKY_CODE

MIXED = 0.02  # codes this little above the sky's are more sky than land
THIN_PX = 3  # coarse pixels down to which what is thin takes the depth of what it carries


def enlarged(
    picture: Tensor,  # [B, 4, h, w]
    scale: int,
) -> Tensor:  # [B, 4, scale * h, scale * w]
    """Bilinear, on either side of the silhouettes against the sky."""
    is_land = picture[:, 3:] > SKY_CODE + MIXED
    code = _of_whole_things(torch.where(is_land, picture[:, 3:], -1.0), is_land)
    picture, land = torch.cat((picture[:, :3], code), dim=1), is_land.to(picture.dtype)
    share = _bilinear(land, scale)
    of_land = _bilinear(picture * land, scale) / share.clamp(min=1e-3)
    of_sky = _bilinear(picture * (1.0 - land), scale) / (1.0 - share).clamp(min=1e-3)
    return torch.where(share >= 0.5, of_land, of_sky)


def _of_whole_things(
    code: Tensor,  # [B, 1, h, w]
    is_land: Tensor,  # [B, 1, h, w] bool
) -> Tensor:  # [B, 1, h, w]
    """Land with sky beside it is in part sky: it is as near as what is beside or above it."""
    beside = F.pad(is_land, (1, 1, 0, 0), value=True)
    is_rim = is_land & ~(beside[..., 2:] & beside[..., :-2])
    for _ in range(THIN_PX):
        around = F.pad(code, (1, 1, 1, 0), mode="replicate")
        left, right, above = around[:, :, 1:, :-2], around[:, :, 1:, 2:], around[:, :, :-1, 1:-1]
        nearest = torch.stack((code, left, right, above)).amax(dim=0)
        code = torch.where(is_rim, nearest, code)
    return code


def _bilinear(x: Tensor, scale: int) -> Tensor:
    return F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)
