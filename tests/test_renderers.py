"""The renderers: one picture from both, exact depth, and honest errors."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import numpy as np
import pytest

from worldsim.camera import Intrinsics
from worldsim.envs.blocks.blocks import Block
from worldsim.envs.blocks.looks import CRYSTAL, LOOKS, NATURAL, Look
from worldsim.envs.blocks.renderers import gl as gl_module
from worldsim.envs.blocks.renderers import light as lighting
from worldsim.envs.blocks.renderers.choose import make_renderer
from worldsim.envs.blocks.renderers.frames import Frames, Renderer
from worldsim.envs.blocks.renderers.gl import GLRenderer
from worldsim.envs.blocks.renderers.torch_renderer import TorchRenderer
from worldsim.envs.blocks.renderers.volume import Volume, clearance, make_volume
from worldsim.envs.blocks.voxels import VoxelWindow
from worldsim.errors import BackendError, ConfigError
from worldsim.types import SKY_DEPTH_M, Pose

SMALL = Intrinsics(width=48, height=30)
CENTRE = 40  # of the window, which lies at the world's origin
GROUND = 10  # the first open layer
EYE_M = GROUND + 1.62


def window(*, version: int = 1, look: Look = NATURAL) -> VoxelWindow:
    """Flat grass with a pond, a covered room and one of every block, at the world's origin."""
    blocks = np.zeros((80, 64, 80), dtype=np.uint8)
    blocks[:, :GROUND] = Block.STONE
    blocks[:, GROUND - 1] = Block.GRASS
    blocks[46:54, GROUND - 5 : GROUND, 46:54] = Block.WATER
    blocks[30:36, GROUND : GROUND + 4, 30:36] = Block.PLANKS
    blocks[31:35, GROUND : GROUND + 3, 31:36] = Block.AIR
    for block in Block:
        blocks[24 + 2 * block, GROUND : GROUND + 2, 38] = block
    return VoxelWindow(blocks, (-CENTRE, 0, -CENTRE), version, look)


WINDOW = window()
VIEWS = {
    "open land": Pose(0.3, EYE_M, 0.2, 20.0, 10.0),
    "all blocks": Pose(0.5, EYE_M + 4.0, 12.5, 0.0, 20.0),
    "low sun": Pose(0.5, EYE_M, 0.5, 90.0, -10.0),
    "covered room": Pose(-7.5, EYE_M, -6.5, 15.0, 0.0),
    "under water": Pose(9.5, GROUND - 2.5, 9.5, 200.0, -20.0),
    "inside a block": Pose(0.5, 4.5, 0.5),
    "above the world": Pose(3.5, 80.0, 3.5, 70.0, 60.0),
    "straight down": Pose(-3.4, EYE_M, 7.3, 0.0, 89.0),
}
DAYS = (0.4, 0.5, 0.27, 0.4, 0.45, 0.4, 0.6, 0.0)


@pytest.fixture(scope="module")
def gl() -> Iterator[GLRenderer]:
    renderer = GLRenderer()
    try:
        renderer.probe()
    except BackendError as error:
        pytest.skip(f"this machine has no OpenGL: {error}")
    yield renderer
    renderer.close()


@pytest.fixture(params=["gl", "torch"])
def renderer(request: pytest.FixtureRequest) -> Renderer:
    return request.getfixturevalue("gl") if request.param == "gl" else TorchRenderer()


def render(renderer: Renderer, *poses: Pose, day: float = 0.4) -> Frames:
    return renderer.render([WINDOW] * len(poses), poses, [day] * len(poses), SMALL)


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("supersample", [1, 2])
def test_both_renderers_draw_the_same_picture(gl, supersample, look):
    poses, windows = list(VIEWS.values()), [window(look=LOOKS[look])] * len(VIEWS)
    ours = GLRenderer(supersample=supersample).render(windows, poses, DAYS, SMALL)
    theirs = TorchRenderer(supersample=supersample).render(windows, poses, DAYS, SMALL)
    for i, name in enumerate(VIEWS):
        difference = np.abs(ours.rgb[i].astype(int) - theirs.rgb[i])
        assert difference.mean() < 2.0, name
        assert (np.abs(ours.depth[i] - theirs.depth[i]) < 0.01).mean() > 0.99, name
        assert (ours.labels[i] == theirs.labels[i]).mean() > 0.99, name


