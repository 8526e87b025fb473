"""Going back, branching and coming back: every frame is the one that was shown before."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from dreams import StartedDream, begun
from fakes import FakeClock
from fakes_play import FakeKeptWorld, FakePlayWorld, FakeSteppingWorld
from numpy.typing import NDArray

from worldsim.camera import Intrinsics
from worldsim.engine.clock import Unpaced
from worldsim.errors import StateError
from worldsim.play.loop import LoopConfig, ModelLoop
from worldsim.play.mailbox import Motion, Taken
from worldsim.play.orders import Order, Start
from worldsim.play.scrubber import scrubber_of
from worldsim.play.stage import Stage
from worldsim.play.tick import Board, Phase, Tick
from worldsim.play.time_travel import Past
from worldsim.play.timeline import RewindConfig
from worldsim.record.format import WorldInfo
from worldsim.record.worlds import MadeWorld, SceneWorld
from worldsim.tools.bench_time_travel import measure
from worldsim.types import TICK_HZ, Action, Observation, StepResult

SMALL = RewindConfig(span_ticks=8)


class Wanderer:
    """A player whose action depends on the tick, and on a mood that the test sets."""

    def __init__(self) -> None:
        self.mood = 0
        self.tick = 0
        self.ended = False

    def seek(self, tick: int, /) -> None:
        self.tick = tick

    def take(self) -> Taken:
        self.tick += 1
        choice = np.random.default_rng((self.mood, self.tick))
        action = Action(forward=bool(choice.random() < 0.6), yaw_deg=float(choice.integers(-9, 9)))
        return Taken(action, Motion())

    def unused(self, used: Motion) -> Motion:
        return Motion()

    def held(self) -> frozenset[str]:
        return frozenset()

    def forget(self) -> Motion:
        return Motion()


class Played(Unpaced):
    """A loop whose player is a generator: each `yield` is one turn of the loop."""

    def __init__(self, world: SceneWorld, rewind: RewindConfig = SMALL) -> None:
        self.source, self.board = Wanderer(), Board()
        self.loop = ModelLoop(
            LoopConfig(world="real", seed=7, rewind=rewind),
            make_world=lambda kind: MadeWorld(world, WorldInfo(kind=kind, version="1")),
            source=self.source,
            board=self.board,
            clock=FakeClock(),
            pacing=self,
            watchers=[self],
        )
        self.began_with: list[int | None] = []

    def play(self, player: Callable[[], Iterator[None]]) -> None:
        self._player = player()
        self.loop.run()

    def ticks(self, count: int) -> Iterator[None]:
        """Play so many ticks; the generator's value is their frames."""
        frames = []
        for _ in range(count):
            yield
            frames.append(self.rgb)
        return frames

    def back(self, until: Callable[[], bool]) -> Iterator[None]:
        """Hold the key that goes back; the value is the frames by how far back they are."""
        self.loop.order(Order.rewind)
        frames = {}
        while not frames or not until():
            yield
            frames[self.tick.past.back_ticks] = self.rgb
        return frames

    @property
    def tick(self) -> Tick:
        tick = self.board.newest()
        assert tick is not None
        return tick

    @property
    def rgb(self) -> NDArray[np.uint8]:
        assert self.tick.observation is not None
        return self.tick.observation.rgb

    def wait(self) -> None:
        if next(self._player, self) is self:
            self.loop.stop()

    def began(self, first: Observation, info: WorldInfo, camera: Intrinsics, /) -> None:
        self.began_with.append(info.seed)

    def ticked(self, action: Action, result: StepResult, /) -> None: ...

    def ended(self) -> None: ...


