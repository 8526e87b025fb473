"""One table of model sizes. The model never looks at a preset's name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from worldsim.actions import VECTOR_SIZE
from worldsim.camera import Intrinsics
from worldsim.errors import ConfigError

CODECS = ("pixels", "autoencoder")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """The shape of a world model. Frames are `width` x `height` pixels."""

    width: int = 128
    height: int = 80
    fov_y_deg: float = 60.0
    codec: Literal["pixels", "autoencoder"] = "pixels"
    latent_channels: int = 4  # 4 = RGB + depth code for the pixel codec
    downscale: int = 1  # of the codec
    patch: int = 2  # space-to-depth in front of the first stage
    stages: tuple[int, ...] = (48, 96, 160)  # channels; each stage halves the resolution
    stage_blocks: tuple[int, ...] = (2, 1, 2)
    compositor: int = 24  # channels of the last layers, at full resolution
    dim: int = 256
    depth: int = 5
    heads: int = 4
    context: int = 3  # cached frames: one sink and the most recent ones
    recalled: int = 2  # recalled frames attended to
    sources: int = 5  # keyframes and last frame that the hint is made from
    sample_levels: tuple[float, ...] = (1.0,)
    outpaint: tuple[int, ...] = (48, 96, 192)  # channels of the outpainter, from 1/4 downwards
    outpaint_depth: int = 3  # its transformer blocks
    outpaint_levels: tuple[float, ...] = (1.0, 0.9, 0.78, 0.64, 0.48, 0.32, 0.16)  # its noise
    action_size: int = VECTOR_SIZE

    def __post_init__(self) -> None:
        sizes = (
            "width", "height", "latent_channels", "downscale", "patch", "dim", "depth", "heads",
            "context", "sources", "action_size", "outpaint_depth", "compositor",
        )  # fmt: skip
        self._require((name, _is_size(getattr(self, name)), "a positive int") for name in sizes)
        self._require([("codec", self.codec in CODECS, f"one of {CODECS}")])
        self._require(self._relations())

    def _relations(self) -> list[tuple[str, bool, str]]:
        """What must hold between fields: name, whether it does, and the wish in words."""
        stride = self.token_stride
        return [
            ("width", self.width % stride == 0, f"a multiple of {stride}"),
            ("height", self.height % stride == 0, f"a multiple of {stride}"),
            ("dim", self.dim % (2 * self.heads) == 0, f"a multiple of {2 * self.heads}"),
            ("outpaint", self._halves_evenly(), "channels, as many as the frame can be halved"),
            ("stage_blocks", len(self.stage_blocks) == len(self.stages), "one entry per stage"),
            ("outpaint_levels", self.outpaint_levels[:1] == (1.0,), "a tuple that starts at 1.0"),
            ("sample_levels", self.sample_levels[:1] == (1.0,), "a tuple that starts at 1.0"),
        ]

    def _require(self, rules: Iterable[tuple[str, bool, str]]) -> None:
        for name, ok, expected in rules:
            if not ok:
                raise ConfigError(
                    f"ModelConfig.{name} to be {expected}",
                    repr(getattr(self, name)),
                    "Correct the model configuration.",
                )

    def _halves_evenly(self) -> bool:
        stride = 2 ** (len(self.outpaint) + 1)
        is_even = self.width % stride == 0 and self.height % stride == 0
        return len(self.outpaint) > 0 and is_even and self.outpaint[-1] % (2 * self.heads) == 0

    @property
    def token_stride(self) -> int:
        return self.downscale * self.patch * 2 ** len(self.stages)

    @property
    def tokens_hw(self) -> tuple[int, int]:
        return self.height // self.token_stride, self.width // self.token_stride

    @property
    def tokens(self) -> int:
        return self.tokens_hw[0] * self.tokens_hw[1]

    @property
    def patch_of_token(self) -> int:
        """Side of a token's patch in the codec's space."""
        return self.token_stride // self.downscale

    @property
    def latent_hw(self) -> tuple[int, int]:
        return self.height // self.downscale, self.width // self.downscale

    @property
    def head_dim(self) -> int:
        return self.dim // self.heads

    @property
    def intrinsics(self) -> Intrinsics:
        return Intrinsics(width=self.width, height=self.height, fov_y_deg=self.fov_y_deg)

    def to_record(self) -> dict[str, object]:
        """JSON-able fields."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @staticmethod
    def from_record(record: Mapping[str, Any]) -> ModelConfig:
        """The inverse of `to_record`; unknown or missing fields are ConfigErrors."""
        names = {field.name for field in fields(ModelConfig)}
        if set(record) != names:
            raise ConfigError(
                f"the model fields {sorted(names)}",
                f"{sorted(record)}",
                "Use a checkpoint made by this version of worldsim.",
            )
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in record.items()
        }
        return ModelConfig(**values)


def _is_size(value: object) -> bool:
    return isinstance(value, int) and value >= 1


_SMALL = ModelConfig()
_LATENT = replace(
    _SMALL,
    codec="autoencoder",
    latent_channels=16,
    downscale=8,
    patch=2,
    stages=(),
    stage_blocks=(),
    compositor=64,
)

PRESETS: dict[str, ModelConfig] = {
    "tiny": replace(
        _SMALL, width=64, height=48, stages=(16, 24, 32), stage_blocks=(1, 1, 1), dim=64, depth=2,
        heads=2, context=3, compositor=8, outpaint=(16, 32), outpaint_depth=1,
    ),
    "small": _SMALL,
    "base": replace(
        _LATENT, width=320, height=192, dim=768, depth=16, heads=12, context=11, recalled=4,
    ),
    "xl": replace(
        _LATENT, width=640, height=352, dim=2048, depth=20, heads=16, context=15, recalled=8,
    ),
}  # fmt: skip


def preset(name: str) -> ModelConfig:
    """The configuration of a named preset; raises ConfigError for unknown names."""
    if name not in PRESETS:
        raise ConfigError(
            f"a preset among {sorted(PRESETS)}", repr(name), "Choose one of the listed presets."
        )
    return PRESETS[name]