def test_every_block_and_the_sky_are_seen_and_labelled(renderer):
    frames = renderer.render([WINDOW] * 8, list(VIEWS.values()), DAYS, SMALL)
    assert set(np.unique(frames.labels)) >= set(Block) - {Block.DIRT}


def test_depth_is_the_distance_along_the_view_axis(renderer):
    blocks = np.zeros((80, 64, 80), dtype=np.uint8)
    blocks[:, :, 30] = Block.BRICK  # a wall whose near face lies at z = 31 - 40
    wall = VoxelWindow(blocks, (-CENTRE, 0, -CENTRE), 2)
    frames = renderer.render([wall], [Pose(0.5, 30.0, -2.75)], [0.4], SMALL)
    assert np.allclose(frames.depth, 6.25, atol=1e-4)
    assert (frames.labels == Block.BRICK).all()


def test_the_sky_is_far_away_and_unlabelled(renderer):
    frames = render(renderer, Pose(0.5, EYE_M, 0.5, 0.0, -80.0))
    assert (frames.depth == SKY_DEPTH_M).all()
    assert (frames.labels == 0).all()


def test_the_far_ground_fades_into_the_horizon(renderer):
    rgb = render(renderer, Pose(0.5, EYE_M, 0.5, 180.0, 0.0)).rgb[0].astype(int)
    horizon = SMALL.height // 2
    assert np.abs(rgb[horizon - 1] - rgb[horizon]).max() <= 3


def test_below_an_empty_window_lies_stone(renderer):
    empty = VoxelWindow(np.zeros((80, 64, 80), dtype=np.uint8), (0, 0, 0), 3)
    frames = renderer.render([empty], [Pose(40.5, 3.5, 40.5, 0.0, 89.0)], [0.4], SMALL)
    assert (frames.labels == Block.STONE).all()


def test_night_is_dark_but_never_black(renderer):
    day, night = (render(renderer, VIEWS["open land"], day=phase).rgb for phase in (0.5, 0.0))
    assert 25 < night.mean() < 0.7 * day.mean()


def test_a_batch_equals_single_views(renderer):
    poses = list(VIEWS.values())[:3]
    batch = render(renderer, *poses)
    for i, pose in enumerate(poses):
        single = render(renderer, pose)
        assert np.array_equal(batch.rgb[i], single.rgb[0])
        assert np.array_equal(batch.depth[i], single.depth[0])
        assert np.array_equal(batch.labels[i], single.labels[0])


def test_another_look_changes_every_colour_and_nothing_else(renderer):
    poses = [VIEWS["all blocks"], VIEWS["open land"]]
    natural, crystal = (
        renderer.render([window(look=look)] * 2, poses, [0.4] * 2, SMALL)
        for look in (NATURAL, CRYSTAL)
    )
    assert np.array_equal(natural.depth, crystal.depth)
    assert np.array_equal(natural.labels, crystal.labels)
    difference = np.abs(natural.rgb.astype(int) - crystal.rgb).max(axis=-1)
    assert (difference > 10).mean() > 0.95


def test_looks_can_be_mixed_in_a_batch(renderer):
    looks, pose = (CRYSTAL, NATURAL, CRYSTAL), VIEWS["all blocks"]
    windows = [window(version=200 + i, look=look) for i, look in enumerate(looks)]
    batch = renderer.render(windows, [pose] * 3, [0.4] * 3, SMALL)
    for i in range(3):
        single = renderer.render(windows[i : i + 1], [pose], [0.4], SMALL)
        assert np.array_equal(batch.rgb[i], single.rgb[0])