@pytest.mark.parametrize(
    ("make", "first", "back", "then"),
    [
        pytest.param(FakeKeptWorld, 640, 30 * TICK_HZ, 100, id="kept world, 30 s"),
        pytest.param(lambda: StartedDream(begun()), 44, 25, 12, id="small dream"),
    ],
)
def test_after_going_back_and_branching_each_branch_comes_back_bit_for_bit(
    make: Callable[[], SceneWorld], first: int, back: int, then: int
) -> None:
    game = Played(make())

    def player() -> Iterator[None]:
        past = yield from game.ticks(first)
        shown = yield from game.back(until=lambda: game.tick.past.back_ticks >= back)
        here = first - game.tick.past.back_ticks
        assert all(np.array_equal(frame, past[-1 - ticks]) for ticks, frame in shown.items())
        game.loop.order(Order.branch)
        game.loop.order(Order.go_on)
        game.source.mood = 2
        ours = yield from game.ticks(then)
        assert game.tick.past.branches == (1, 2)
        assert not all(map(np.array_equal, ours, past[here:]))
        game.loop.order(Order.previous_branch)
        game.source.mood = 1
        theirs = yield from game.ticks(then)
        game.loop.order(Order.next_branch)
        game.loop.order(Order.pause)
        yield
        assert game.tick.past.branch == 2
        assert np.array_equal(game.rgb, ours[-1])
        game.loop.order(Order.previous_branch)
        yield
        assert np.array_equal(game.rgb, theirs[-1])
        game.loop.order(Order.next_branch)
        shown = yield from game.back(until=lambda: game.tick.past.back_ticks >= then // 2)
        assert all(np.array_equal(frame, ours[-1 - ticks]) for ticks, frame in shown.items())
        ticks = game.tick.past.back_ticks
        game.loop.order(Order.go_on)
        game.loop.order(Order.resume)
        game.source.mood = 2
        again = yield from game.ticks(ticks)
        assert np.array_equal(again, ours[-ticks:])

    game.play(player)


def test_a_branch_that_was_left_goes_on_as_if_nobody_had_left_it() -> None:
    game, other = Played(FakeKeptWorld()), Played(FakeKeptWorld())
    runs = []

    def leaving() -> Iterator[None]:
        yield from game.ticks(20)
        game.loop.order(Order.branch)
        game.source.mood = 5
        yield from game.ticks(11)
        game.loop.order(Order.next_branch)
        game.source.mood = 0
        runs.append((yield from game.ticks(10)))

    def staying() -> Iterator[None]:
        runs.append((yield from other.ticks(30))[20:])

    game.play(leaving)
    other.play(staying)
    assert np.array_equal(runs[0], runs[1])


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(FakeSteppingWorld, id="fake dream"),
        pytest.param(lambda: StartedDream(begun()), id="small dream"),
    ],
)
@pytest.mark.parametrize("back", [3, 7, 12])
def test_frames_come_back_bit_for_bit_in_the_denoising_steps_that_made_them(
    make: Callable[[], FakeSteppingWorld], back: int
) -> None:
    world = make()
    game = Played(world)

    def player() -> Iterator[None]:
        frames = []
        for world.steps in (1, 2, 1):
            frames += yield from game.ticks(5)
        game.loop.order(Order.branch)
        world.steps = 3
        yield from game.back(until=lambda: game.tick.past.back_ticks == back)
        game.loop.order(Order.go_on)
        game.loop.order(Order.pause)
        yield
        assert np.array_equal(game.rgb, frames[-1 - back])
        assert world.steps == 3
        game.loop.order(Order.next_branch)
        yield
        assert np.array_equal(game.rgb, frames[-1])

    game.play(player)


def test_letting_go_makes_the_shown_frame_the_present_and_forgets_what_came_after() -> None:
    game = Played(FakeKeptWorld())

    def player() -> Iterator[None]:
        frames = yield from game.ticks(20)
        yield from game.back(until=lambda: game.tick.past.back_ticks == 5)
        game.loop.order(Order.go_on)
        game.loop.order(Order.pause)
        yield
        assert np.array_equal(game.rgb, frames[14])
        assert game.tick.past == Past(kept_ticks=15)
        game.loop.order(Order.resume)
        again = yield from game.ticks(5)
        assert np.array_equal(again, frames[15:])

    game.play(player)


def test_going_back_starts_slowly_becomes_faster_and_ends_at_the_oldest_moment() -> None:
    game = Played(FakeKeptWorld())

    def player() -> Iterator[None]:
        yield from game.ticks(300)
        shown = yield from game.back(until=lambda: game.tick.past.back_ticks == 300)
        steps = np.diff([0, *shown])
        assert list(steps[:10]) == [1] * 10
        assert steps.max() == 8
        yield
        assert game.tick.past.back_ticks == 300
        assert game.tick.phase is Phase.rewinding

    game.play(player)


