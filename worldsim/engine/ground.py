"""Land under the horizon: where a sky was imagined below it, the land goes on.

An outpainter is unsure of the last pixels of land before the fog, a row of its coarse picture or
less, and sky is always likely. So at each look ahead the land ended a little nearer; every place
became a hilltop, and a walk of 2,000 ticks led down by 52 m. Now land goes on as high as it is in
each column of the picture, and no lower than just under the feet: with the first alone, a slope
that led down went on to do so.

What is imagined from ahead stands beyond the land that is known, and between the two was sky: that
becomes land as well, from the one to the other.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from worldsim.model.picture import SKY_CODE, decode_depth, encode_depth
from worldsim.model.traced import traced

BELOW_DEG = 4.0  # under the horizon; nearer to it, the fog may hide all land
IN_SIGHT_M = 30.0  # farther land is in the fog
LEAST_BELOW_M, MOST_BELOW_M = 0.5, 1.8  # of the eye, land that goes on


@traced
def with_land(
    picture: Tensor,  # [1, 4, h, w] imagined, row 0 on top
    known: Tensor,  # [1, 1, h, w] 1 where memory knew: that stays
    rays: Tensor,  # [1, 3, h, w] directions in the world's axes, of unit length
    forward: Tensor,  # [3] the camera's axis in the world's axes
) -> Tensor:  # [1, 4, h, w]
    """The picture with the land of each column continued into the sky."""
    below = -rays[0, 1]  # [h, w] of unit rays
    ahead = torch.einsum("chw,c->hw", rays[0], forward)
    may_change = (below > math.sin(math.radians(BELOW_DEG))) & (known[0, 0] < 1.0)
    rows = list(picture[0].unbind(1))
    level_m = torch.full_like(rows[0][3], MOST_BELOW_M)  # of the land so far, below the eye
    for row in reversed(range(len(rows))):
        depth = decode_depth(rows[row][3])
        land_m = level_m / below[row].clamp(min=1e-3) * ahead[row]
        goes_on = may_change[row] & (depth > IN_SIGHT_M) & (land_m < IN_SIGHT_M)
        if row + 1 < len(rows):
            fog = (land_m / IN_SIGHT_M).clamp(max=1.0).square()
            colour = torch.lerp(rows[row + 1][:3], rows[row][:3], fog)
            land = torch.cat((colour, encode_depth(land_m.clamp(max=IN_SIGHT_M))[None]))
            rows[row] = torch.where(goes_on, land, rows[row])
        here_m = torch.where(goes_on, land_m, depth) * below[row] / ahead[row]
        is_ground = (here_m > LEAST_BELOW_M) & (decode_depth(rows[row][3]) < IN_SIGHT_M)
        level_m = torch.where(is_ground, here_m.clamp(max=MOST_BELOW_M), level_m)
    return torch.stack(rows, dim=1)[None]


def with_bridges(
    picture: Tensor,  # [1, 4, H, W] row 0 on top
    is_new: Tensor,  # [1, 1, H, W] bool, what was imagined in front of the sky
    is_below: Tensor,  # [1, 1, H, W] bool, whether a pixel looks down
) -> tuple[Tensor, Tensor]:  # [1, 4, H, W], and [1, 1, H, W] bool where it was sky
    """The picture with land between what was imagined, below the horizon, and what lies nearer."""
    height = picture.shape[2]
    row = torch.arange(height, device=picture.device)[None, None, :, None].expand_as(is_new)
    is_land = picture[:, 3:] >= SKY_CODE
    above = torch.where(is_land, row, -1).cummax(dim=2).values
    below = torch.where(is_land, row, height).flip(2).cummin(dim=2).values.flip(2)
    is_between = ~is_land & (above >= 0) & (below < height)
    above, below = above.clamp(min=0), below.clamp(max=height - 1)
    far, near = (picture.gather(2, at.expand_as(picture)) for at in (above, below))
    is_bridge = is_between & (is_new & is_below).gather(2, above) & (far[:, 3:] < near[:, 3:])
    share = (row - above) / (below - above).clamp(min=1)
    return torch.where(is_bridge, torch.lerp(far, near, share), picture), is_bridge
