"""The walks that suites are made of."""

import numpy as np
from fakes import PlaneWorld
from fakes_evaluate import LEVEL

from worldsim.evaluate.truth import (
    FreePlay,
    Walks,
    look_away,
    path_length_m,
    way_back,
)
from worldsim.types import Action, Pose


def test_the_same_seed_takes_the_same_walk_and_another_seed_another():
    first, again, other = (Walks(PlaneWorld()).take(seed, 60) for seed in (7, 7, 8))
    assert first.actions == again.actions
    assert np.array_equal(first.observations[-1].rgb, again.observations[-1].rgb)
    assert first.actions != other.actions


def test_action_t_leads_from_frame_t_to_the_next():
    walk, world = Walks(PlaneWorld()).take(3, 40), PlaneWorld()
    for t, action in enumerate(walk.actions):
        assert world.walked(walk.poses[t], action) == walk.poses[t + 1]


def test_a_clip_of_32_frames_has_31_actions():
    clip = Walks(PlaneWorld()).take(3, 40).clip(32)
    assert (len(clip.observations), len(clip.actions)) == (32, 31)


def test_a_walk_is_drawn_once_and_a_longer_one_only_further():
    world = PlaneWorld()
    walks = Walks(world)
    short = walks.take(3, 20)
    before = world.rendered
    long = walks.take(3, 30)
    assert world.rendered - before == 1 + 10  # the reset draws one
    assert long.observations[:20] == short.observations
    turned = walks.take(3, 20, then=look_away(3, 5), then_frames=5)
    assert turned.observations[:20] == short.observations
    assert turned.poses[20] == short.poses[19].turned(turned.actions[19].yaw_deg, 0)


def test_free_play_gets_somewhere():
    walk = Walks(PlaneWorld()).take(5, 200)
    assert path_length_m(walk.poses) > 8.0


def test_who_cannot_get_on_jumps_and_then_turns_away():
    play, stuck = FreePlay(0), Pose(0.0, 1.6, 0.0)
    actions = [play(stuck) for _ in range(80)]
    assert any(action.jump for action in actions)
    assert any(abs(action.yaw_deg) >= 9.0 for action in actions)


def test_looking_away_turns_by_half_to_three_quarters_of_a_circle():
    turns = [abs(look_away(seed, 48)(LEVEL).yaw_deg) * 48 for seed in range(20)]
    assert min(turns) >= 180.0 and max(turns) <= 270.0


def test_the_way_back_visits_the_poses_in_reverse():
    walk = Walks(PlaneWorld()).take(3, 20)
    steps = way_back(walk.actions, walk.poses)
    assert [pose for _, pose in steps] == walk.poses[-2::-1]


def test_the_way_back_undoes_turns_and_steps_but_not_a_clamped_pitch():
    out = [Action(left=True, yaw_deg=10.0, pitch_deg=30.0), Action(forward=True)]
    poses = [Pose(0, 0, 0, 175.0, 80.0), Pose(0, 0, 0, -175.0, 89.0), Pose(0, 0, -1, -175.0, 89.0)]
    first, second = (action for action, _ in way_back(out, poses))
    assert first == Action(back=True)
    assert second == Action(right=True, yaw_deg=-10.0, pitch_deg=-9.0)
