"""Drives the engine through the protocols of the suites; counts frames and times dreamed ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from time import perf_counter
from typing import Any, Protocol

from worldsim.camera import Intrinsics
from worldsim.evaluate.events import Chances
from worldsim.types import Action, Clip, Observation, Pose, StepResult


class StageTimes(Protocol):
    def stages_ms(self) -> Mapping[str, Mapping[str, float]]: ...


class Dream(Protocol):
    """What the suites need of the engine (see `worldsim.engine.engine.WorldEngine`)."""

    memory_mode: Any  # full, recent, random or off

    @property
    def intrinsics(self) -> Intrinsics: ...

    @property
    def metrics(self) -> StageTimes: ...

    @property
    def sees_events(self) -> bool: ...

    @property
    def chances(self) -> Chances: ...

    def reset(self, *, seed: int | None = None, clip: Clip | None = None) -> Observation: ...

    def step(self, action: Action, *, pose: Pose | None = None) -> StepResult: ...

    def observe(self, action: Action, observation: Observation) -> object: ...

    def snapshot(self) -> Any: ...

    def restore(self, state: Any) -> object: ...


class Driver:
    """One engine, asked for whole stretches of frames.

    Args:
        on_frame: called once for every frame that the engine generated or was fed.
        clock: seconds; injected for tests.
    """

    def __init__(
        self,
        engine: Dream,
        *,
        on_frame: Callable[[int], None] = lambda _count: None,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self.engine = engine
        self.step_s: list[float] = []
        self.on_frame = on_frame
        self._clock = clock

    def burn_in(self, clip: Clip, *, seed: int, memory: str = "full") -> None:
        """Begin anew from real frames, with the memory in one of its modes."""
        self.engine.memory_mode = memory
        self.engine.reset(seed=seed, clip=clip)
        self.on_frame(len(clip.observations))

    def feed(self, actions: Sequence[Action], observations: Sequence[Observation]) -> None:
        """Show the engine the real frames that follow on these actions."""
        for action, observation in zip(actions, observations, strict=True):
            self.engine.observe(action, observation)
            self.on_frame(1)

    def follow(self, steps: Iterable[tuple[Action, Pose]]) -> list[Observation]:
        """Dream along a given camera path, one frame for each action and the pose it leads to."""
        return [self.dream(action, pose) for action, pose in steps]

    def wander(
        self, behaviour: Callable[[Pose], Action], start: Pose, ticks: int
    ) -> Iterator[tuple[Action, Observation]]:
        """Dream freely: the behaviour acts on the dreamed poses, the first of which is `start`."""
        pose = start
        for _ in range(ticks):
            action = behaviour(pose)
            observation = self.dream(action)
            pose = observation.pose
            yield action, observation

    def dream(self, action: Action, pose: Pose | None = None) -> Observation:
        """One dreamed frame; without `pose` the engine dreams where it gets to as well."""
        begun = self._clock()
        result = self.engine.step(action, pose=pose)
        self.step_s.append(self._clock() - begun)
        self.on_frame(1)
        return result.observation
