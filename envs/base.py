"""The Gymnasium side that the true and the dreamed world share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple
from typing import Any, Protocol

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray
from PIL import Image

from worldsim.camera import Intrinsics
from worldsim.envs import views
from worldsim.envs.env_state import EnvState
from worldsim.envs.viewer import Viewer
from worldsim.errors import ConfigError
from worldsim.types import TICK_HZ, Action, Observation, Pose, StepResult

RENDER_MODES = ("rgb_array", "human")
OPTIONS = ("state", "scene")
WORLD_SEEDS = 2**31


class TaskWorld(Protocol):
    """What an environment needs of a world: its frames, its task, and complete saved states."""

    def reset(self, *, seed: int, scene: str | None = None) -> Observation: ...

    def step(self, action: Action) -> StepResult: ...

    @property
    def beacon(self) -> Sequence[float]: ...  # [3] metres

    def get_state(self) -> bytes: ...

    def set_state(self, state: bytes) -> object: ...

    def close(self) -> None: ...


class Seen(Protocol):
    """The newest frame: an `Observation`, or the one in an `EnvState`."""

    @property
    def rgb(self) -> NDArray[np.uint8]: ...  # [H, W, 3]

    @property
    def pose(self) -> Pose: ...


class WorldEnv(gymnasium.Env[NDArray[np.uint8], Any]):
    """A `TaskWorld` as a Gymnasium environment; BlocksEnv and DreamEnv say which world.

    The world is made by the first reset, so that an environment can be built, pickled or forked
    without holding a GL context or a model. The observation's size does not depend on the
    world's own.
    """

    metadata = {  # noqa: RUF012  # Gymnasium declares it without ClassVar
        "render_modes": list(RENDER_MODES),
        "render_fps": TICK_HZ,
    }

    def __init__(
        self,
        world_factory: Callable[[], TaskWorld],
        *,
        render_mode: str | None = None,
        action_view: str = "discrete",
        size: Sequence[int] | None = None,
        scene: str | None = None,
    ) -> None:
        _require_render_mode(render_mode)
        self.render_mode = render_mode
        self._size = _checked_size(size)
        self._scene = scene
        self._view = views.action_view(action_view)
        self.action_space = self._view.space
        width, height = self._size
        self.observation_space = spaces.Box(0, 255, (height, width, 3), np.uint8)
        self._world_factory = world_factory
        self._made_world: TaskWorld | None = None
        self._seen: Seen | None = None
        self._world_seed = 0
        self._viewer = Viewer(title=type(self).__name__, fps=TICK_HZ)

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Start an episode in a world drawn from `np_random`, or continue a saved one.

        Args:
            seed: seeds `np_random`, from which every random number of the environment comes.
            options: `state` (bytes of `get_state`) or `scene` (overrides the argument `scene`).

        Raises:
            ConfigError: an option is unknown, or both options are given.
            StateError, SceneError: the state or the scene is unusable.
        """
        state, scene = _checked_options(options)
        if state is not None:
            self.set_state(state)
        super().reset(seed=seed)
        if state is None:
            self._world_seed = int(self.np_random.integers(WORLD_SEEDS))
            self._see(self._world.reset(seed=self._world_seed, scene=scene or self._scene))
        return self._frame(), self._info()

    def step(self, action: Any) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        """One tick of 1/20 s.

        Raises:
            ActionError: `action` is not an element of the action space.
            ResetNeeded: there is no episode yet.
        """
        self._current()
        result = self._world.step(self._view.decode(action))
        self._see(result.observation)
        return self._frame(), float(result.reward), bool(result.terminated), False, self._info()

    def render(self) -> NDArray[np.uint8] | None:  # [H, W, 3]
        """The newest frame at the world's own size (`rgb_array`); a window shows it (`human`)."""
        if self.render_mode == "rgb_array":
            return self._current().rgb.copy()
        if self.render_mode == "human":
            self._viewer.show(self._current().rgb)
            return None
        gymnasium.logger.warn(
            "render() needs a render mode: make the environment with "
            f'render_mode="rgb_array", for example gymnasium.make("{self._id()}", '
            'render_mode="rgb_array").'
        )
        return None

    def get_state(self) -> bytes:
        """Everything that decides the next frames, `np_random` included.

        A wrapper's own state is not part of it: `TimeLimit` goes on counting.
        """
        seen = self._current()
        return EnvState(
            env=type(self).__name__,
            world=self._world.get_state(),
            world_seed=self._world_seed,
            random_state=dict(self.np_random.bit_generator.state),
            rgb=seen.rgb,
            pose=seen.pose,
        ).to_bytes()

    def set_state(self, state: bytes) -> NDArray[np.uint8]:  # [H, W, 3]
        """Continue from a state of `get_state`; returns the observation it was saved at.

        Raises:
            StateError: the state is damaged or was saved by another environment.
        """
        saved = EnvState.from_bytes(state, env=type(self).__name__)
        self._world.set_state(saved.world)
        self.np_random.bit_generator.state = saved.random_state
        self._world_seed = saved.world_seed
        self._see(saved)
        return self._frame()

    def close(self) -> None:
        """Release the world and the window; closing twice changes nothing."""
        if self._made_world is not None:
            self._made_world.close()
        self._made_world = None
        self._seen = None
        self._viewer.close()

    @property
    def _world(self) -> TaskWorld:
        if self._made_world is None:
            self._made_world = self._world_factory()
        return self._made_world

    def _see(self, seen: Seen) -> None:
        self._seen = seen
        if self.render_mode == "human":
            self.render()

    def _current(self) -> Seen:
        if self._seen is None:
            raise ResetNeeded(f"{type(self).__name__} has no episode yet; call reset() first.")
        return self._seen

    def _frame(self) -> NDArray[np.uint8]:  # [H, W, 3], shared with nobody
        return area_resized(self._current().rgb, self._size)

    def _info(self) -> dict[str, Any]:
        pose = np.array(astuple(self._current().pose))
        beacon = self._world.beacon
        distance = math.hypot(pose[0] - beacon[0], pose[2] - beacon[2])
        return {"pose": pose, "distance": distance, "world_seed": self._world_seed}

    def _id(self) -> str:
        return self.spec.id if self.spec is not None else type(self).__name__


