"""A world in use: what it showed last, how it began, and the way back."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar, cast

from worldsim.camera import Intrinsics
from worldsim.errors import StateError
from worldsim.play.keeper import Kept, keeper_of
from worldsim.play.orders import Start
from worldsim.play.save_file import Save, SaveInfo, require_same_world
from worldsim.play.time_travel import Arrival, Past, RewindConfig, TimeTravel
from worldsim.play.traits import Picturing, Warming, stepped
from worldsim.record.format import WorldInfo
from worldsim.record.worlds import MadeWorld
from worldsim.types import Action, Observation, Pose, StepResult

T = TypeVar("T")


class Stage:
    """Owns one world. Before `start` or `load` it shows nothing.

    Raises StateError where the past of a world is asked for whose state cannot be kept.
    """

    def __init__(self, made: MadeWorld, rewind: RewindConfig) -> None:
        self.made = made
        self.observation: Observation | None = None
        self.origin: Start | None = None  # where it began
        self.tick = 0  # actions since the world began
        self.rewinding = False
        self._warm = False
        self._rewind = rewind
        self._keeper = keeper_of(made.world)
        self._travel: TimeTravel | None = None

    @property
    def intrinsics(self) -> Intrinsics:
        return self.made.world.intrinsics

    @property
    def past(self) -> Past:
        return self._travel.past if self._travel else Past()

    @property
    def past_nbytes(self) -> int:
        """Bytes that going back costs."""
        return self._travel.nbytes if self._travel else 0

    @property
    def seed(self) -> int | None:
        """Of the world that it began in; None: it began in a picture."""
        origin = self._begun()
        return origin.seed if self._image(origin) is None else None

    @property
    def info(self) -> WorldInfo:
        """What a recording that begins with the frame on the screen says of the world."""
        origin = self._begun()
        seed = self.seed if self.tick == 0 else None
        return replace(self.made.info, seed=seed, scene=origin.scene)

    def start(self, origin: Start) -> None:
        """Begin anew. What was before can be gone back to, unless it began elsewhere."""
        image = self._image(origin)
        if image is None:
            seen = self.made.world.reset(seed=origin.seed, scene=origin.scene)
        else:
            seen = cast(Picturing, self.made.world).reset(seed=origin.seed, image=image)
        self._jump(origin, Arrival(seen, 0))

    def load(self, save: Save) -> None:
        """Go on where a game was saved. StateError, and no change, if it cannot be done here.

        What was before can be gone back to, unless it began elsewhere.
        """
        require_same_world(save.info, self.made.info)
        keeper = self._require(self._keeper)
        seen = keeper.bring_back(keeper.read(save.state))
        self._jump(save.info.origin, Arrival(seen, save.info.tick))

    def warm_up(self) -> None:
        """Once, after it has begun: what would make the first ticks slow is done now."""
        if not self._warm and isinstance(self.made.world, Warming):
            self.made.world.warm_up()
        self._warm = True

    def step(self, action: Action, lead: Pose | None = None) -> StepResult:
        """One tick; `lead` tells a dream where the action gets to."""
        result = stepped(self.made.world, action, lead)
        self.observation = own_copy(result.observation)
        self.tick += 1
        if self._travel is not None:
            self._travel.ticked(action, self.observation, self.tick, lead)
        return result

    def halt(self) -> None:
        """Let the world wait where it is, to go back from there."""
        self._require(self._travel).halt()
        self.rewinding = True

    def go_back(self) -> None:
        """Show an earlier frame."""
        self.observation = self._require(self._travel).go_back()

    def go_on(self) -> None:
        """From the frame that is shown."""
        self._arrive(self._require(self._travel).go_on())

    def branch(self) -> int | None:
        """Go on in a new branch; returns the number of one that had to make room for it."""
        return self._require(self._travel).branch()

    def visit(self, by: int) -> None:
        """Go to where another branch was left."""
        self._arrive(self._require(self._travel).visit(by))

    def keep(self) -> tuple[SaveInfo, Kept]:
        """The present, to be saved."""
        origin = self._begun()
        info = SaveInfo(
            world=replace(self.made.info, seed=origin.seed, scene=origin.scene),
            tick=self.tick,
            saved_at=datetime.now().astimezone().isoformat(timespec="seconds"),
            image=None if origin.image is None else str(origin.image),
        )
        return info, self._require(self._keeper).keep()

    def close(self) -> None:
        self.made.world.close()

    def _jump(self, origin: Start, now: Arrival) -> None:
        stays, self.origin = origin == self.origin, origin
        now = self._arrive(now)
        if self._travel is not None and stays:
            self._travel.jumped(now)
        elif self._keeper is not None:
            self._travel = TimeTravel(self.made.world, self._keeper, now, self._rewind)

    def _arrive(self, now: Arrival) -> Arrival:
        """Show another moment; returns it in arrays that nobody draws into again."""
        self.observation, self.tick = own_copy(now.observation), now.tick
        self.rewinding = False
        return Arrival(self.observation, self.tick)

    def _begun(self) -> Start:
        assert self.origin is not None  # it shows something
        return self.origin

    def _image(self, origin: Start) -> Path | None:
        return origin.image if self.made.info.kind == "dream" else None

    def _require(self, part: T | None) -> T:
        if part is None:
            raise StateError(
                "a world whose state can be kept", self.made.info.kind, "Play on in another world."
            )
        return part


def own_copy(seen: Observation) -> Observation:
    """Worlds may draw into the same buffers again while the display thread still reads them."""
    return Observation(seen.rgb.copy(), seen.depth.copy(), seen.pose)
