"""The wheel: who drives, of the player, an agent and a recording, and how it changes hands."""

from __future__ import annotations

from enum import Enum

from worldsim.camera import Intrinsics
from worldsim.errors import SceneError
from worldsim.play.mailbox import Mailbox, Motion, RecordedInput, Taken, pressed
from worldsim.play.pilots import Pilot
from worldsim.record.format import WorldInfo
from worldsim.types import Action, Observation, StepResult


class Driver(Enum):
    """In the order in which the wheel goes round."""

    replay = "the recording"
    human = "you"
    agent = "the agent"


class Seat:
    """Where a pilot sits: a watcher of the loop, so that it sees what it does."""

    def __init__(self, pilot: Pilot) -> None:
        self.name = pilot.name
        self.last = Action()
        self._pilot = pilot
        self._seen: Observation | None = None
        self._info: WorldInfo | None = None
        self._begun = False

    def rise(self) -> None:
        """When it sits down again, the pilot begins with what it finds then."""
        self.last, self._begun = Action(), False

    def act(self) -> Action:
        """What the pilot does at the newest frame; a world has begun."""
        assert self._seen is not None
        assert self._info is not None
        if not self._begun:
            self._pilot.begin(self._info)
            self._begun = True
        self.last = self._pilot.act(self._seen)
        return self.last

    def began(self, first: Observation, info: WorldInfo, _camera: Intrinsics, /) -> None:
        self._seen, self._info = first, info
        self.rise()

    def ticked(self, _action: Action, result: StepResult, /) -> None:
        self._seen = result.observation

    def ended(self) -> None:
        return


class Wheel:
    """An input source that others fill in turn: the first one is the first there is of `Driver`.

    Lives on the model thread, but for `unused` and `held`, which the display asks. All turns are
    counted in one sum, whoever made them, so that the view does not jump when the wheel changes
    hands.

    Args:
        mailbox: what the player does, dropped while somebody else drives; None: a film, in which
            nobody can do anything.
        seat: of who drives as the agent.
        recorded: what drives as the recording.
        first: who begins, in place of the first.
    """

    def __init__(
        self,
        mailbox: Mailbox | None,
        *,
        seat: Seat | None = None,
        recorded: RecordedInput | None = None,
        first: Driver | None = None,
    ) -> None:
        there = {Driver.human: mailbox, Driver.agent: seat, Driver.replay: recorded}
        self._drivers = [driver for driver in Driver if there[driver] is not None]
        self._at = 0 if first is None else self._drivers.index(first)
        self._mailbox = mailbox or Mailbox()
        self._seat = seat
        self._recorded = recorded
        self._flying = False
        self._others = Motion()  # all turns that were not the player's
        self._total = Motion()  # all turns, when somebody else drove last

    @property
    def driver(self) -> Driver:
        """A free camera is always the player's."""
        return Driver.human if self._flying else self._drivers[self._at]

    @property
    def told(self) -> str:
        """Who drives, if it is not the player."""
        match self.driver:
            case Driver.human:
                return ""
            case Driver.agent:
                assert self._seat is not None  # it may drive
                return f"{self.driver.value} ({self._seat.name})"
            case Driver.replay:
                return self.driver.value

    def hand_over(self) -> None:
        """To the next driver. Raises SceneError if there is no other."""
        if len(self._drivers) == 1:
            raise SceneError(
                "a world that somebody can steer", "the film of one", "Play a world for that."
            )
        self._at = (self._at + 1) % len(self._drivers)
        if self._seat is not None:
            self._seat.rise()

    def fly(self, flying: bool) -> None:
        """Whether actions move a free camera, and not the walker."""
        self._flying = flying

    @property
    def ended(self) -> bool:
        """Whether the recording drives, and is used up."""
        if self._recorded is None or self.driver is not Driver.replay:
            return False
        return self._recorded.ended

    def seek(self, tick: int, /) -> None:
        if self._recorded is not None:
            self._recorded.seek(tick)

    def take(self) -> Taken:
        if self.driver is Driver.human:
            taken = self._mailbox.take()
            return Taken(taken.action, taken.used + self._others)
        action = self._next()
        self._others += Motion(action.yaw_deg, action.pitch_deg)
        return Taken(action, self.forget())

    def unused(self, used: Motion) -> Motion:
        if self.driver is Driver.human:
            return self._mailbox.unused(used - self._others)
        return self._total - used

    def held(self) -> frozenset[str]:
        if self.driver is Driver.replay and self._recorded is not None:
            return self._recorded.held()
        if self.driver is Driver.agent and self._seat is not None:
            return pressed(self._seat.last)  # as far as anybody can tell
        return self._mailbox.held()

    def forget(self) -> Motion:
        self._total = self._mailbox.forget() + self._others
        return self._total

    def _next(self) -> Action:
        if self.driver is Driver.replay:
            assert self._recorded is not None  # it may drive
            return self._recorded.take().action
        assert self._seat is not None  # it may drive
        return self._seat.act()
