"""Where a dream begins: a seed, a shipped scene, a picture, or a clip of real frames."""

from __future__ import annotations

import importlib
import zipfile
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image

from worldsim.actions import from_vector, to_vector
from worldsim.camera import Intrinsics
from worldsim.errors import SceneError
from worldsim.types import Clip, Observation, Pose

SCENES = Path(str(files("worldsim.assets.scenes")))
DEFAULT_SCENE = "meadow"

# The block world stands above the engine in the import order, so it is bound late, by name.
SEED_STARTER = ("worldsim.envs.blocks.start", "start_clip")


def clip_from_seed(seed: int, scene: str | None, intrinsics: Intrinsics) -> Clip:
    """The block world of this seed, looked at all around."""
    module, name = SEED_STARTER
    starter = cast(Callable[..., Clip], getattr(importlib.import_module(module), name))
    return starter(seed, scene=scene, intrinsics=intrinsics)


def scene_names() -> list[str]:
    """The scenes that ship as start clips, which need no renderer."""
    return sorted(path.stem for path in SCENES.glob("*.npz"))


def save_scene(clip: Clip, path: Path) -> None:
    """Write a start clip: frames as one PNG strip, depth as 16-bit floats, poses, actions."""
    rgb = np.stack([o.rgb for o in clip.observations])
    poses = [
        (o.pose.x, o.pose.y, o.pose.z, o.pose.yaw_deg, o.pose.pitch_deg) for o in clip.observations
    ]
    actions = np.array([to_vector(a) for a in clip.actions], dtype=np.float32)
    np.savez_compressed(
        path,
        rgb=rgb,
        depth=np.stack([o.depth for o in clip.observations]).astype(np.float16),
        poses=np.array(poses, dtype=np.float64),
        actions=actions,
    )


def load_scene(name: str, intrinsics: Intrinsics) -> Clip:
    """A shipped start clip, resized to the camera. Raises SceneError for an unknown name."""
    path = SCENES / f"{name}.npz"
    if name not in scene_names():
        raise SceneError(f"a scene among {scene_names()}", repr(name), "Correct its spelling.")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            rgb, depth, poses, actions = (arrays[k] for k in ("rgb", "depth", "poses", "actions"))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise SceneError(
            f"a whole scene file at {str(path)!r}", f"{error}", "Install worldsim again."
        ) from error
    frames = zip(rgb, depth.astype(np.float32), poses, strict=True)
    observations = tuple(
        fitted(Observation(colour, metres, Pose(*map(float, pose))), intrinsics)
        for colour, metres, pose in frames
    )
    return Clip(observations, tuple(from_vector(a) for a in actions))


def fitted(seen: Observation, intrinsics: Intrinsics) -> Observation:
    """A copy of the view on another pixel grid of the same shape; depth is never averaged."""
    size = (intrinsics.width, intrinsics.height)
    if seen.rgb.shape[1::-1] == size:
        return own_copy(seen)
    rgb = Image.fromarray(seen.rgb).resize(size, Image.Resampling.BOX)
    depth = Image.fromarray(seen.depth).resize(size, Image.Resampling.NEAREST)
    return Observation(np.array(rgb), np.array(depth), seen.pose)


def own_copy(seen: Observation) -> Observation:
    """The same view in arrays of its own: what others draw into is not what a dream remembers."""
    return Observation(seen.rgb.copy(), seen.depth.copy(), seen.pose)
