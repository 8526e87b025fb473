"""Where the view is between two frames, under a fake clock."""

from __future__ import annotations

from collections.abc import Set

import numpy as np
import pytest
from numpy.typing import NDArray

from worldsim.play.app import warp_mode
from worldsim.play.mailbox import Mailbox
from worldsim.play.tick import Phase, Step, Tick
from worldsim.play.view_ahead import MAX_SHIFT_M, ViewAhead, WarpMode, expected, wanted
from worldsim.types import SKY_DEPTH_M, TICK_S, Observation, Pose

FORWARD = frozenset({"forward"})
STRIDE_M = 0.2


def walked(
    number: int,
    *,
    moved_m: tuple[float, float, float] = (0.0, 0.0, STRIDE_M),
    buttons: Set[str] = FORWARD,
    z: float | None = None,
    phase: Phase = Phase.playing,
) -> Tick:
    """The frame of a walk along -z, one stride a tick, made on time."""
    pose = Pose(0.0, 1.6, -STRIDE_M * number if z is None else z)
    seen = Observation(
        np.zeros((4, 6, 3), np.uint8), np.full((4, 6), SKY_DEPTH_M, np.float32), pose
    )
    step = Step(made_s=100.0 + number * TICK_S, moved_m=moved_m, buttons=frozenset(buttons))
    return Tick(number=number, phase=phase, world="dream", seed=7, observation=seen, step=step)


def mailbox(*held: str) -> Mailbox:
    box = Mailbox()
    for button in held:
        box.press(button)
    return box


def shift_at(ahead: ViewAhead, tick: Tick, ticks: float, *held: str) -> NDArray[np.float64]:
    """The view's place [3] so many ticks after the first frame."""
    assert tick.observation is not None
    lead = ahead.of(tick, mailbox(*held), 100.0 + ticks * TICK_S)
    return tick.observation.pose.position() + lead.shift


def test_a_steady_walk_is_a_straight_line_in_time_whatever_the_frames_do() -> None:
    ahead = ViewAhead(WarpMode.parallax)
    times = np.arange(0.0, 6.0, 0.25)
    z = [shift_at(ahead, walked(int(t)), t, "forward")[2] for t in times]
    assert z == pytest.approx(-STRIDE_M * times, abs=0.02)


def test_the_view_goes_no_further_than_the_next_frame_would_be() -> None:
    ahead = ViewAhead(WarpMode.parallax)
    assert shift_at(ahead, walked(0), 9.0, "forward")[2] == pytest.approx(-STRIDE_M)


def test_a_guess_is_never_further_than_a_frame_can_show() -> None:
    ahead = ViewAhead(WarpMode.parallax)
    place = shift_at(ahead, walked(0, moved_m=(0.0, -3.0, 0.0)), 1.0, "forward")
    assert np.linalg.norm(place - (0.0, 1.6, 0.0)) == pytest.approx(MAX_SHIFT_M)


def test_a_wrong_guess_fades_after_the_next_frame_and_the_view_never_jumps() -> None:
    ahead = ViewAhead(WarpMode.parallax)
    before = shift_at(ahead, walked(0), 1.0, "forward")
    stopped = walked(1, moved_m=(0.0, 0.0, 0.0), z=0.0)  # a wall
    places = [shift_at(ahead, stopped, t, "forward")[2] for t in (1.0, 2.0, 4.0, 20.0)]
    assert places[0] == pytest.approx(before[2])
    assert np.all(np.diff(places) > 0)
    assert places[-1] == pytest.approx(0.0, abs=1e-4)


def test_a_view_that_has_come_to_rest_stays_the_same_to_the_bit() -> None:
    ahead, stopped = ViewAhead(WarpMode.parallax), walked(1, moved_m=(0.0, 0.0, 0.0))
    shift_at(ahead, walked(0), 0.9, "forward")
    leads = [ahead.of(stopped, mailbox(), 100.0 + seconds) for seconds in (1.0, 1.5, 2.0)]
    assert {lead.shift.tobytes() for lead in leads} == {np.zeros(3).tobytes()}


