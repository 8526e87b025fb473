"""Where dreams begin: seeds, shipped scenes and pictures."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dreams import begun, make_engine, plane_clip
from numpy.typing import NDArray
from PIL import Image

from worldsim.camera import Intrinsics
from worldsim.engine import start
from worldsim.engine.picture_start import clip_from_image
from worldsim.engine.start import fitted, load_scene, save_scene, scene_names
from worldsim.errors import ImageError, SceneError
from worldsim.types import SKY_DEPTH_M, Action, Clip, Observation, Pose

CAMERA = Intrinsics(width=64, height=48)


def picture(height: int, width: int) -> NDArray[np.uint8]:
    """A bright sky over a dark, noisy ground."""
    rgb = np.random.default_rng(0).integers(0, 90, (height, width, 3), dtype=np.uint8)
    rgb[: height // 2] = (150, 200, 250)
    return rgb


# Seeds


@pytest.mark.parametrize("seed", [-1, True, False, 1.0, "5", 2**63, np.float32(3), [3]])
def test_a_seed_that_is_no_whole_number_from_zero_is_refused(seed: Any) -> None:
    with pytest.raises(SceneError, match="seed"):
        begun(seed=seed)


def test_a_refused_start_leaves_the_dream_as_it_was() -> None:
    engine = begun()
    with pytest.raises(SceneError):
        engine.reset(seed=-1)
    with pytest.raises(SceneError):
        engine.reset(scene="atlantis")
    assert engine.frame == 4


def test_a_seed_begins_in_the_block_world_of_that_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def start_clip(seed: int, scene: str | None, intrinsics: Intrinsics) -> Clip:
        asked.append((seed, scene, intrinsics))
        return plane_clip([Action(yaw_deg=45.0)])

    monkeypatch.setattr(start.importlib, "import_module", lambda _: Module(start_clip))
    engine = make_engine()
    engine.reset(seed=7)
    numpys: Any = np.int64(8)
    engine.reset(seed=numpys, scene="forest")
    assert asked == [(7, None, CAMERA), (8, "forest", CAMERA)]
    assert engine.snapshot().seed == 8
    assert engine.frame == 1


class Module:
    """A module with a `start_clip`."""

    def __init__(self, start_clip: Callable[..., Clip]) -> None:
        self.start_clip = start_clip


def test_a_seed_and_a_scene_start_a_dream_of_the_true_block_world() -> None:
    engine = make_engine()
    first = engine.reset(seed=7, scene="meadow")
    again = engine.reset(seed=7, scene="meadow")
    assert np.array_equal(first.rgb, again.rgb)
    assert first.rgb.shape == (48, 64, 3)
    assert engine.step(Action(forward=True)).observation.rgb.std() > 5


# Scenes


@pytest.mark.parametrize("scene", ["atlantis", "", "../meadow", "Meadow", 3])
def test_an_unknown_scene_is_refused_with_the_known_ones(scene: str) -> None:
    with pytest.raises(SceneError, match="meadow"):
        make_engine().reset(scene=scene)


def test_an_unknown_scene_of_a_seed_is_refused() -> None:
    with pytest.raises(SceneError, match="atlantis"):
        make_engine().reset(seed=1, scene="atlantis")


def test_every_shipped_scene_starts_a_dream() -> None:
    engine = make_engine()
    assert {"meadow", "forest", "desert", "snow", "canyon"} <= set(scene_names())
    for scene in scene_names():
        first = engine.reset(scene=scene)
        assert first.rgb.shape == (48, 64, 3)
        assert first.rgb.std() > 5
        assert len(engine.memory) > 1


def test_without_a_start_the_default_scene_begins() -> None:
    engine = make_engine()
    assert np.array_equal(engine.reset().rgb, engine.reset(scene="meadow").rgb)


@pytest.fixture
def scenes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(start, "SCENES", tmp_path)
    return tmp_path


def test_a_saved_scene_comes_back(scenes: Path) -> None:
    clip = plane_clip([Action(yaw_deg=30.0), Action(forward=True, pitch_deg=-4.0)])
    save_scene(clip, scenes / "plane.npz")
    loaded = load_scene("plane", CAMERA)
    for ours, theirs in zip(loaded.observations, clip.observations, strict=True):
        assert np.array_equal(ours.rgb, theirs.rgb)
        assert np.allclose(ours.depth, theirs.depth, rtol=1e-3)
        assert ours.pose == theirs.pose
    for action, other in zip(loaded.actions, clip.actions, strict=True):
        assert np.isclose(action.yaw_deg, other.yaw_deg)
        assert replace(action, yaw_deg=0.0, pitch_deg=0.0) == replace(
            other, yaw_deg=0.0, pitch_deg=0.0
        )


@pytest.mark.parametrize("damage", ["truncated", "foreign", "part missing"])
def test_a_damaged_scene_is_refused(scenes: Path, damage: str) -> None:
    path = scenes / "plane.npz"
    save_scene(plane_clip([]), path)
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:1000])
    elif damage == "foreign":
        path.write_bytes(b"no archive")
    else:
        np.savez(path, rgb=np.zeros((1, 4, 4, 3)))
    with pytest.raises(SceneError, match="whole scene file"):
        load_scene("plane", CAMERA)


def test_fitting_a_frame_never_averages_depth() -> None:
    depth = np.where(np.arange(128) % 2, 2.0, SKY_DEPTH_M).astype(np.float32)
    seen = Observation(picture(96, 128), np.tile(depth, (96, 1)), Pose(0.0, 1.6, 0.0))
    small = fitted(seen, CAMERA)
    assert small.rgb.shape == (48, 64, 3)
    assert small.depth.shape == (48, 64)
    assert set(np.unique(small.depth)) <= {np.float32(2.0), np.float32(SKY_DEPTH_M)}


# Pictures


@pytest.mark.parametrize("size", [(16, 16), (48, 64), (480, 640), (33, 500), (700, 20)])
def test_a_picture_of_any_size_starts_a_dream(size: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / "start.png"
    Image.fromarray(picture(*size)).save(path)
    engine = make_engine()
    for image in (path, str(path), picture(*size)):
        seen = engine.reset(image=image, seed=2)
        assert (seen.rgb.shape, seen.rgb.dtype) == ((48, 64, 3), np.uint8)
        assert (seen.depth.shape, seen.depth.dtype) == ((48, 64), np.float32)
        assert (seen.depth > 0).all()
    assert engine.step(Action(yaw_deg=5.0)).observation.rgb.shape == (48, 64, 3)


def test_a_picture_fills_the_camera_without_being_stretched() -> None:
    rgb = np.zeros((48, 640, 3), dtype=np.uint8)
    rgb[:, 288:352] = 200  # the middle, as wide as the camera's picture
    seen = clip_from_image(rgb, CAMERA).observations[0].rgb
    assert (seen[:, 3:-3] > 150).all()


def test_the_sky_of_a_picture_is_far_and_its_ground_is_near() -> None:
    seen = clip_from_image(picture(96, 128), CAMERA).observations[0]
    assert (seen.depth[:20] == SKY_DEPTH_M).all()
    assert (seen.depth[24:] < 20.0).all()
    assert seen.depth[-1].max() < seen.depth[30].min()


def test_a_night_picture_has_no_sky() -> None:
    dark = np.full((48, 64, 3), 20, dtype=np.uint8)
    assert clip_from_image(dark, CAMERA).observations[0].depth.max() < 20.0


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK"])
def test_every_opaque_8_bit_picture_is_read(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "start.tiff"
    Image.fromarray(picture(48, 64)).convert(mode).save(path)
    assert clip_from_image(path, CAMERA).observations[0].rgb.shape == (48, 64, 3)


def test_a_turned_photograph_is_turned_back(tmp_path: Path) -> None:
    upright = Image.fromarray(picture(48, 64))
    exif = upright.getexif()
    exif[0x0112] = 6  # the viewer has to turn it by 90 degrees to the right
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    seen = clip_from_image(tmp_path / "turned.png", CAMERA).observations[0].rgb
    assert np.array_equal(seen, np.array(upright))


def png_of_16_bits(height: int, width: int) -> bytes:
    """A colour PNG of 16 bits a channel, which Pillow cannot write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    rows = (b"\0" + bytes(6 * width)) * height
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def transparent_palette() -> Image.Image:
    image = Image.fromarray(picture(48, 64)).convert("P")
    image.info["transparency"] = 0
    return image


FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "one pixel": (lambda p: Image.fromarray(picture(1, 1)).save(p), "1x1"),
    "too flat": (lambda p: Image.fromarray(picture(15, 400)).save(p), "400x15"),
    "16-bit grey": (lambda p: Image.fromarray(np.zeros((48, 64), np.uint16)).save(p), "16 bits"),
    "16-bit colour": (lambda p: p.write_bytes(png_of_16_bits(48, 64)), "16 bits"),
    "alpha": (lambda p: Image.fromarray(picture(48, 64)).convert("RGBA").save(p), "transparency"),
    "grey with alpha": (lambda p: Image.new("LA", (64, 48)).save(p), "transparency"),
    "transparent palette": (lambda p: transparent_palette().save(p), "transparency"),
    "text": (lambda p: p.write_text("not a picture"), "picture file"),
    "empty": (lambda p: p.write_bytes(b""), "picture file"),
    "truncated": (lambda p: p.write_bytes(png_of_16_bits(480, 640)[:300]), "picture file"),
    "folder": (lambda p: p.mkdir(), "picture file"),
    "missing": (lambda p: None, "picture file"),
}


@pytest.mark.parametrize("name", FILES)
def test_an_unusable_picture_file_is_refused(name: str, tmp_path: Path) -> None:
    make, message = FILES[name]
    path = tmp_path / "start.png"
    make(path)
    with pytest.raises(ImageError, match=message) as refused:
        make_engine().reset(image=path)
    assert refused.value.remedy


def test_an_enormous_picture_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(picture(48, 64)).save(tmp_path / "start.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ImageError, match="pixels"):
        clip_from_image(tmp_path / "start.png", CAMERA)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((48, 64, 3), np.float32),
        np.zeros((48, 64, 3), np.uint16),
        np.zeros((48, 64, 4), np.uint8),
        np.zeros((48, 64), np.uint8),
        np.zeros((1, 1, 3), np.uint8),
        np.zeros((0, 64, 3), np.uint8),
    ],
    ids=["float", "16-bit", "alpha", "grey", "one pixel", "empty"],
)
def test_an_unusable_array_is_refused(array: NDArray[np.uint8]) -> None:
    with pytest.raises(ImageError):
        make_engine().reset(image=array)
