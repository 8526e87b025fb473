"""A user's picture as the start of a dream: cropped, resized, and given a simple depth."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from worldsim.camera import Intrinsics
from worldsim.engine.footing import EYE_M
from worldsim.errors import ImageError
from worldsim.types import SKY_DEPTH_M, Clip, Observation, Pose

MIN_SIDE_PX = 16
BACKDROP_M = 14.0  # how far away everything stands that is neither ground nor sky
UNREADABLE = (  # what Pillow raises for files that are missing, damaged, no pictures or enormous
    UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError, IndexError,
    Image.DecompressionBombError,
)  # fmt: skip
SKY_BAND = 0.3  # the part of the picture's upper half that may be sky


def clip_from_image(
    image: str | Path | NDArray[np.uint8],  # a file, or [H, W, 3]
    intrinsics: Intrinsics,
) -> Clip:
    """One still frame of the picture. Raises ImageError for what is not an 8-bit opaque picture."""
    picture = _from_array(image) if isinstance(image, np.ndarray) else _from_file(Path(image))
    if min(picture.size) < MIN_SIDE_PX:
        raise ImageError(
            f"a picture of at least {MIN_SIDE_PX}x{MIN_SIDE_PX} pixels",
            f"{picture.width}x{picture.height}",
            "Choose a larger picture.",
        )
    size = (intrinsics.width, intrinsics.height)
    rgb = np.array(ImageOps.fit(picture, size, Image.Resampling.LANCZOS), dtype=np.uint8)
    pose = Pose(0.0, EYE_M, 0.0)
    return Clip((Observation(rgb, stage_depth(rgb, intrinsics), pose),), ())


def stage_depth(
    rgb: NDArray[np.uint8],  # [H, W, 3]
    intrinsics: Intrinsics,
    pitch_deg: float = 0.0,
) -> NDArray[np.float32]:  # [H, W] metres
    """A stage: level ground below the horizon, a backdrop, and sky where the top is bright or blue.

    The horizon of a level camera lies in the middle.
    """
    height, width = intrinsics.height, intrinsics.width
    pitch, row_px = math.radians(pitch_deg), np.arange(height) + 0.5 - height / 2
    below_px = math.cos(pitch) * row_px + math.sin(pitch) * intrinsics.focal_px  # the horizon
    ground = EYE_M * intrinsics.focal_px / np.maximum(below_px, 1e-3)
    depth = np.broadcast_to(np.minimum(ground, BACKDROP_M)[:, None], (height, width))
    depth = depth.astype(np.float32)
    depth[sky_mask(rgb, int(np.count_nonzero(below_px < 0)))] = SKY_DEPTH_M
    return depth


def sky_mask(
    rgb: NDArray[np.uint8],  # [H, W, 3]
    horizon: int,  # the first row that cannot be sky
) -> NDArray[np.bool_]:  # [H, W]
    """Columns of sky: from the top down to the first pixel unlike the picture's top band."""
    height = len(rgb)
    colour = rgb.astype(np.float32)
    top = colour[: max(1, int(height * SKY_BAND / 2))].reshape(-1, 3)
    like_top = np.abs(colour - np.median(top, axis=0)).max(axis=-1) < 40.0
    bright = colour.mean(axis=-1) > 110.0
    blue = colour[..., 2] > colour[..., 0] + 10.0
    sky = like_top & (bright | blue)
    sky[horizon:] = False
    return np.logical_and.accumulate(sky, axis=0)


def _from_file(path: Path) -> Image.Image:
    try:
        picture = Image.open(path)
        unusable = _unusable(picture)  # before `load`, which forgets how the file stores its pixels
        picture.load()
    except UNREADABLE as error:
        raise ImageError(
            "a picture file such as PNG or JPEG", f"{str(path)!r}: {error}", "Check the path."
        ) from error
    if unusable is not None:
        raise ImageError(
            "an opaque picture of 8 bits a channel",
            f"{str(path)!r} with {unusable}",
            "Save it as 8-bit RGB without transparency.",
        )
    return ImageOps.exif_transpose(picture).convert("RGB")


def _unusable(picture: ImageFile.ImageFile) -> str | None:
    """What a picture has that a start cannot use. Pillow reads 16-bit colour as if it were 8."""
    if picture.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in picture.info:
        return "transparency"
    deep = any(";16" in str(tile[3]) for tile in picture.tile)
    if deep or picture.mode not in ("RGB", "L", "P", "1", "CMYK", "YCbCr"):
        return f"16 bits a channel or pixels of kind {picture.mode}"
    return None


def _from_array(image: NDArray[np.uint8]) -> Image.Image:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ImageError(
            "an array [H, W, 3] of uint8",
            f"shape {image.shape} of {image.dtype}",
            "Convert it to 8-bit RGB without transparency.",
        )
    return Image.fromarray(image)