def test_who_leans_against_a_wall_stays() -> None:
    still = Step(made_s=0.0, moved_m=(0.0, 0.0, 0.0), buttons=FORWARD)
    assert expected(still, FORWARD) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("held", "direction"),
    [
        (FORWARD, (0, 1)),
        ({"back"}, (0, -1)),
        ({"right"}, (1, 0)),
        ({"left", "back"}, (-1, -1)),
        ({"left", "right"}, (0, 0)),
    ],
)
def test_a_key_pressed_since_the_frame_begins_to_move_the_view(
    held: Set[str], direction: tuple[int, int]
) -> None:
    still = Step(made_s=0.0, moved_m=(0.0, 0.0, 0.0), buttons=frozenset())
    right, _, forward = expected(still, held)
    assert (np.sign(right), np.sign(forward)) == direction
    assert np.hypot(right, forward) <= STRIDE_M


def test_a_key_pressed_or_let_go_between_two_frames_makes_no_jump() -> None:
    ahead = ViewAhead(WarpMode.parallax)
    keys = [("forward",)] * 3 + [()] * 3 + [("back",)] * 3
    z = [shift_at(ahead, walked(0), 0.8 + n / 100, *held)[2] for n, held in enumerate(keys)]
    assert np.abs(np.diff(z)).max() < 0.01


def test_a_key_let_go_slows_the_view() -> None:
    walking = Step(made_s=0.0, moved_m=(0.0, 0.0, STRIDE_M), buttons=FORWARD)
    assert 0 < expected(walking, frozenset())[2] < STRIDE_M / 2


def test_sprinting_is_faster_and_sneaking_slower() -> None:
    speeds = [wanted({*FORWARD, more})[1] for more in ("sneak", "jump", "sprint")]
    assert speeds == sorted(speeds)
    assert len(set(speeds)) == 3


def test_a_slow_models_stride_is_spread_over_its_slow_ticks() -> None:
    ahead = ViewAhead(WarpMode.parallax)
    frames = [walked(n, z=-STRIDE_M * n / 2) for n in range(0, 40, 2)]  # every other tick's time
    for frame in frames:
        shift_at(ahead, frame, frame.number, "forward")
    halfway = shift_at(ahead, frames[-1], 39.0, "forward")[2]
    assert halfway == pytest.approx(-STRIDE_M * 39 / 2, abs=0.01)


def test_a_world_that_begins_anew_is_shown_from_its_own_place() -> None:
    ahead = ViewAhead(WarpMode.parallax)
    shift_at(ahead, walked(0), 1.0, "forward")
    far = walked(1, z=-50.0)
    assert shift_at(ahead, far, 1.0, "forward")[2] == pytest.approx(-50.0)


@pytest.mark.parametrize("phase", [Phase.paused, Phase.loading])
def test_a_world_that_does_not_tick_is_shown_as_its_frame_has_it(phase: Phase) -> None:
    source = mailbox("forward")
    source.turn(5.0, 0.0)
    lead = ViewAhead(WarpMode.parallax).of(walked(0, phase=phase), source, 100.04)
    assert np.array_equal(lead.turn, np.eye(3))
    assert not lead.shift.any()


@pytest.mark.parametrize(
    ("mode", "turns", "shifts"),
    [
        (WarpMode.off, False, False),
        (WarpMode.rotation, True, False),
        (WarpMode.parallax, True, True),
    ],
)
def test_the_mode_says_what_the_view_follows(mode: WarpMode, turns: bool, shifts: bool) -> None:
    source = mailbox("forward")
    source.turn(5.0, 0.0)
    lead = ViewAhead(mode).of(walked(0), source, 100.04)
    assert (not np.array_equal(lead.turn, np.eye(3))) == turns
    assert bool(lead.shift.any()) == shifts


def test_the_modes_follow_one_another_round() -> None:
    ahead = ViewAhead(WarpMode.off)
    assert [ahead.cycle() for _ in range(3)] == [
        WarpMode.rotation,
        WarpMode.parallax,
        WarpMode.off,
    ]


@pytest.mark.parametrize(
    ("on_gpu", "cores", "mode"),
    [
        (True, 2, WarpMode.parallax),
        (False, 8, WarpMode.parallax),
        (False, 2, WarpMode.rotation),
    ],
)
def test_by_itself_the_view_moves_only_where_that_costs_the_model_nothing(
    on_gpu: bool, cores: int, mode: WarpMode
) -> None:
    assert warp_mode("auto", on_gpu=on_gpu, cores=cores) is mode
    assert warp_mode("off", on_gpu=on_gpu, cores=cores) is WarpMode.off
