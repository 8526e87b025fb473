"""Looks ahead are taken step by step, and what cannot wait at once."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from dreams import begun

from worldsim.engine.dream_world import DreamWorld, Look
from worldsim.engine.engine import WorldEngine
from worldsim.engine.imagine import (
    PAUSE_TICKS,
    REST_TICKS,
    _is_urgent,
    _is_wanting,
    _skywards,
)
from worldsim.engine.state import EngineState
from worldsim.engine.vantage import NEAREST_AHEAD_M
from worldsim.errors import StateError
from worldsim.types import Action, Observation

SLOWLY_DEG, SUDDENLY_DEG = 0.5, 30.0  # into what nobody has seen


def turn(engine: WorldEngine, ticks: int, degrees: float = SLOWLY_DEG) -> list[Observation]:
    """A turn on the spot."""
    seen = []
    for _ in range(ticks):
        there = engine.snapshot().observation.pose.turned(degrees, 0.0)
        seen.append(engine.step(Action(yaw_deg=degrees), pose=there).observation)
    return seen


def after(world: DreamWorld, ticks: int) -> DreamWorld:
    return replace(world, frame=world.frame + ticks)


def look_of(engine: WorldEngine) -> Look:
    look = engine.snapshot().look
    assert look is not None
    return look


@pytest.fixture
def looking() -> WorldEngine:
    """An engine in the midst of a look that is not its first, after the first step."""
    engine = begun()
    turn(engine, 1)
    while (state := engine.snapshot()).look is None or state.imagined is None:
        turn(engine, 1)
    turn(engine, 1)
    return engine


def test_a_look_takes_a_step_a_tick_and_serves_when_it_is_done(looking: WorldEngine) -> None:
    look = look_of(looking)
    steps = len(looking._dreamer.model.outpainter.levels)
    assert look.taken == 1
    for taken in range(2, steps + 1):
        turn(looking, 1)
        assert look_of(looking).taken == taken
    before = looking.snapshot().imagined
    turn(looking, 1)
    after = looking.snapshot().imagined
    assert after is not None
    assert after is not before
    assert (after.pose, after.frame) == (look.pose, look.frame)


def test_a_look_leads_to_where_the_turn_will_be_when_it_serves(looking: WorldEngine) -> None:
    here = looking.snapshot().observation.pose
    assert look_of(looking).pose.yaw_deg > here.yaw_deg + 4 * SLOWLY_DEG


def test_before_a_turn_leads_past_where_one_has_looked_the_next_look_begins() -> None:
    engine = begun()
    beginnings = []  # by how much one has looked farther than one has turned
    for _ in range(40):
        turn(engine, 1)
        state = engine.snapshot()
        if state.imagined and state.look and state.look.frame == state.frame:
            beginnings.append(state.imagined.pose.yaw_deg - state.observation.pose.yaw_deg)
    assert len(beginnings) == 4
    assert min(beginnings) > 0.0


def test_what_cannot_wait_is_looked_at_at_once(looking: WorldEngine) -> None:
    turn(looking, 1, SUDDENLY_DEG)
    state = looking.snapshot()
    assert state.look is None
    assert state.imagined is not None
    assert state.imagined.frame == state.frame


def test_the_horizon_is_looked_at_from_ahead() -> None:
    engine = begun()
    world = engine._state()
    here = world.observation.pose
    _, up, forward = _skywards(engine._dreamer, world, here).pose.displacement_from(here)
    assert world.horizon == pytest.approx(here.position())
    assert up == pytest.approx(0.0, abs=0.05)
    assert forward >= NEAREST_AHEAD_M


def test_a_gap_that_a_look_left_can_wait_and_a_sudden_one_cannot(looking: WorldEngine) -> None:
    turn(looking, 1, SUDDENLY_DEG)
    world = looking._state()
    assert not _is_urgent(after(world, 99), 0.1)
    assert _is_urgent(world, 0.3)


def test_a_look_that_has_not_shown_enough_is_repeated_after_a_rest(looking: WorldEngine) -> None:
    turn(looking, 1, SUDDENLY_DEG)
    world, dreamer, still = looking._state(), looking._dreamer, looking._state().observation.pose
    ticks = [
        t for t in range(REST_TICKS + 4) if _is_wanting(dreamer, after(world, t), still, 0.02, 0.1)
    ]
    assert ticks[0] == REST_TICKS - 1
    assert PAUSE_TICKS < REST_TICKS


def test_a_real_frame_ends_a_look(looking: WorldEngine) -> None:
    looking.observe(Action(), looking.snapshot().observation)
    assert looking.snapshot().look is None


def test_a_world_in_the_midst_of_a_look_goes_on_alike_from_a_file(looking: WorldEngine) -> None:
    state = EngineState.from_bytes(looking.snapshot().to_bytes())
    assert state.look is not None
    twin = begun(seed=8)
    twin.restore(state)
    for a, b in zip(turn(looking, 6), turn(twin, 6), strict=True):
        assert np.array_equal(a.rgb, b.rgb)


def test_a_state_is_larger_by_its_look(looking: WorldEngine) -> None:
    state = looking.snapshot()
    look = look_of(looking)
    assert look.nbytes == sum(tensor.nbytes for tensor in look.tensors.values()) > 0
    assert len(state.to_bytes()) > state.nbytes > look.nbytes


def test_a_look_without_its_tensors_is_damaged(looking: WorldEngine) -> None:
    data = looking.snapshot().to_bytes()
    with np.load(io.BytesIO(data)) as archive:
        arrays = {name: archive[name] for name in archive.files if name != "look.noisy"}
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    with pytest.raises(StateError, match="noisy"):
        EngineState.from_bytes(stream.getvalue())
