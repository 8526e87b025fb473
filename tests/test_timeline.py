"""What the past may weigh: bounds on bytes, minutes and branches."""

from __future__ import annotations

import numpy as np
import pytest
from dreams import begun
from fakes_play import FakeKeptWorld

from worldsim.errors import ConfigError
from worldsim.play.branches import Branches
from worldsim.play.keeper import KeptBytes, RealKeeper
from worldsim.play.time_travel import Arrival, TimeTravel
from worldsim.play.timeline import Frame, RewindConfig, Span, Timeline
from worldsim.types import Action, Pose


def frame(tick: int) -> Frame:
    return Frame(np.full((4, 5, 3), tick % 256, np.uint8), Pose(0, 0, 0), tick)


def timeline(spans: int) -> Timeline:
    """Spans of ten frames, 1600 bytes each."""
    return Timeline([span(range(start, start + 10)) for start in range(0, 10 * spans, 10)])


def span(ticks: range) -> Span:
    return Span(KeptBytes(bytes(1000)), [frame(n) for n in ticks], [Action()] * (len(ticks) - 1))


def test_bytes_are_bounded_over_all_branches_and_shared_spans_count_once() -> None:
    whole = timeline(10)
    config = RewindConfig(max_bytes=10 * (1000 + 600) + 2 * 1600)
    branches = Branches(whole, config)
    branches.fork(100)
    assert branches.nbytes == 11 * 1600  # all but the last span are shared
    for n in range(500):
        branches.present.begin(KeptBytes(bytes(1000)), frame(n))
        branches.trim()
        assert branches.nbytes <= config.max_bytes
    assert len(branches.present) > 1
    branches.visit(1)
    assert branches.present.last.frames[-1].tick == 99


def test_minutes_are_bounded() -> None:
    branches = Branches(timeline(30), RewindConfig(max_ticks=50))
    branches.trim()
    assert len(branches.present) == 50
    assert branches.present[0].tick == 250


def test_a_state_larger_than_the_limit_is_kept_alone() -> None:
    branches = Branches(timeline(4), RewindConfig(max_bytes=1))
    branches.trim()
    assert len(branches.present.spans) == 1


@pytest.mark.usefixtures("noise_is_remembered")
def test_what_a_dream_has_given_up_is_charged_to_the_state_that_keeps_it() -> None:
    engine = begun()
    before = engine.snapshot()
    assert before.nbytes_beyond(engine.snapshot()) == 0
    engine.reset(state=before)
    for _ in range(3):
        engine.step(Action(yaw_deg=40.0))
    after = engine.snapshot()
    replaced = [c for key, c in before.memory.cells.items() if after.memory.cells.get(key) is not c]
    assert replaced
    assert before.nbytes_beyond(after) == sum(cell.nbytes for cell in replaced)
    tensors = before.cache.keys.nbytes + before.cache.values.nbytes + before.tokens.nbytes
    assert before.nbytes > tensors


def test_the_ring_of_a_played_world_stays_within_its_bytes() -> None:
    world = FakeKeptWorld()
    seen = world.reset(seed=1)
    config = RewindConfig(max_bytes=400_000, span_ticks=8)
    travel = TimeTravel(world, RealKeeper(world), Arrival(seen, 0), config)
    for tick in range(1, 300):
        travel.ticked(Action(), world.step(Action()).observation, tick)
        assert travel.nbytes <= config.max_bytes + 8 * seen.rgb.nbytes
    assert travel.past.kept_ticks > 20


@pytest.mark.parametrize("name", ["max_bytes", "max_ticks", "span_ticks", "max_branches"])
def test_a_rewind_config_refuses_bad_values_by_name(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        RewindConfig(**{name: 0})
