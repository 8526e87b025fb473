"""`worldsim/Dream-v0` and its tasks: the same in a world that a neural network dreams."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol, Self

from worldsim.envs.base import TaskWorld, WorldEnv
from worldsim.envs.blocks.tasks import reach_reward, require_task
from worldsim.envs.referee import Referee
from worldsim.errors import StateError
from worldsim.types import Action, Clip, Observation, Pose, StepResult

# The beacon, then the eye before the next step; metres. Then the length of the referee's state.
_TASK_STATE = struct.Struct("<6dQ")


class Saved(Protocol):
    """A dream's saved state, as far as this module looks into it."""

    def to_bytes(self) -> bytes: ...


class Engine(Protocol):
    """What is needed of `WorldEngine`."""

    def reset(
        self, *, seed: int, scene: str | None = None, clip: Clip | None = None
    ) -> Observation: ...

    def step(self, action: Action) -> StepResult: ...

    def snapshot(self) -> Saved: ...

    def restore(self, state: Any) -> object: ...

    def fork(self) -> Self: ...

    def batch(self, count: int) -> list[Self]: ...

    def close(self) -> None: ...


class DreamTask:
    """A dream that starts where a true world does, with that world's task.

    The model's own reward is left aside: `reach` is judged by the dreamed pose, with the function
    that judges the true world. Every other task has a referee, who follows the dreamed player
    through the blocks of the true world.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        state_from_bytes: Callable[[bytes], Saved],
        find_beacon: Callable[[int, str | None], Sequence[float]],
        referee: Referee | None = None,
    ) -> None:
        self.engine = engine
        self._state_from_bytes = state_from_bytes
        self._find_beacon = find_beacon
        self._referee = referee
        self._beacon: tuple[float, ...] = (0.0, 0.0, 0.0)
        self._eye: tuple[float, ...] = (0.0, 0.0, 0.0)

    @property
    def beacon(self) -> tuple[float, ...]:  # [3] metres
        return self._beacon

    def reset(self, *, seed: int, scene: str | None = None) -> Observation:
        """Dream from the first frames of the true world of `seed`."""
        if self._referee is not None:
            observation = self.engine.reset(seed=seed, clip=self._referee.begin(seed, scene))
            self._beacon = self._referee.beacon
        else:
            observation = self.engine.reset(seed=seed, scene=scene)
            self._beacon = tuple(float(c) for c in self._find_beacon(seed, scene))
        self._eye = _eye(observation.pose)
        return observation

    def step(self, action: Action) -> StepResult:
        """One dreamed tick, judged by the true world's task."""
        return self.judged(action, self.engine.step(action))

    def judged(self, action: Action, dreamed: StepResult) -> StepResult:
        """The second half of a step, for engines that dreamed together."""
        observation = dreamed.observation
        before, self._eye = self._eye, _eye(observation.pose)
        if self._referee is not None:
            return StepResult(observation, *self._referee.judge(action, observation.pose))
        reward, terminated = reach_reward(before, self._eye, self._beacon)
        return StepResult(observation, reward, terminated)

    def get_state(self) -> bytes:
        """The dream and its task; everything that decides the next frames and rewards."""
        refereed = b"" if self._referee is None else self._referee.get_state()
        header = _TASK_STATE.pack(*self._beacon, *self._eye, len(refereed))
        return header + refereed + self.engine.snapshot().to_bytes()

    def set_state(self, state: bytes) -> None:
        """Continue from a state of `get_state`.

        Raises:
            StateError: the state is damaged, or was dreamed with other weights or another task.
        """
        if len(state) < _TASK_STATE.size:
            raise StateError(
                f"at least {_TASK_STATE.size} bytes", f"{len(state)}", "Save the state again."
            )
        *numbers, refereed = _TASK_STATE.unpack_from(state)
        middle = _TASK_STATE.size + int(refereed)
        if (refereed > 0) != (self._referee is not None):
            raise StateError(
                "a state of the same task", "one of another", "Use an environment of its task."
            )
        self.engine.restore(self._state_from_bytes(state[middle:]))
        if self._referee is not None:
            self._referee.set_state(state[_TASK_STATE.size : middle])
        self._beacon, self._eye = tuple(numbers[:3]), tuple(numbers[3:])

    def batch(self, count: int) -> list[DreamTask]:
        """New dreams of the same model and task, not yet begun, to be dreamed together."""
        return [self._sibling(engine) for engine in self.engine.batch(count)]

    def fork(self) -> DreamTask:
        """A second dream at the same moment; they share the model and nothing else."""
        twin = self._sibling(self.engine.fork())
        if twin._referee is not None and self._referee is not None:
            twin._referee.set_state(self._referee.get_state())
        twin._beacon, twin._eye = self._beacon, self._eye
        return twin

    def _sibling(self, engine: Engine) -> DreamTask:
        return DreamTask(
            engine,
            state_from_bytes=self._state_from_bytes,
            find_beacon=self._find_beacon,
            referee=None if self._referee is None else self._referee.sibling(),
        )

    def close(self) -> None:
        """Drop the dream."""
        self.engine.close()
        if self._referee is not None:
            self._referee.close()


