"""`worldsim/Dream-v0` and its tasks: the same in a world that a neural network dreams."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol, Self, cast

from worldsim.envs.base import TaskWorld, WorldEnv
from worldsim.envs.blocks.tasks import Sighting, require_task
from worldsim.envs.env_state import joined, parted
from worldsim.envs.referee import Referee
from worldsim.envs.shadow import Shadow
from worldsim.errors import ConfigError, StateError
from worldsim.types import Action, Clip, Observation, StepResult

JUDGES = ("seen", "pose")

logger = logging.getLogger(__name__)


class Saved(Protocol):
    """A dream's saved state, as far as this module looks into it."""

    def to_bytes(self) -> bytes: ...


class Engine(Protocol):
    """What is needed of `WorldEngine`."""

    @property
    def sees_events(self) -> bool: ...

    def reset(self, *, seed: int, clip: Clip) -> Observation: ...

    def step(self, action: Action) -> StepResult: ...

    def snapshot(self) -> Saved: ...

    def restore(self, state: Any) -> object: ...

    def fork(self) -> Self: ...

    def batch(self, count: int) -> list[Self]: ...

    def close(self) -> None: ...


class DreamTask:
    """A dream that starts where a true world does, with that world's task.

    A referee follows the dreamed player through the true world, and judges by the dreamed pose.

    Args:
        judge: "pose", or "seen" to judge gems and beacon by what is seen: the model's event head
            tells that a gem was taken, or that the beacon is within reach. A model whose event head
            is untrained falls back to "pose", with a warning.

    Raises:
        ConfigError: the judge is unknown.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        state_from_bytes: Callable[[bytes], Saved],
        referee: Referee,
        judge: str = "pose",
    ) -> None:
        self.engine = engine
        self._state_from_bytes = state_from_bytes
        self._referee = referee
        self._sees = _can_see(engine, judge)

    @property
    def beacon(self) -> tuple[float, float, float]:  # metres
        return self._referee.beacon

    def beside(self) -> dict[str, Any]:
        """What the referee's shadow tells, for `info`; nothing without one."""
        return self._referee.beside()

    @property
    def is_adrift(self) -> bool:
        """Whether the dreamed player is where nobody can be; see `Referee.is_adrift`."""
        return self._referee.is_adrift

    def reset(self, *, seed: int, scene: str | None = None) -> Observation:
        """Dream from the first frames of the true world of `seed`."""
        return self.engine.reset(seed=seed, clip=self._referee.begin(seed, scene))

    def step(self, action: Action) -> StepResult:
        """One dreamed tick, rewarded as in the true world."""
        return self.judged(action, self.engine.step(action))

    def judged(self, action: Action, dreamed: StepResult) -> StepResult:
        """The second half of a step, for engines that dreamed together."""
        seen = Sighting(dreamed.reward > 0, dreamed.terminated) if self._sees else None
        judgement = self._referee.judge(action, dreamed.observation.pose, seen)
        return StepResult(dreamed.observation, *judgement)

    def get_state(self) -> bytes:
        """The dream and its task; everything that decides the next frames and rewards."""
        return joined(self._referee.get_state(), self.engine.snapshot().to_bytes())

    def set_state(self, state: bytes) -> None:
        """Continue from a state of `get_state`.

        Raises:
            StateError: the state is damaged, or was dreamed with other weights.
        """
        refereed, dreamed = parted(state)
        before = self._referee.get_state()
        self._referee.set_state(refereed)
        try:
            self.engine.restore(self._state_from_bytes(dreamed))
        except StateError:
            self._referee.set_state(before)
            raise

    def batch(self, count: int) -> list[DreamTask]:
        """New dreams of the same model and task, not yet begun, to be dreamed together."""
        return [self._sibling(engine) for engine in self.engine.batch(count)]

    def fork(self) -> DreamTask:
        """A second dream at the same moment; they share the model and nothing else."""
        twin = self._sibling(self.engine.fork())
        twin._referee.set_state(self._referee.get_state())
        return twin

    def close(self) -> None:
        """Drop the dream."""
        self.engine.close()
        self._referee.close()

    def _sibling(self, engine: Engine) -> DreamTask:
        return DreamTask(
            engine,
            state_from_bytes=self._state_from_bytes,
            referee=self._referee.sibling(),
            judge="seen" if self._sees else "pose",
        )


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

    With `shadow=True` a true player takes the same actions in the true world, and `info` tells of
    them, too: `shadow_pose` (as `pose`), `shadow_reward` (of this step) and `shadow_terminated`.
    Nothing else changes. When their task has ended they stand still.

    ## Rewards
    As in `worldsim/Blocks-v0`, by the dreamed pose: whether it is in a gem's true place, or within
    2 metres of the beacon's; the dreamed player is followed through the blocks of the true world,
    by whose rules planks are put and places are reached. With `judge="seen"` the model's event head
    tells that a gem was taken or the beacon reached; the shipped one knows the beacon well,
    and gems less so. Where it was not trained a warning says so, and the pose is the judge.

    ## Starting State
    As in `worldsim/Blocks-v0`: equal seeds start at the same place of the same world. The options
    are the same: `scene` and `state`.

    ## Episode End
    As in `worldsim/Blocks-v0`, by the same judge. Truncated after as many steps, by the
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
    - `judge`: `"pose"` or `"seen"`.
    - `observation`: `"rgb"` or `"dict"`.
    - `shadow`: whether `info` tells where the truth is.

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
        judge: str = "pose",
        observation: str = "rgb",
        shadow: bool = False,
        world_factory: Callable[[], TaskWorld] | None = None,
    ) -> None:
        """See the class; `world_factory` puts another world in."""
        require_task(task)
        _require_judge(judge)
        super().__init__(
            world_factory
            or partial(
                _dream_world,
                checkpoint=checkpoint,
                device=device,
                steps=steps,
                memory=memory,
                task=task,
                judge=judge,
                shadow=shadow,
            ),
            render_mode=render_mode,
            action_view_name=action_view,
            observation=observation,
            size=size,
            scene=scene,
        )
        self._shadow = shadow

    def present(self) -> tuple[Any, dict[str, Any]]:
        """See the base class."""
        observation, info = super().present()
        if self._shadow:
            info |= cast(DreamTask, self.world).beside()
        return observation, info


def _dream_world(
    *,
    checkpoint: str,
    device: str,
    steps: int | None,
    memory: str,
    task: str,
    judge: str,
    shadow: bool,
) -> TaskWorld:
    from worldsim.engine.engine import WorldEngine
    from worldsim.engine.state import EngineState
    from worldsim.envs.blocks.world import BlockWorld

    engine = WorldEngine.from_pretrained(checkpoint, device=device, steps=steps, memory=memory)
    return DreamTask(
        engine,
        state_from_bytes=EngineState.from_bytes,
        referee=Referee(
            BlockWorld(engine.intrinsics, task=task),
            Shadow(BlockWorld(engine.intrinsics, task=task)) if shadow else None,
        ),
        judge=judge,
    )


def _require_judge(judge: str) -> str:
    if judge not in JUDGES:
        raise ConfigError(f"a judge among {list(JUDGES)}", repr(judge), "Correct its spelling.")
    return judge


def _can_see(engine: Engine, judge: str) -> bool:
    """Whether the engine's eyes are the judge; says so if they are wanted and not to be had."""
    wanted = _require_judge(judge) == "seen"
    if wanted and not engine.sees_events:
        logger.warning(
            "the checkpoint's event head is untrained: gems and arrivals are judged by the "
            "dreamed pose"
        )
    return wanted and engine.sees_events
