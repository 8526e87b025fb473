"""Worlds side by side, players, planners, and how well dreams rank what may be done."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fakes_envs import FakeVectorEnv

from worldsim.envs.views import action_view
from worldsim.errors import ConfigError
from worldsim.tools.agents.agreement import drawn_sequences, policy_agreement, sequence_agreement
from worldsim.tools.agents.cem import Cem, CemConfig
from worldsim.tools.agents.choices import ACTIONS, HOLD_TICKS
from worldsim.tools.agents.course import CourseConfig, make_worlds
from worldsim.tools.agents.episodes import play, summary
from worldsim.tools.agents.mcts import Mcts, MctsConfig
from worldsim.tools.agents.planner import act_out
from worldsim.tools.agents.players import Constant, Seeker, Wanderer
from worldsim.tools.agents.returner import SightedReturner, gem_bearing_deg
from worldsim.tools.agents.worlds import Begun, View, Worlds
from worldsim.types import Action, Pose

AHEAD, STAY = Action(forward=True), Action()
TICKS_TO_THE_END = 5  # of a FakeTaskWorld, walking ahead
NOWHERE = View(np.zeros((6, 8, 3), dtype=np.uint8), Pose(0.0, 1.6, 0.0))
GEM_COLOUR = (44, 220, 216)


def fake_worlds(count=2, **arguments):
    return Worlds(FakeVectorEnv(count, **arguments))


def test_who_has_ended_waits_and_costs_nothing():
    worlds = fake_worlds()
    worlds.begin([1, 2])
    total = sum(worlds.act([AHEAD, STAY]) for _ in range(8))
    assert worlds.ended.tolist() == [True, False]
    assert worlds.envs.ticks == [TICKS_TO_THE_END, 8]
    assert total.tolist() == pytest.approx([0.1 * TICKS_TO_THE_END, 0.0])


@pytest.mark.parametrize("count", [1, 2, 3])
def test_episodes_are_the_same_however_many_play_at_once(count):
    outcomes = play(fake_worlds(count), Wanderer(), range(5), 12)
    assert outcomes == play(fake_worlds(5), Wanderer(), range(5), 12)
    assert len({outcome.reward for outcome in outcomes}) > 1


def test_an_episode_is_told_by_its_return_its_end_and_its_ticks():
    told = summary(play(fake_worlds(action_repeat=4), Constant("on"), range(3), 40))
    assert told["return"] == pytest.approx(0.1 * TICKS_TO_THE_END)
    assert told["success"] == 1.0 and told["success_95"][0] > 0.4
    assert told["ticks"] == 8.0
    assert summary(play(fake_worlds(), Constant("turn right"), range(3), 4))["success"] == 0.0


def test_more_episodes_at_once_than_worlds_are_refused():
    with pytest.raises(ConfigError, match="1 to 2 episodes"):
        fake_worlds().begin([1, 2, 3])


def test_sequences_start_from_the_very_same_moment():
    worlds = fake_worlds()
    worlds.begin([1])
    worlds.act([AHEAD])
    state = worlds.state()
    returns = worlds.returns(state, [[AHEAD, AHEAD], [STAY, AHEAD], [STAY, STAY]], discount=0.5)
    assert returns.tolist() == pytest.approx([0.15, 0.05, 0.0])
    assert worlds.returns(state, [[AHEAD]]).tolist() == pytest.approx([0.1])


PLANNERS = {
    "cem": lambda worlds: Cem(worlds, CemConfig(depth=4, candidates=8, elites=2, rounds=4)),
    "mcts": lambda worlds: Mcts(worlds, MctsConfig(expansions=8, rollout=1)),
}


@pytest.mark.parametrize("name", PLANNERS)
def test_a_planner_loses_no_time(name):
    plans = [
        act_out(fake_worlds(1), PLANNERS[name](fake_worlds(6)), 3, steps=20, commit=2)
        for _ in range(2)
    ]
    choices, reward = plans[0]
    assert len(choices) == TICKS_TO_THE_END and reward == pytest.approx(0.1 * TICKS_TO_THE_END)
    assert plans[0] == plans[1]


def test_planning_leaves_the_world_where_it_is():
    world = fake_worlds(1)
    world.begin([3])
    before = world.state()
    for make in PLANNERS.values():
        make(fake_worlds(6)).plan(before, np.random.default_rng(0))
    assert world.state() == before


def test_an_episode_of_a_planner_is_cut_off_in_the_middle_of_a_plan():
    choices, _ = act_out(fake_worlds(1), PLANNERS["cem"](fake_worlds(6)), 3, steps=3, commit=2)
    assert len(choices) == 3


def test_impossible_searches_are_refused():
    with pytest.raises(ConfigError, match="elites"):
        CemConfig(candidates=2, elites=3)
    with pytest.raises(ConfigError, match="expansions"):
        MctsConfig(expansions=0)
    with pytest.raises(ConfigError, match="a world for each"):
        Mcts(fake_worlds(2), MctsConfig())


def test_a_seeker_at_the_mercy_of_chance_is_a_wanderer():
    begun = [Begun(seed=4, world_seed=9)]
    players = Seeker("reach", noise=1.0), Wanderer()
    for player in players:
        player.begin(begun)
    astray, wandering = ([p.act([NOWHERE]) for _ in range(12)] for p in players)
    assert astray == wandering


def test_sequences_are_held_and_repeated_by_their_seed():
    sequences = drawn_sequences(5, 3, 10)
    assert sequences == drawn_sequences(5, 3, 10) != drawn_sequences(6, 3, 10)
    assert [len(sequence) for sequence in sequences] == [10] * 3
    for sequence in sequences:
        assert sequence[:HOLD_TICKS] == [sequence[0]] * HOLD_TICKS


def test_a_dream_that_ranks_as_the_truth_does_is_worth_following():
    real = np.array([[1.0, 5.0], [2.0, 4.0], [3.0, 0.0]])
    right, wrong = sequence_agreement(real, 10.0 * real), sequence_agreement(real, -real)
    assert (
        right["rank_correlation"] == pytest.approx(1.0) and right["chosen"] == right["best"] == 4.0
    )
    assert wrong["rank_correlation"] == pytest.approx(-1.0) and wrong["chosen"] == 0.5
    assert sequence_agreement(real, np.zeros_like(real))["rank_correlation"] is None


def test_policies_are_ranked_by_their_means():
    rng = np.random.default_rng(0)
    real = np.arange(6.0)[:, None] + rng.normal(size=(6, 10))
    dream = np.exp(real.mean(axis=1, keepdims=True)) + np.zeros((1, 10))
    told = policy_agreement(real, dream)
    assert told["rank_correlation"] == pytest.approx(1.0)
    assert told["correlation"] < 0.99
    low, high = told["rank_correlation_95"]
    assert 0.5 < low <= high <= 1.0


def test_the_nearest_gem_is_the_lowest_in_the_picture():
    rgb = np.full((80, 128, 3), (112, 176, 72), dtype=np.uint8)
    assert gem_bearing_deg(rgb) is None
    rgb[30:34, 10:14] = GEM_COLOUR
    assert gem_bearing_deg(rgb) == pytest.approx(-36.5, abs=1.0)
    rgb[50:60, 90:100] = GEM_COLOUR
    assert gem_bearing_deg(rgb) == pytest.approx(24.2, abs=1.0)
    rgb[...] = (135, 206, 235)
    assert gem_bearing_deg(rgb) is None


def test_who_sees_the_gem_again_returns_to_it():
    course = CourseConfig(task="return", size=(64, 40), fast=True)
    worlds = Worlds(make_worlds(course, "real", 2))
    outcomes = play(worlds, SightedReturner(), [1, 2], 400)
    worlds.close()
    assert any(outcome.ended and outcome.reward > 10.0 for outcome in outcomes)


def test_every_choice_can_be_said_in_the_box_view():
    view = action_view("box")
    for action in ACTIONS:
        said = view.decode(view.to_choice(action))
        assert said.yaw_deg == pytest.approx(action.yaw_deg)
        assert replace(said, yaw_deg=action.yaw_deg) == action
