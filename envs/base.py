"""The Gymnasium side that the true and the dreamed world share."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import gymnasium
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from worldsim.envs.env_state import EnvState
from worldsim.envs.keys import keys_to_choices
from worldsim.envs.observations import Seen, checked_size, observation_view, pose_row
from worldsim.envs.viewer import Viewer
from worldsim.envs.views import action_view
from worldsim.errors import ConfigError
from worldsim.types import TICK_HZ, Action, Observation, StepResult

RENDER_MODES = ("rgb_array", "human", "depth_array")
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

    def fork(self) -> TaskWorld: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Start:
    """The beginning of an episode, for a world to make its first frame of."""

    seed: int
    scene: str | None


class WorldEnv(gymnasium.Env[Any, Any]):
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
        action_view_name: str = "discrete",
        observation: str = "rgb",
        size: Sequence[int] | None = None,
        scene: str | None = None,
    ) -> None:
        _require_render_mode(render_mode)
        self.render_mode = render_mode
        self.action_view = action_view(action_view_name)
        self.action_space = self.action_view.space
        self._observation = observation_view(observation, checked_size(size))
        self.observation_space = self._observation.space
        self._scene = scene
        self._world_factory = world_factory
        self._made_world: TaskWorld | None = None
        self._seen: Seen | None = None
        self._ended = False
        self._world_seed = 0
        self._viewer = Viewer(title=type(self).__name__, fps=TICK_HZ)

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode in a world drawn from `np_random`, or continue a saved one.

        Args:
            seed: seeds `np_random`, from which every random number of the environment comes.
            options: `state` (bytes of `get_state`) or `scene` (overrides the argument `scene`).

        Raises:
            ConfigError: an option is unknown, or both options are given.
            StateError, SceneError: the state or the scene is unusable.
        """
        start = self.begin(seed=seed, options=options)
        if start is not None:
            self.accept(StepResult(self.world.reset(seed=start.seed, scene=start.scene)))
        return self.present()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One tick of 1/20 s.

        Raises:
            ActionError: `action` is not an element of the action space.
            ResetNeeded: there is no episode yet, or it is over.
        """
        result = self.world.step(self.decode(action))
        self.accept(result)
        observation, info = self.present()
        return observation, float(result.reward), bool(result.terminated), False, info

    def begin(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> Start | None:
        """The first half of `reset`: where to start; None after restoring a saved state."""
        state, scene = _checked_options(options)
        if state is not None:
            self.set_state(state)
        super().reset(seed=seed)
        if state is not None:
            return None
        self._world_seed = int(self.np_random.integers(WORLD_SEEDS))
        return Start(self._world_seed, scene or self._scene)

    def decode(self, action: Any) -> Action:
        """The first half of `step`: what is to be done in the world."""
        self._current()
        if self._ended:
            raise ResetNeeded(f"{type(self).__name__}'s episode is over; call reset() first.")
        return self.action_view.decode(action)

    def accept(self, result: StepResult) -> None:
        """The second half of both: what came of it."""
        self._ended = bool(result.terminated)
        self._see(result.observation)

    def present(self) -> tuple[Any, dict[str, Any]]:
        """The observation and the info of the newest frame, sharing memory with nothing."""
        seen = self._current()
        pose, beacon = pose_row(seen.pose), self.world.beacon
        distance = math.hypot(pose[0] - beacon[0], pose[2] - beacon[2])
        info = {"pose": pose, "distance": distance, "world_seed": self._world_seed}
        return self._observation.of(seen), info

    def render(self) -> NDArray[Any] | None:  # [H, W, 3] uint8, or [H, W] float32 metres
        """The newest frame at the world's own size; `human` shows it in a window instead."""
        if self.render_mode == "rgb_array":
            return self._current().rgb.copy()
        if self.render_mode == "depth_array":
            return self._current().depth.copy()
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

        A wrapper's own state is not part of it: `TimeLimit` goes on counting. `fork` copies it.
        """
        seen = self._current()
        return EnvState(
            env=type(self).__name__,
            world=self.world.get_state(),
            world_seed=self._world_seed,
            random_state=dict(self.np_random.bit_generator.state),
            rgb=seen.rgb,
            depth=seen.depth,
            pose=seen.pose,
            ended=self._ended,
        ).to_bytes()

    def set_state(self, state: bytes) -> Any:
        """Continue from a state of `get_state`; returns the observation it was saved at.

        Raises:
            StateError: the state is damaged or was saved by another environment.
        """
        saved = EnvState.from_bytes(state, env=type(self).__name__)
        self.world.set_state(saved.world)
        self.np_random.bit_generator.state = saved.random_state
        self._world_seed = saved.world_seed
        self._ended = saved.ended
        self._see(saved)
        return self._observation.of(saved)

    def fork(self) -> Self:
        """A second environment at the same moment; what is dear, such as a model, is shared.

        `copy.deepcopy(env)` does the same through wrappers, whose own state it copies.
        """
        return copy.deepcopy(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = type(self).__new__(type(self))
        memo[id(self)] = twin
        alone = {"_made_world", "_seen", "_viewer", "_world_factory"}
        own = {name: value for name, value in self.__dict__.items() if name not in alone}
        twin.__dict__.update(copy.deepcopy(own, memo))
        twin._world_factory = self._world_factory
        twin._made_world = None if self._made_world is None else self._made_world.fork()
        twin._seen = self._seen
        twin._viewer = Viewer(title=type(self).__name__, fps=TICK_HZ)
        return twin

    def get_keys_to_action(self) -> dict[tuple[str, ...], Any]:
        """For `gymnasium.utils.play`: WASD, space jumps, r sprints, c sneaks, f and g act,
        ijkl look around. Pass it `noop=env.unwrapped.noop` in views other than `discrete`.
        """
        return keys_to_choices(self.action_view)

    @property
    def noop(self) -> Any:
        """The choice that does nothing: all zeros."""
        return self.action_view.to_choice(Action())

    def close(self) -> None:
        """Release the world and the window; closing twice changes nothing."""
        if self._made_world is not None:
            self._made_world.close()
        self._made_world = None
        self._seen = None
        self._viewer.close()

    @property
    def world(self) -> TaskWorld:
        """What is simulated; made when it is first needed."""
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

    def _id(self) -> str:
        return self.spec.id if self.spec is not None else type(self).__name__


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
