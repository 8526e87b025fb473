"""What there is to see besides the world's own frame: its overview, its twin, a free camera.

The model thread owns a `Sights` and asks it to step the world; what it saw crosses to the display
thread as an `Extras` in the tick.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from worldsim.errors import SceneError
from worldsim.play.overview import Overview, Surveyor
from worldsim.play.photo import Photo, PhotoCamera
from worldsim.play.stage import Stage
from worldsim.play.traits import Recalling
from worldsim.play.twin import Twin
from worldsim.play.twin_picture import TwinShot
from worldsim.record.worlds import MadeWorld, WorldKind
from worldsim.types import Action, Observation, StepResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
    """What goes with one tick; None: switched off."""

    overview: Overview = field(default_factory=Overview)
    twin: TwinShot | None = None
    photo: Photo | None = None
    seed: int | None = None  # of the world on the screen; None: it began in a picture


class Sights:
    """Owns the twin, the free camera and the path; lives on the model thread.

    Args:
        say: tells the player something.
    """

    def __init__(
        self, make_world: Callable[[WorldKind], MadeWorld], say: Callable[[str], None]
    ) -> None:
        self._twin = Twin(make_world)
        self._surveyor = Surveyor()
        self._camera: PhotoCamera | None = None
        self._seed: int | None = None
        self._overview = Overview()
        self._say = say

    @property
    def is_photo(self) -> bool:
        """Whether the world stands still and actions move the free camera."""
        return self._camera is not None

    @property
    def extras(self) -> Extras:
        photo = self._camera.photo if self._camera else None
        return Extras(overview=self._overview, twin=self._twin.shot, photo=photo, seed=self._seed)

    def shown(self, seen: Observation | None) -> Observation | None:
        """What the player looks at, where the world shows `seen`."""
        return self._camera.photo.observation if self._camera else seen

    def began(self, stage: Stage) -> None:
        """A world began anew."""
        if stage.made.info.kind == "dream":
            self._twin.begin(stage)

    def entered(self, stage: Stage) -> None:
        """From here on this world, or this moment of it, is on the screen."""
        self._camera = None
        if stage.made.info.kind != "dream":
            self._twin.shut()
        elif self._twin.is_open and not self._twin.follows(stage):
            self._lose_twin()
        self._seed = stage.seed
        self._surveyor.begin()
        self._survey(stage, Action())

    def step(self, stage: Stage, action: Action) -> StepResult:
        """Step the world on the screen."""
        dreamed, was_open = stage.made.info.kind == "dream", self._twin.is_open
        result = self._twin.step(stage, action) if dreamed else stage.step(action)
        if was_open and not self._twin.is_open:
            self._lose_twin()
        self._survey(stage, action)
        return result

    def leave(self) -> None:
        """Back to the world's own frame: its past has no twin, and no memory to fly through."""
        self._camera = None
        if self._twin.is_open:
            self._lose_twin()

    def _lose_twin(self) -> None:
        self._twin.shut()
        self._say("The dream left its twin behind: restart to see both")

    def _survey(self, stage: Stage, action: Action) -> None:
        assert stage.observation is not None  # it has begun
        self._overview = self._surveyor.survey(stage.made.world, stage.observation.pose, action)

    def fly(self, action: Action) -> None:
        """Move the free camera for a tick."""
        assert self._camera is not None  # `is_photo`
        self._camera.step(action)

    def toggle_twin(self, stage: Stage) -> None:
        """Raises SceneError if the world on the screen has no twin."""
        if self._twin.is_open:
            self._twin.shut()
            return
        if stage.made.info.kind != "dream":
            raise SceneError(
                "a dream, to see its true twin", "the real world", "Switch to the dream."
            )
        self._twin.open(stage)
        self._camera = None
        self._say("The truth leads while its twin is in sight")

    def toggle_photo(self, stage: Stage) -> None:
        """Raises SceneError if the world on the screen has no memory to fly through."""
        if self._camera is not None:
            self._camera = None
            return
        world, seen = stage.made.world, stage.observation
        assert seen is not None  # it has begun
        if not isinstance(world, Recalling):
            raise SceneError(
                "a dream, whose memory a camera can fly through",
                "a world without a memory",
                "Switch to the dream.",
            )
        self._twin.shut()
        self._camera = PhotoCamera(world.memory, seen)

    def close(self) -> None:
        self._twin.close()