def test_a_restart_can_be_gone_back_over() -> None:
    game = Played(FakeKeptWorld())

    def player() -> Iterator[None]:
        frames = yield from game.ticks(12)
        game.loop.order(Order.reset)
        yield from game.ticks(2)
        yield from game.back(until=lambda: game.tick.past.back_ticks == 3)
        assert np.array_equal(game.rgb, frames[-1])
        game.loop.order(Order.go_on)
        yield
        assert game.tick.past.kept_ticks == 13

    game.play(player)


def test_a_start_elsewhere_cannot_be_gone_back_over() -> None:
    game = Played(FakeKeptWorld())

    def player() -> Iterator[None]:
        yield from game.ticks(12)
        game.loop.order(Order.branch)
        game.loop.order(Start(seed=8))
        yield from game.ticks(4)
        assert (game.tick.seed, game.tick.past.branches) == (8, (1,))
        yield from game.back(until=lambda: game.tick.past.back_ticks == game.tick.past.kept_ticks)
        game.loop.order(Order.go_on)
        yield

    game.play(player)
    assert game.tick.past.kept_ticks == 1
    assert game.began_with == [7, 8, 8]


def test_a_recording_begins_anew_without_a_seed_where_time_was_changed() -> None:
    game = Played(FakeKeptWorld())

    def player() -> Iterator[None]:
        yield from game.ticks(5)
        yield from game.back(until=lambda: game.tick.past.back_ticks == 2)
        game.loop.order(Order.go_on)
        yield
        game.loop.order(Order.branch)  # the present goes on
        yield

    game.play(player)
    assert game.began_with == [7, None]


def test_a_world_whose_state_cannot_be_kept_says_so_and_goes_on() -> None:
    game = Played(FakePlayWorld())

    def player() -> Iterator[None]:
        yield from game.ticks(3)
        for order in (Order.rewind, Order.branch, Order.next_branch, Order.go_on):
            game.loop.order(order)
        yield from game.ticks(2)

    game.play(player)
    told = game.board.heard()
    assert len(told) == 3
    assert all("a world whose state can be kept; got real" in each for each in told)
    assert game.tick.phase is Phase.playing


def test_the_key_to_another_branch_says_where_one_is() -> None:
    game = Played(FakeKeptWorld())

    def player() -> Iterator[None]:
        yield
        game.loop.order(Order.next_branch)
        game.loop.order(Order.branch)
        game.loop.order(Order.next_branch)
        yield

    game.play(player)
    told = game.board.heard()
    assert told[0] == "There is no other branch"
    assert told[-1] == "This is branch 1, one of 2"


def test_the_benchmark_finds_all_frames_equal_and_refuses_a_world_that_drifts() -> None:
    actions = [Action(forward=True), Action(yaw_deg=3.0)] * 20
    rows = measure(started(FakeKeptWorld()), actions, back_ticks=12, ticks=5)
    assert rows["ring, s"] == 2.0

    class Drifting(FakeKeptWorld):
        def set_state(self, state: bytes) -> None:
            super().set_state(state)
            self._shift += 1

    with pytest.raises(StateError, match="the frame gone back to"):
        measure(started(Drifting()), actions, back_ticks=12, ticks=5)


def started(world: FakeKeptWorld) -> Stage:
    stage = Stage(world.made(), RewindConfig())
    stage.start(Start(seed=7))
    return stage


def test_the_longest_unvisited_branch_makes_room_and_that_is_told() -> None:
    game = Played(FakeKeptWorld(), RewindConfig(max_branches=2))

    def player() -> Iterator[None]:
        yield from game.ticks(3)
        game.loop.order(Order.branch)
        game.loop.order(Order.branch)
        yield

    game.play(player)
    assert game.tick.past.branches == (2, 3)
    assert "Branch 1 had to make room" in game.board.heard()[-1]


def test_the_scrubber_says_how_far_back_and_on_which_branch() -> None:
    here = scrubber_of(Past(kept_ticks=400, back_ticks=100))
    assert (here.place, here.label) == (0.75, "-5.0 s of 20 s")
    assert scrubber_of(Past(kept_ticks=400)).label == "now, with 20 s to go back"
    oldest = scrubber_of(Past(kept_ticks=400, back_ticks=400, branch=3, branches=(1, 3)))
    assert oldest.place == 0.0
    assert "the oldest" in oldest.label
    assert "branch 3, one of 2" in oldest.label
