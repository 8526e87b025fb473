"""Scripts: TOML to one action a tick, and errors that name the file, the table and the key."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest

from worldsim.actions import CAMERA
from worldsim.errors import ScriptError
from worldsim.record.script import bundled_scripts, compile_script, load_script, parse_script
from worldsim.types import TICK_HZ, Action


def compiled(text: str) -> list[Action]:
    return compile_script(parse_script(text, name="test.toml"))


def test_bundled_scripts_are_known_and_compile():
    assert bundled_scripts() == ["look_around", "stroll", "there_and_back", "wander"]
    for name in bundled_scripts():
        script = load_script(name)
        assert len(compile_script(script)) == script.ticks
        assert script.title != name


def test_a_full_look_around_ends_where_it_began():
    actions = compile_script(load_script("look_around"))
    assert sum(a.yaw_deg for a in actions) == pytest.approx(360.0)
    assert sum(a.pitch_deg for a in actions) == pytest.approx(0.0)


def test_there_and_back_walks_as_far_back_as_away():
    actions = compile_script(load_script("there_and_back"))
    yaw, balance = 0.0, 0
    for action in actions:
        assert not action.forward or abs(yaw - round(yaw / 180) * 180) < 1e-6
        balance += action.forward * (1 if round(yaw / 180) % 2 == 0 else -1)
        yaw += action.yaw_deg
    assert balance == 0
    assert yaw == pytest.approx(360.0)


def test_timed_actions_hold_buttons_and_turn_at_their_rate():
    actions = compiled(
        '[[action]]\nat_s = 0.5\nfor_s = 1.0\nbuttons = ["forward", "jump"]\nyaw_deg_s = 30.0'
    )
    assert actions[:10] == [Action()] * 10
    assert actions[10:] == [Action(forward=True, jump=True, yaw_deg=1.5)] * TICK_HZ


def test_actions_follow_one_another_unless_told_when():
    actions = compiled(
        '[[action]]\nfor_ticks = 3\nbuttons = ["left"]\n'
        '[[action]]\nfor_ticks = 2\nbuttons = ["right"]\n'
        '[[action]]\nat_tick = 1\nfor_ticks = 1\nbuttons = ["jump"]'
    )
    assert [a.left for a in actions] == [True] * 3 + [False] * 2
    assert [a.right for a in actions] == [False] * 3 + [True] * 2
    assert [a.jump for a in actions] == [False, True, False, False, False]


@pytest.mark.parametrize("easing", ["linear", "smooth", "ease_in_out"])
def test_every_easing_reaches_its_keyframes_exactly(easing):
    actions = compiled(
        f'[[camera]]\ntime_s = 1.0\nyaw_deg = 90.0\neasing = "{easing}"\n'
        f'[[camera]]\ntime_s = 2.5\nyaw_deg = -20.0\npitch_deg = 15.0\neasing = "{easing}"'
    )
    assert sum(a.yaw_deg for a in actions[:20]) == pytest.approx(90.0)
    assert sum(a.yaw_deg for a in actions) == pytest.approx(-20.0)
    assert sum(a.pitch_deg for a in actions) == pytest.approx(15.0)


def test_smooth_easing_starts_and_ends_slowly():
    actions = compiled("[[camera]]\ntime_s = 1.0\nyaw_deg = 90.0")
    assert actions[0].yaw_deg == pytest.approx(actions[-1].yaw_deg)
    assert actions[0].yaw_deg < actions[10].yaw_deg / 3


def test_forward_speed_becomes_that_share_of_ticks():
    actions = compiled(
        "[[camera]]\ntime_s = 0.0\nforward = 0.25\n[[camera]]\ntime_s = 4.0\n"
        '[[camera]]\ntime_s = 4.05\nforward = -1.0\neasing = "linear"\n[[camera]]\ntime_s = 6.0'
    )
    assert sum(a.forward for a in actions[:80]) == 20
    assert all(a.back and not a.forward for a in actions[85:])


def test_actions_and_camera_add_up():
    actions = compiled(
        '[[action]]\nfor_s = 1.0\nbuttons = ["jump"]\nyaw_deg_s = 20.0\n'
        '[[camera]]\ntime_s = 1.0\nyaw_deg = 20.0\neasing = "linear"'
    )
    assert all(a.jump and a.yaw_deg == pytest.approx(2.0) for a in actions)


def test_seconds_cut_or_extend_a_script():
    action = '[[action]]\nfor_s = 2.0\nbuttons = ["forward"]'
    assert len(compiled(f"seconds = 1.0\n{action}")) == 20
    longer = compiled(f"seconds = 3.0\n{action}")
    assert [a.forward for a in longer] == [True] * 40 + [False] * 20


WANDER = """
[[random]]
for_s = 30.0
hold_s = [0.5, 1.0]
buttons = { forward = 1.0, jump = 0.5, use = 0.0 }
yaw_deg_s = 90.0
pitch_deg_s = 40.0
yaw_limit_deg = 45.0
pitch_limit_deg = 10.0
"""


def wandered(**options: int) -> list[Action]:
    return compile_script(parse_script(WANDER, name="test.toml"), **options)


def test_a_random_walk_keeps_its_limits():
    actions = wandered()
    yaw, pitch = (np.cumsum([getattr(a, turn) for a in actions]) for turn in CAMERA)
    assert len(actions) == 600
    assert all(a.forward and not a.use for a in actions)
    assert 0.2 < np.mean([a.jump for a in actions]) < 0.8
    assert 40.0 < np.abs(yaw).max() <= 45.0 + 1e-9
    assert 9.0 < np.abs(pitch).max() <= 10.0 + 1e-9
    assert max(abs(a.yaw_deg) for a in actions) <= 90.0 / TICK_HZ + 1e-9


def test_random_choices_are_kept_for_the_time_asked_for():
    jumps = [len(list(run)) for _, run in groupby(a.jump for a in wandered())]
    assert min(jumps[:-1]) >= 10


def test_random_choices_are_a_function_of_the_seed_and_the_lap():
    assert wandered(seed=3) == wandered(seed=3)
    assert wandered(seed=3) != wandered(seed=4)
    assert wandered(seed=3) != wandered(seed=3, lap=1)


def test_a_random_walk_adds_to_actions_beside_it():
    text = WANDER + '[[action]]\nat_s = 1.0\nfor_s = 1.0\nbuttons = ["attack"]\nyaw_deg_s = 20.0'
    both = compile_script(parse_script(text, name="test.toml"))
    for alone, now in zip(wandered()[20:40], both[20:40], strict=True):
        assert now.attack and now.jump == alone.jump
        assert now.yaw_deg == pytest.approx(alone.yaw_deg + 1.0)


ACTION = "[[action]]\nfor_s = 1.0\n"
RANDOM = "[[random]]\nfor_s = 1.0\n"


@pytest.mark.parametrize(
    ("text", "complaints"),
    [
        ("", ["[[action]] or [[camera]]", "test.toml"]),
        ("[[action", ["TOML in test.toml"]),
        ("[[actions]]", ["unknown key 'actions'", "Did you mean 'action'?"]),
        (
            ACTION + "yaw_deg = 1.0",
            ["'yaw_deg'", "Did you mean 'yaw_deg_s'?", "[[action]] number 1"],
        ),
        ("[[camera]]\ntime = 1.0", ["'time'", "Did you mean 'time_s'?", "[[camera]] number 1"]),
        (ACTION + 'buttons = ["foward"]', ["buttons", "Did you mean 'forward'?"]),
        (ACTION + 'buttons = "forward"', ["a list of names for buttons"]),
        (ACTION + "buttons = [3]", ["buttons", "got 3"]),
        (ACTION + "at_s = -0.5", ["for at_s", "-0.5", "number 1 of test.toml"]),
        (ACTION + "at_tick = -1", ["for at_tick", "-1"]),
        (ACTION + "at_tick = 1.5", ["a whole number", "at_tick"]),
        (ACTION + "at_s = 1\nat_tick = 20", ["at_s or at_tick", "both"]),
        (ACTION + "yaw_deg_s = nan", ["yaw_deg_s", "nan"]),
        (ACTION + "yaw_deg_s = inf", ["yaw_deg_s", "inf"]),
        (ACTION + "yaw_deg_s = 1e9", ["yaw_deg_s", "from -3600 to 3600"]),
        (ACTION + 'pitch_deg_s = "3"', ["a number for pitch_deg_s", "'3'"]),
        (ACTION + "pitch_deg_s = true", ["a number for pitch_deg_s", "True"]),
        ("[[action]]\nat_s = 1.0", ["a value for for_s"]),
        ("[[action]]\nfor_s = 0.0", ["for_s", "from 0.05"]),
        ("[[action]]\nfor_s = 1e12", ["for_s", "86400"]),
        ("[[action]]\nfor_ticks = 0", ["for_ticks"]),
        ("[action]\nfor_s = 1.0", ["[[action]] tables"]),
        ("action = 3", ["[[action]] tables"]),
        ("seconds = 0\n" + ACTION, ["seconds", "the file"]),
        ("seconds = inf\n" + ACTION, ["seconds", "inf"]),
        ("title = 3\n" + ACTION, ["text for title"]),
        ("[[camera]]\nyaw_deg = 3.0", ["a value for time_s"]),
        ("[[camera]]\ntime_s = -1.0", ["time_s", "-1"]),
        ("[[camera]]\ntime_s = 1.0\nyaw_deg = nan", ["a finite number for yaw_deg"]),
        ('[[camera]]\ntime_s = 1.0\neasing = "smoot"', ["easing", "Did you mean 'smooth'?"]),
        ("[[camera]]\ntime_s = 1.0\nforward = 2.0", ["forward", "from -1 to 1"]),
        ("[[camera]]\ntime_s = 0.0\nyaw_deg = 5.0", ["0 at time 0", "number 1"]),
        ("[[camera]]\ntime_s = 1.0\n[[camera]]\ntime_s = 1.0", ["after 1 s", "number 2"]),
        ("[[random]]\nyaw_deg_s = 1.0", ["a value for for_s in [[random]] number 1"]),
        (RANDOM + "hold_s = 1.0", ["two numbers for hold_s", "got 1.0"]),
        (RANDOM + "hold_s = [2.0, 1.0]", ["the smaller number first", "Swap them"]),
        (RANDOM + "hold_s = [0.0, 1.0]", ["from 0.05", "first in hold_s of [[random]]"]),
        (RANDOM + 'buttons = ["jump"]', ["names with chances", "'jump'"]),
        (RANDOM + "buttons = { jum = 0.5 }", ["'jum'", "Did you mean 'jump'?"]),
        (RANDOM + "buttons = { jump = 2 }", ["from 0 to 1 for jump", "got 2"]),
        (RANDOM + "yaw_deg_s = -1.0", ["yaw_deg_s", "from 0 to 3600"]),
        (RANDOM + "pitch_limit_deg = nan", ["pitch_limit_deg", "nan"]),
        ("[[camera]]\ntime_s = 0.05\nyaw_deg = 400.0", ["180 degrees a tick", "test.toml"]),
    ],
)
def test_mistakes_are_named_with_file_table_and_key(text, complaints):
    with pytest.raises(ScriptError) as caught:
        compiled(text)
    for complaint in complaints:
        assert complaint in str(caught.value)


def test_a_missing_script_lists_the_bundled_ones(tmp_path):
    with pytest.raises(ScriptError, match=r"there_and_back.*Did you mean 'stroll'"):
        load_script("strol")
    with pytest.raises(ScriptError, match="Is a directory"):
        load_script(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ScriptError, match="UTF-8"):
        load_script(tmp_path / "binary.toml")
