"""What is done once is done before the first step, and changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
from dreams import begun
from fakes_game import Game, nothing

from worldsim.model.traced import _Traces
from worldsim.play.orders import Order
from worldsim.types import Action

WALK = [Action(yaw_deg=0.5)] * 30 + [Action(forward=True, yaw_deg=20.0)] * 6


def test_a_world_that_warms_up_goes_on_as_one_that_does_not() -> None:
    cold, warm = begun(), begun()
    before = warm.snapshot().to_bytes()
    warm.warm_up()
    assert warm.snapshot().to_bytes() == before
    assert warm.metrics.stages_ms() == cold.metrics.stages_ms()
    for action in WALK[-8:]:
        frames = [engine.step(action).observation.rgb for engine in (cold, warm)]
        assert np.array_equal(*frames)


def test_after_warming_up_nothing_is_traced(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, made = begun(), []
    new = _Traces._new

    def counted(self: _Traces, form: object, tensors: list[object]) -> object:
        made.append(self._function)
        return new(self, form, tensors)

    monkeypatch.setattr(_Traces, "_new", counted)
    engine.warm_up()
    assert made  # at least what belongs to this model
    made.clear()
    for action in WALK:
        engine.step(action)
    assert not made


def test_a_played_world_warms_up_once_while_its_first_frame_is_on_the_screen() -> None:
    game, shown = Game(), []
    game.worlds["dream"].warm_up = lambda: shown.append(game.newest().observation)
    game.run(nothing, lambda: game.loop.order(Order.reset), nothing)
    assert len(shown) == 1 and shown[0] is not None
    assert game.worlds["dream"].actions and len(game.worlds["dream"].resets) == 2
