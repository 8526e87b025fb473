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
from worldsim.play.traits import Recalling
from worldsim.play.twin import Origin, Twin
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
        self._origins: dict[str, Origin | None] = {}
        self._kind = "dream"
        self._overview = Overview()
        self._say = say

    @property
    def is_photo(self) -> bool:
        """Whether the world stands still and actions move the free camera."""
        return self._camera is not None

    @property
    def extras(self) -> Extras:
        photo = self._camera.photo if self._camera else None
        origin = self._origins.get(self._kind)
        seed = None if origin is None else origin.seed
        return Extras(overview=self._overview, twin=self._twin.shot, photo=photo, seed=seed)

    def shown(self, seen: Observation) -> Observation:
        """What the player looks at, where the world shows `seen`."""
        return self._camera.photo.observation if self._camera else seen

    def began(self, made: MadeWorld, first: Observation, origin: Origin | None) -> None:
        """A world was reset; an origin of None: to a picture."""
        self._origins[made.info.kind] = origin
        if made.info.kind == "dream":
            self._twin.begin(origin, first.pose)

    def entered(self, made: MadeWorld, seen: Observation) -> None:
        """From here on this world is on the screen."""
        self._camera = None
        self._kind = made.info.kind
        if made.info.kind != "dream":
            self._twin.shut()
        self._surveyor.begin()
        self._overview = self._surveyor.survey(made.world, seen.pose, Action())

    def step(self, made: MadeWorld, seen: Observation, action: Action) -> StepResult:
        """Step the world on the screen, which last showed `seen`."""
        if made.info.kind == "dream":
            was_open = self._twin.is_open
            result = self._twin.step(made.world, seen.pose, action)
            if was_open and not self._twin.is_open:
                self._say("The dream left its twin behind: restart to see both")
        else:
            result = made.world.step(action)
        self._overview = self._surveyor.survey(made.world, result.observation.pose, action)
        return result

    def fly(self, action: Action) -> None:
        """Move the free camera for a tick."""
        assert self._camera is not None  # `is_photo`
        self._camera.step(action)

    def toggle_twin(self, made: MadeWorld, seen: Observation) -> None:
        """Raises SceneError if the world on the screen has no twin."""
        if self._twin.is_open:
            self._twin.shut()
            return
        if made.info.kind != "dream":
            raise SceneError(
                "a dream, to see its true twin", "the real world", "Switch to the dream."
            )
        self._twin.open(seen.pose)
        self._camera = None
        self._say("The truth leads while its twin is in sight")

    def toggle_photo(self, made: MadeWorld, seen: Observation) -> None:
        """Raises SceneError if the world on the screen has no memory to fly through."""
        if self._camera is not None:
            self._camera = None
            return
        if not isinstance(made.world, Recalling):
            raise SceneError(
                "a dream, whose memory a camera can fly through",
                "a world without a memory",
                "Switch to the dream.",
            )
        self._twin.shut()
        self._camera = PhotoCamera(made.world.memory, seen)

    def close(self) -> None:
        self._twin.close()
