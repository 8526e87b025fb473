"""Adaptive quality with a dream whose ticks cost what its steps cost."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from dreams import begun, walk
from fakes import FakeClock
from fakes_play import FakePlayWorld

from worldsim.engine.clock import Unpaced
from worldsim.errors import ConfigError
from worldsim.play.app import PlayConfig, Session, quality_for
from worldsim.play.loop import LoopConfig, ModelLoop
from worldsim.play.mailbox import ScriptedInput
from worldsim.play.quality import Quality, QualityConfig
from worldsim.play.tick import Board
from worldsim.play.window import HeadlessWindow
from worldsim.types import Action, StepResult


class SteppingWorld(FakePlayWorld):
    """A dream in two steps, each of which takes as long as the machine is slow."""

    def __init__(
        self,
        step_ms: float = 10.0,
        *,
        clock: FakeClock | None = None,
        costs_s: Sequence[float] = (),
    ) -> None:
        super().__init__(clock, costs_s)
        self.steps = 2
        self.step_ms = step_ms
        self.taken: list[int] = []

    @property
    def tick_ms(self) -> float:
        return self.steps * self.step_ms

    def step(self, action: Action) -> StepResult:
        self.taken.append(self.steps)
        return super().step(action)


def after(quality: Quality, world: SteppingWorld, ticks: int) -> int:
    """The steps after so many ticks."""
    for _ in range(ticks):
        quality.ticked(world, world.tick_ms)
    return world.steps


def test_a_machine_in_time_changes_nothing() -> None:
    assert after(Quality(), SteppingWorld(20.0), 2000) == 2


def test_a_step_is_given_up_after_a_second_of_late_ticks_and_not_before() -> None:
    quality, world = Quality(), SteppingWorld(30.0)
    assert after(quality, world, 19) == 2
    assert after(quality, world, 1) == 1


def test_a_single_stall_gives_up_nothing() -> None:
    quality, world = Quality(), SteppingWorld(10.0)
    for _ in range(20):
        quality.ticked(world, 300.0)
        assert after(quality, world, 39) == 2


def test_the_last_step_is_never_given_up() -> None:
    assert after(Quality(), SteppingWorld(500.0), 500) == 1


def test_a_step_comes_back_once_there_has_been_time_for_a_while() -> None:
    quality, world = Quality(), SteppingWorld(30.0)
    after(quality, world, 20)
    world.step_ms = 10.0
    assert after(quality, world, 99) == 1
    assert after(quality, world, 1) == 2
    assert after(quality, world, 2000) == 2  # and never more than the model was made for


def test_between_late_and_roomy_the_steps_stay() -> None:
    quality, world = Quality(), SteppingWorld(40.0)
    after(quality, world, 20)
    assert after(quality, world, 5000) == 1


def test_a_step_that_came_back_too_soon_waits_longer_each_time() -> None:
    quality, world = Quality(), SteppingWorld(28.0)  # one fits with room, two do not fit
    for _ in range(4000):
        quality.ticked(world, world.tick_ms)
        world.taken.append(world.steps)
    rises = [n for n, pair in enumerate(pairwise(world.taken)) if pair == (1, 2)]
    waits = [later - sooner for sooner, later in pairwise(rises)]
    assert len(waits) >= 3
    assert all(later > 1.5 * sooner for sooner, later in pairwise(waits))


def test_a_world_without_steps_is_left_alone() -> None:
    quality = Quality()
    for _ in range(100):
        quality.ticked(FakePlayWorld(), 500.0)


def test_thresholds_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match="room below 1"):
        QualityConfig(room=1.5)


def test_the_loop_changes_the_steps_between_ticks_and_the_display_is_told() -> None:
    clock, board = FakeClock(), Board()
    world = SteppingWorld(clock=clock, costs_s=[0.08] * 30)
    loop = ModelLoop(
        LoopConfig(world="dream", seed=1, frames=30),
        make_world=lambda kind: world.made(kind),
        source=ScriptedInput([Action()]),
        board=board,
        clock=clock,
        pacing=Unpaced(),
        quality=Quality(),
    )
    loop.run()
    assert world.taken == [2] * 20 + [1] * 10
    newest = board.newest()
    assert newest is not None
    assert newest.pulse.steps == 1


@pytest.mark.parametrize(
    ("config", "adapts"),
    [
        (PlayConfig(), True),
        (PlayConfig(steps=2), False),
        (PlayConfig(record=Path("walk")), False),
    ],
)
def test_the_steps_are_fixed_for_a_recording_and_on_request(
    config: PlayConfig, adapts: bool
) -> None:
    assert (quality_for(config) is not None) == adapts


def test_a_scripts_frames_never_depend_on_how_fast_the_machine_is() -> None:
    clock = FakeClock()
    world = SteppingWorld(clock=clock, costs_s=[0.08] * 30)
    session = Session(
        config=PlayConfig(frames=30),
        make=lambda _: world.made("dream"),
        clock=clock,
        started_at_s=clock.now(),
        quality=Quality(),
    )
    session.play(HeadlessWindow(), scripted=True)
    assert world.taken == [2] * 30


def test_an_engines_steps_can_be_changed_between_frames() -> None:
    engine = begun()
    usual = engine.steps
    engine.steps = 3
    assert engine.steps == 3
    walk(engine)
    engine.steps = usual
    assert engine.steps == usual
    with pytest.raises(ConfigError, match="1 to 8"):
        engine.steps = 99
    assert engine.steps == usual
