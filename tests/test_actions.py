"""The action schema: its hash, and every encoding there and back."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worldsim import actions
from worldsim.errors import ActionError
from worldsim.types import BUTTONS, MAX_TURN_DEG, Action

any_turn = st.floats(-MAX_TURN_DEG, MAX_TURN_DEG, width=32)
any_action = st.builds(
    Action, **dict.fromkeys(BUTTONS, st.booleans()), yaw_deg=any_turn, pitch_deg=any_turn
)


@given(any_action)
def test_a_record_returns_the_same_action_through_json(action):
    assert actions.from_record(json.loads(json.dumps(actions.to_record(action)))) == action


@given(any_action)
def test_a_record_lists_the_schema_in_order(action):
    assert tuple(actions.to_record(action)) == actions.SCHEMA


@given(any_action)
def test_a_vector_returns_the_same_action(action):
    vector = actions.to_vector(action)
    again = actions.from_vector(vector)
    assert vector.shape == (actions.VECTOR_SIZE,)
    assert np.isfinite(vector).all()
    assert [getattr(again, name) for name in BUTTONS] == [getattr(action, name) for name in BUTTONS]
    assert again.yaw_deg == pytest.approx(action.yaw_deg, abs=1e-3)
    assert again.pitch_deg == pytest.approx(action.pitch_deg, abs=1e-3)


@given(any_turn, any_turn)
def test_the_vectors_camera_part_grows_with_the_turn(first, second):
    low, high = sorted((first, second))
    difference = actions.to_vector(Action(yaw_deg=high)) - actions.to_vector(Action(yaw_deg=low))
    assert (difference >= 0).all()


@pytest.mark.parametrize("index", range(len(actions.DISCRETE)))
def test_a_discrete_choice_returns_after_decoding_and_encoding(index):
    assert actions.to_discrete(actions.from_discrete(index)) == index


@given(st.data())
def test_a_multidiscrete_choice_returns_after_decoding_and_encoding(data):
    choice = [data.draw(st.integers(0, size - 1)) for size in actions.multidiscrete_sizes()]
    assert actions.to_multidiscrete(actions.from_multidiscrete(choice)).tolist() == choice


@given(any_action)
def test_the_multidiscrete_view_keeps_buttons_and_takes_the_nearest_turn(action):
    again = actions.from_multidiscrete(actions.to_multidiscrete(action))
    assert [getattr(again, name) for name in BUTTONS] == [getattr(action, name) for name in BUTTONS]
    for name in actions.CAMERA:
        wanted = getattr(action, name)
        nearest = min(abs(bin_deg - wanted) for bin_deg in actions.CAMERA_BINS_DEG)
        assert abs(getattr(again, name) - wanted) == pytest.approx(nearest)


def test_the_zero_of_every_view_does_nothing():
    assert actions.from_discrete(0) == Action()
    assert actions.from_multidiscrete([0] * len(actions.multidiscrete_sizes())) == Action()


@pytest.mark.parametrize("index", [-1, len(actions.DISCRETE)])
def test_a_discrete_index_out_of_range_is_refused(index):
    with pytest.raises(ActionError, match="index"):
        actions.from_discrete(index)


@pytest.mark.parametrize("choice", [[0] * 3, [2] + [0] * 10, [0] * 10 + [9], [-1] + [0] * 10])
def test_a_multidiscrete_choice_out_of_range_is_refused(choice):
    with pytest.raises(ActionError, match="indices below"):
        actions.from_multidiscrete(choice)


def test_an_action_that_the_discrete_view_cannot_say_is_refused():
    with pytest.raises(ActionError, match="another action view"):
        actions.to_discrete(Action(sneak=True))


def test_a_vector_of_another_length_is_refused():
    with pytest.raises(ActionError, match="shape"):
        actions.from_vector(np.zeros(3, np.float32))


@pytest.mark.parametrize(
    "record", [{"forwards": True}, {"forward": 1}, {"yaw_deg": "3"}, {"yaw_deg": True}]
)
def test_a_record_with_an_unknown_key_or_a_wrong_type_is_refused_by_name(record):
    with pytest.raises(ActionError, match=next(iter(record))):
        actions.from_record(record)


def test_a_foreign_schema_is_refused_with_both_lists():
    foreign = ["forward", "backward"]
    with pytest.raises(ActionError) as caught:
        actions.require_schema(foreign, "old.safetensors")
    message = str(caught.value)
    assert str(list(actions.SCHEMA)) in message
    assert str(foreign) in message
    assert "old.safetensors" in message


def test_the_own_schema_is_accepted():
    actions.require_schema(list(actions.SCHEMA), "a file")


def test_the_hash_changes_with_the_schemas_order_names_and_version(monkeypatch):
    own = actions.schema_hash()
    hashes = {own}
    for name, value in (
        ("SCHEMA", actions.SCHEMA[::-1]),
        ("SCHEMA", (*actions.SCHEMA[:-1], "tilt_deg")),
        ("SCHEMA_VERSION", actions.SCHEMA_VERSION + 1),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(actions, name, value)
            hashes.add(actions.schema_hash())
    assert len(hashes) == 4
    assert actions.schema_hash() == own
    assert len(own) == 12
