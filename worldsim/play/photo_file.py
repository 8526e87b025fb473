"""The player's own pictures: photos enlarged, and where they were taken, as metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from worldsim.play.photo import Photo
from worldsim.play.tick import Tick

PHOTO_WIDTH_PX = 1920


def enlarged_photo(photo: Photo) -> NDArray[np.uint8]:  # [height, 1920, 3]
    """The view of the free camera, without anything over it."""
    picture = Image.fromarray(photo.observation.rgb)
    height = round(PHOTO_WIDTH_PX * picture.height / picture.width)
    return np.asarray(picture.resize((PHOTO_WIDTH_PX, height), Image.Resampling.LANCZOS))


def png_text(tick: Tick) -> Mapping[str, str]:
    """The world, its seed and the pose of a tick, as the text chunks of a PNG.

    The pose is JSON: metres and degrees, as in `worldsim.types.Pose`. A world that began in a
    picture has no seed.
    """
    seed = tick.extras.seed
    text = {"Software": "worldsim", "worldsim:world": tick.world}
    if seed is not None:
        text["worldsim:seed"] = str(seed)
    if tick.observation is not None:
        text["worldsim:pose"] = json.dumps(asdict(tick.observation.pose))
        text["worldsim:fov_y_deg"] = f"{tick.fov_y_deg:g}"
    return text