class DreamEnv(WorldEnv):
    """Walk, look and build in a world that a neural network dreams, frame by frame.

    ## Description
    The first frames come from a true block world; every later one is generated by an
    action-conditioned video model that is told where the camera is and shown what it has seen from
    there. Nothing but the player's pose is simulated: what stays in place does so because the
    model remembers it. A step is one tick of 1/20 s. `worldsim/Blocks-v0` is the true twin, with
    the same spaces, start and task; each of its tasks has one here, too: `worldsim/DreamReach-v0`,
    `DreamGems-v0`, `DreamReturn-v0`, `DreamExplore-v0`, `DreamBuild-v0` and `DreamMaze-v0`.

    ## Action Space
    As in `worldsim/Blocks-v0`: `Discrete(12)` by default, and the other views by `action_view`.
    Choice 0 (or all zeros) does nothing.

    ## Observation Space
    As in `worldsim/Blocks-v0`: `Box(0, 255, (80, 128, 3), uint8)`, the dreamed RGB picture, rows
    first; `size=(width, height)` asks for another size, and `observation="dict"` for the dreamed
    depth and pose as well. `info` has the same entries; its `pose` is the dreamed one.

    ## Rewards
    As in `worldsim/Blocks-v0`, from the dreamed pose and the beacon of the true world: 0.1 for
    every metre of progress over the ground, and 10 for coming within 2 metres. In the other tasks
    the dreamed player is followed through the blocks of the true world, by whose rules gems are
    taken, planks are put and places are reached.

    ## Starting State
    As in `worldsim/Blocks-v0`: equal seeds start at the same place of the same world. The options
    are the same: `scene` and `state`.

    ## Episode End
    As in `worldsim/Blocks-v0`, by the dreamed pose. Truncated after as many steps, by the
    `TimeLimit` wrapper that `gymnasium.make` adds.

    ## Arguments
    - `render_mode`: `None`, `"rgb_array"` (the dreamed frames from `render()`), `"depth_array"`
      (their depths in metres) or `"human"` (a window).
    - `action_view`: `"discrete"`, `"multidiscrete"`, `"dict"` or `"box"`.
    - `size`: `(width, height)` of the observation in pixels; `None` for (128, 80).
    - `scene`: the landscape of every episode; `None` draws one with the world.
    - `checkpoint`: the model, by name or path.
    - `device`: `"auto"`, `"cpu"` or `"cuda"`.
    - `steps`: denoising steps of every frame; `None` for the number that the model was made for.
    - `memory`: `"full"`, `"recent"`, `"random"` or `"off"`.
    - `task`: `"reach"`, `"gems"`, `"return"`, `"explore"`, `"build"` or `"maze"`.
    - `observation`: `"rgb"` or `"dict"`.

    `get_state()` and `set_state(bytes)` save and restore everything, random numbers included; call
    them on `env.unwrapped` or through `env.get_wrapper_attr("get_state")`. `copy.deepcopy(env)`
    is a second environment at the same moment, wrappers included; the two share the model.

    ## Version History
    - v0: the first version.
    """

    def __init__(
        self,
        render_mode: str | None = None,
        action_view: str = "discrete",
        size: Sequence[int] | None = None,
        scene: str | None = None,
        checkpoint: str = "default",
        device: str = "auto",
        steps: int | None = None,
        memory: str = "full",
        task: str = "reach",
        observation: str = "rgb",
        world_factory: Callable[[], TaskWorld] | None = None,
    ) -> None:
        """See the class; `world_factory` puts another world in."""
        require_task(task)
        super().__init__(
            world_factory or partial(_dream_world, checkpoint, device, steps, memory, task),
            render_mode=render_mode,
            action_view_name=action_view,
            observation=observation,
            size=size,
            scene=scene,
        )


def _dream_world(
    checkpoint: str, device: str, steps: int | None, memory: str, task: str
) -> TaskWorld:
    from worldsim.engine.engine import WorldEngine
    from worldsim.engine.state import EngineState
    from worldsim.envs.blocks.world import BlockWorld

    engine = WorldEngine.from_pretrained(checkpoint, device=device, steps=steps, memory=memory)
    referee = None if task == "reach" else Referee(BlockWorld(engine.intrinsics, task=task))
    return DreamTask(
        engine,
        state_from_bytes=EngineState.from_bytes,
        find_beacon=_true_beacon,
        referee=referee,
    )


def _true_beacon(seed: int, scene: str | None) -> Sequence[float]:  # [3] metres
    from worldsim.envs.blocks.world import BlockWorld

    world = BlockWorld()
    world.prepare(seed=seed, scene=scene)
    return world.beacon


def _eye(pose: Pose) -> tuple[float, ...]:  # [3] metres
    return (pose.x, pose.y, pose.z)