def test_an_empty_batch_gives_no_frames(renderer):
    assert renderer.render([], [], [], SMALL).rgb.shape == (0, 30, 48, 3)


def test_frames_of_different_calls_share_no_memory(renderer):
    first = render(renderer, VIEWS["open land"])
    kept = first.rgb.copy()
    second = render(renderer, VIEWS["all blocks"])
    assert np.array_equal(first.rgb, kept)
    assert not np.shares_memory(first.rgb, second.rgb)
    assert not np.shares_memory(first.depth, second.depth)


def test_windows_of_one_version_are_prepared_once(gl, monkeypatch):
    prepared = []

    def counted(window: VoxelWindow) -> Volume:
        prepared.append(window.version)
        return make_volume(window)

    monkeypatch.setattr(gl_module, "make_volume", counted)
    windows = [window(version=101), window(version=102), window(version=101)]
    gl.render(windows, [VIEWS["open land"]] * 3, [0.4] * 3, SMALL)
    gl.render(windows, [VIEWS["open land"]] * 3, [0.4] * 3, SMALL)
    assert prepared == [101, 102]


def test_rendering_goes_on_after_closing_twice(renderer):
    before = render(renderer, VIEWS["open land"])
    renderer.close()
    renderer.close()
    assert np.array_equal(render(renderer, VIEWS["open land"]).rgb, before.rgb)


def test_views_without_their_windows_are_refused(renderer):
    with pytest.raises(ConfigError, match="1 windows, 2 poses"):
        renderer.render([WINDOW], [VIEWS["open land"]] * 2, [0.4, 0.4], SMALL)


@pytest.mark.parametrize("kind", [GLRenderer, TorchRenderer])
def test_an_unknown_number_of_rays_is_refused(kind):
    with pytest.raises(ConfigError, match="supersample"):
        kind(supersample=3)


def test_a_process_forked_after_rendering_is_refused_instead_of_hanging(monkeypatch):
    monkeypatch.setattr(GLRenderer, "_opened_in", os.getpid() + 1)
    with pytest.raises(BackendError, match="spawn"):
        GLRenderer().probe()


def test_without_opengl_auto_draws_with_torch_and_says_why(monkeypatch, caplog):
    def refuse(**_: object) -> None:
        raise RuntimeError("no display here")

    monkeypatch.setattr("moderngl.create_context", refuse)
    with caplog.at_level(logging.INFO):
        assert isinstance(make_renderer("auto"), TorchRenderer)
    assert "no display here" in caplog.text
    with pytest.raises(BackendError, match="renderer='torch'"):
        GLRenderer().probe()


def test_an_unknown_renderer_is_named():
    with pytest.raises(ConfigError, match="vulkan"):
        make_renderer("vulkan")


@pytest.mark.parametrize("look", LOOKS.values(), ids=list(LOOKS))
@pytest.mark.parametrize("day", [0.0, 0.26, 0.4, 0.5, 0.74])
def test_the_six_faces_differ_in_brightness_at_any_hour(day, look):
    brightness = np.sort(lighting.light_at(day, look).faces.mean(axis=1))
    assert (np.diff(brightness) > 0.005).all()
    assert lighting.light_rows(lighting.light_at(day, look)).shape == (lighting.LIGHT_ROWS, 3)


def test_the_clearance_counts_the_free_cells_around_each():
    filled = np.zeros((7, 9, 7), dtype=np.uint8)
    filled[3, 5, 3] = 1
    room = clearance(filled)
    for x, y, z in np.ndindex(*filled.shape):
        distance = max(abs(x - 3), abs(y - 5), abs(z - 3))
        assert room[x, y, z] == min(distance, y + 1)


def test_light_is_full_under_the_sky_and_fades_under_cover():
    sky = (make_volume(WINDOW).cells >> 8) & 15
    assert sky[20, GROUND, 60] == 15
    assert 0 < sky[33, GROUND, 32] < sky[33, GROUND, 35] < 15
    assert sky[20, 3, 60] == 0
