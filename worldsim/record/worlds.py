"""The one place that makes a world by its name, for recording, replaying and playing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

from worldsim.camera import Intrinsics
from worldsim.errors import ConfigError
from worldsim.progress import report
from worldsim.record.format import WorldInfo
from worldsim.types import Action, Observation, StepResult

WorldKind = Literal["dream", "real"]
MemoryMode = Literal["full", "recent", "random", "off"]
BackendName = Literal["auto", "torch", "onnx"]
RendererName = Literal["auto", "gl", "torch"]


class SceneWorld(Protocol):
    """A `World` that knows its camera and can start in a scene."""

    @property
    def intrinsics(self) -> Intrinsics: ...

    def reset(self, *, seed: int | None = None, scene: str | None = None) -> Observation: ...

    def step(self, action: Action) -> StepResult: ...

    def close(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class WorldConfig:
    """Which world. Checkpoint to backend are a dream's; the renderer is the real one's."""

    kind: WorldKind = "dream"
    checkpoint: str = "default"
    steps: int | None = None
    memory: MemoryMode = "full"
    device: str = "auto"
    backend: BackendName = "torch"
    renderer: RendererName = "auto"

    def __post_init__(self) -> None:
        closed = (("kind", WorldKind), ("memory", MemoryMode), ("backend", BackendName))
        for name, options in closed:
            if getattr(self, name) not in get_args(options):
                raise ConfigError(
                    f"{name} among {list(get_args(options))}",
                    repr(getattr(self, name)),
                    "Correct its spelling.",
                )
        if self.steps is not None and self.steps < 1:
            raise ConfigError("at least one denoising step", repr(self.steps), "Use 1 or 2.")


@dataclass(frozen=True, slots=True)
class MadeWorld:
    """A world, and what an episode says about it (without seed and scene)."""

    world: SceneWorld
    info: WorldInfo


MakeWorld = Callable[[WorldConfig], MadeWorld]


def make_world(config: WorldConfig) -> MadeWorld:
    """Build the world. Its frames are a function of the seed, scene and actions alone.

    So a dream gets a fixed number of denoising steps, and the real world no task that could end.

    Raises:
        CheckpointError: if the checkpoint is missing or damaged.
        BackendError: if the renderer or device asked for is not there.
    """
    return _make_real(config) if config.kind == "real" else _make_dream(config)


def _make_dream(config: WorldConfig) -> MadeWorld:
    report("engine", 0.0)
    from worldsim.engine.engine import WorldEngine  # heavy

    engine = WorldEngine.from_pretrained(
        config.checkpoint,
        device=config.device,
        steps=config.steps,
        memory=config.memory,
        backend=config.backend,
    )
    info = WorldInfo(
        kind="dream",
        version=engine.model_hash,
        checkpoint=config.checkpoint,
        steps=engine.steps,
        memory=config.memory,
        backend=engine.backend,
    )
    return MadeWorld(engine, info)


def _make_real(config: WorldConfig) -> MadeWorld:
    from worldsim.envs.blocks.world import WORLD_VERSION, BlockWorld  # heavy

    renderer = _resolved_renderer(config.renderer)
    world = BlockWorld(renderer=renderer, task=None)
    return MadeWorld(world, WorldInfo(kind="real", version=str(WORLD_VERSION), renderer=renderer))


def _resolved_renderer(name: RendererName) -> str:
    """What "auto" means on this machine: a replay must draw with the same one."""
    from worldsim.envs.blocks.renderers.choose import make_renderer  # heavy
    from worldsim.envs.blocks.renderers.gl import GLRenderer

    if name != "auto":
        return name
    renderer = make_renderer(name)
    renderer.close()
    return "gl" if isinstance(renderer, GLRenderer) else "torch"
