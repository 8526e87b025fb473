from __future__ import annotations

from dataclasses import replace

import numpy as np
import pygame
import pytest

from worldsim.play.hud import Hud, HudMode, compose_hud, pose_line
from worldsim.play.hud_painter import HudPainter
from worldsim.play.keymap import default_keymap
from worldsim.play.loading import Loading
from worldsim.play.scrubber import Scrubber
from worldsim.play.stats import Quantiles, Rate, Ring
from worldsim.play.tick import Phase, Pulse, Tick
from worldsim.play.time_travel import Past
from worldsim.types import Observation, Pose

KEYMAP = default_keymap()
SEEN = Observation(
    np.zeros((80, 128, 3), np.uint8), np.zeros((80, 128), np.float32), Pose(1.25, 20.0, -3.5, 90, 5)
)
TICK = Tick(
    number=1,
    phase=Phase.playing,
    world="dream",
    seed=7,
    observation=SEEN,
    pulse=Pulse(
        tick_ms=Quantiles(41.26, 55.0, 60.0),
        hz=19.8,
        keyframes=12,
        recent_ms=(10.0, 80.0),
        stages_ms={"denoise": {"p50": 30.0, "p95": 40.0, "p99": 41.0}},
    ),
)


def test_the_hud_tells_world_seed_rates_tick_times_pose_and_keyframes() -> None:
    hud = compose_hud(TICK, HudMode(display_hz=59.6), KEYMAP)
    text = "\n".join(hud.lines)
    for part in ("dream", "seed 7", "20 fps", "60 fps", "41.3 ms", "p95 55.0 ms", "12 keyframes"):
        assert part in text
    assert "x 1.2  y 20.0  z -3.5" in text
    assert hud.crosshair


def test_a_world_without_memory_shows_no_keyframes() -> None:
    hud = compose_hud(replace(TICK, pulse=Pulse()), HudMode(), KEYMAP)
    assert "keyframes" not in "\n".join(hud.lines)


@pytest.mark.parametrize(
    ("yaw", "pitch", "looks"),
    [(0.0, 0.0, "N 0°  +0°"), (90.0, 30.0, "E 90°  -30°"), (-135.0, -10.4, "SW 225°  +10°")],
)
def test_the_pose_line_names_the_direction(yaw: float, pitch: float, looks: str) -> None:
    assert pose_line(Pose(0, 0, 0, yaw, pitch)).endswith(looks)


def test_a_hidden_hud_still_shows_messages() -> None:
    hud = compose_hud(TICK, HudMode(visible=False, message="Saved"), KEYMAP)
    assert (hud.lines, hud.hint, hud.crosshair, hud.message) == ((), "", False, "Saved")


def test_the_hint_names_the_keys_and_asks_for_a_click_while_the_mouse_is_free() -> None:
    free = compose_hud(TICK, HudMode(), KEYMAP).hint
    assert "Click to look" in free
    assert "WASD move" in free
    assert "Tab real/dream" in free
    assert "Click to look" not in compose_hud(TICK, HudMode(grabbed=True), KEYMAP).hint


def test_loading_and_pausing_are_told_in_the_middle() -> None:
    loading = replace(TICK, phase=Phase.loading, loading=Loading("real", "reading", 0.4))
    hud = compose_hud(loading, HudMode(), KEYMAP)
    assert "real" in hud.title
    assert (hud.subtitle, hud.progress) == ("reading", 0.4)
    paused = compose_hud(replace(TICK, phase=Phase.paused), HudMode(), KEYMAP)
    assert paused.title == "Paused"
    assert "Esc for the menu" in paused.subtitle
    assert compose_hud(None, HudMode(), KEYMAP).title


def test_while_a_paused_game_is_stepped_through_its_picture_is_not_dimmed() -> None:
    hud = compose_hud(replace(TICK, phase=Phase.paused, stepped=True), HudMode(), KEYMAP)
    assert (hud.title, hud.crosshair) == ("", True)
    assert "paused   N one more tick   P goes on" in hud.lines


def test_the_debug_table_shows_every_stage() -> None:
    hud = compose_hud(TICK, HudMode(debug=True), KEYMAP)
    assert ("denoise", "30.0", "40.0") in hud.stages
    assert hud.recent_ms == (10.0, 80.0)
    assert not compose_hud(TICK, HudMode(), KEYMAP).stages


def test_the_scrubber_is_shown_while_time_goes_back_and_the_branch_where_there_are_two() -> None:
    past = Past(kept_ticks=200, back_ticks=50, branch=2, branches=(1, 2))
    playing = compose_hud(replace(TICK, past=past), HudMode(), KEYMAP)
    assert playing.scrubber is None
    assert "branch 2, one of 2" in playing.lines
    back = compose_hud(replace(TICK, past=past, phase=Phase.rewinding), HudMode(), KEYMAP)
    assert back.scrubber is not None
    assert back.scrubber.place == 0.75


@pytest.mark.parametrize("size", [(1280, 800), (320, 200), (1920, 1200)])
def test_the_scrubber_is_painted_up_to_its_place_at_any_size(size: tuple[int, int]) -> None:
    screen, width = pygame.Surface(size), size[0]
    HudPainter().paint(screen, Hud(scrubber=Scrubber(0.5, "-5.0 s of 10 s")))
    red = pygame.surfarray.array3d(screen)[..., 0].max(axis=1).astype(int)
    blue = pygame.surfarray.array3d(screen)[..., 2].max(axis=1).astype(int)
    assert red[round(0.2 * width)] > blue[round(0.2 * width)] + 60  # gone by
    assert abs(red[round(0.8 * width)] - blue[round(0.8 * width)]) < 60


@pytest.mark.parametrize("size", [(1280, 800), (320, 200), (1920, 1200)])
def test_the_hud_is_painted_without_a_display_at_any_size(size: tuple[int, int]) -> None:
    screen = pygame.Surface(size)
    painter = HudPainter()
    mode = HudMode(debug=True, message="Saved a file with a rather long name " * 4)
    painter.paint(screen, compose_hud(TICK, mode, KEYMAP))
    painted = pygame.surfarray.array3d(screen).any(axis=2)
    assert painted[: size[0] // 4, : size[1] // 8].any()
    assert painted[size[0] // 2, size[1] // 2]


def test_a_ring_keeps_the_latest_in_order() -> None:
    ring = Ring(3)
    for value in range(5):
        ring.add(value)
    assert ring.latest().tolist() == [2, 3, 4]
    assert ring.quantiles().p50 == 3


def test_a_rate_is_events_per_second_and_zero_before_the_second_event() -> None:
    rate = Rate()
    rate.mark(10.0)
    assert rate.hz(10.0) == 0.0
    for n in range(1, 10):
        rate.mark(10.0 + n / 20)
    assert rate.hz(10.45) == pytest.approx(20.0)
    assert rate.hz(99.0) == 0.0
