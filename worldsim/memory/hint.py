"""What goes into a reprojection and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from worldsim.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Sources:
    """K recalled frames for each of B targets."""

    rgb: Tensor  # [B, K, 3, H, W] float32 in [-1, 1]
    depth: Tensor  # [B, K, H, W] float32 metres, SKY_DEPTH_M where sky
    world_from_camera: Tensor  # [B, K, 4, 4] float32
    trust: Tensor  # [B, K] float32 in (0, 1]; 1 = a real frame
    age: Tensor  # [B, K] float32, larger is older
    valid: Tensor  # [B, K] bool, False for padding

    def __post_init__(self) -> None:
        if self.rgb.ndim != 5 or self.rgb.shape[:2] + self.rgb.shape[3:] != self.depth.shape:
            raise ConfigError(
                "rgb [B, K, 3, H, W] beside depth [B, K, H, W]",
                f"{tuple(self.rgb.shape)} and {tuple(self.depth.shape)}",
                "Stack the recalled frames of each world along the second axis.",
            )

    def worlds(self, part: slice) -> Sources:
        """A part of the batch."""
        return Sources(
            self.rgb[part],
            self.depth[part],
            self.world_from_camera[part],
            self.trust[part],
            self.age[part],
            self.valid[part],
        )


@dataclass(frozen=True, slots=True)
class Hint:
    """What memory shows at the target pose."""

    rgb: Tensor  # [B, 3, H, W] float32 in [-1, 1], 0 where unknown
    depth: Tensor  # [B, H, W] float32 metres, SKY_DEPTH_M where sky, 0 where unknown
    confidence: Tensor  # [B, H, W] float32 in [0, 1], 0 = unknown