def area_resized(
    rgb: NDArray[np.uint8],  # [H, W, 3]
    size: tuple[int, int],  # width, height
) -> NDArray[np.uint8]:  # [height, width, 3], a copy
    """Every pixel of the result is the mean of the area that it covers."""
    if (rgb.shape[1], rgb.shape[0]) == size:
        return rgb.copy()
    return np.array(Image.fromarray(rgb).resize(size, Image.Resampling.BOX))


def _checked_size(size: Sequence[int] | None) -> tuple[int, int]:
    if size is None:
        return Intrinsics().width, Intrinsics().height
    if len(size) != 2 or not all(isinstance(n, (int, np.integer)) and n > 0 for n in size):
        raise ConfigError(
            "size to be (width, height) in pixels, two whole numbers above 0",
            repr(size),
            "Pass for example size=(64, 64).",
        )
    return int(size[0]), int(size[1])


def _require_render_mode(render_mode: str | None) -> None:
    if render_mode is not None and render_mode not in RENDER_MODES:
        raise ConfigError(
            f"render_mode to be None or one of {list(RENDER_MODES)}",
            repr(render_mode),
            "Choose one of them.",
        )


def _checked_options(options: Mapping[str, Any] | None) -> tuple[bytes | None, str | None]:
    options = options or {}
    unknown = set(options) - set(OPTIONS)
    if unknown or len(options) > 1:
        raise ConfigError(
            f"at most one of the reset options {list(OPTIONS)}",
            f"{sorted(options)}",
            "A saved state has its own scene; pass the one or the other.",
        )
    return options.get("state"), options.get("scene")
