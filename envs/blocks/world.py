"""The true block world behind the `World` interface: seed in, actions in, frames out."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from worldsim.camera import Intrinsics
from worldsim.envs.blocks.biomes import Biome
from worldsim.envs.blocks.blocks import Block
from worldsim.envs.blocks.layout import lay_out
from worldsim.envs.blocks.looks import CRYSTAL, LOOKS, NATURAL, Look
from worldsim.envs.blocks.noise import hashed
from worldsim.envs.blocks.physics import EYE_M, Body, advance_body, cells_of, pick, touches
from worldsim.envs.blocks.spawn import find_start
from worldsim.envs.blocks.tasks import (
    HANDS_TIED,
    Deeds,
    Goals,
    Progress,
    Sighting,
    require_task,
    score,
)
from worldsim.envs.blocks.voxels import VoxelWindow, VoxelWorld
from worldsim.errors import SceneError, StateError
from worldsim.types import TICK_HZ, Action, Observation, Pose, StepResult, require_seed

if TYPE_CHECKING:
    from worldsim.envs.blocks.renderers.frames import Frames, Renderer

SCENES: Final = tuple(biome.name.lower() for biome in Biome)
OTHER_LOOKS: Final = {CRYSTAL.name: CRYSTAL}  # scenes, too: the seed decides about the land
WORLD_VERSION: Final = 1  # raised when the same seed and actions come to give other frames
DAY_S: Final = 1200.0
_REPEAT_TICKS: Final = 5  # a held button acts again after this many ticks
_STATE_VERSION: Final = 2
_SALT_DAY: Final = 501
_DEFAULT_SEED: Final = 0
_FIRST_LIGHT, _LAST_LIGHT = 0.26, 0.7  # episodes start in daylight


@dataclass(frozen=True, slots=True)
class Sight:
    """A view not yet drawn; it keeps its blocks, whatever becomes of the world's."""

    pose: Pose
    window: VoxelWindow
    day: float  # [0, 1), 0.5 is noon


class BlockWorld:
    """A procedural, endless, first-person world of blocks that stays as the player leaves it.

    Args:
        intrinsics: the camera of the observations.
        renderer: "auto", "gl" or "torch"; made on the first render, so `advance` needs none.
        supersample: colour rays along each side of a pixel, 2 or 1.
        task: one of `worldsim.envs.blocks.tasks.TASKS`, or None for free play.
    """

    def __init__(
        self,
        intrinsics: Intrinsics | None = None,
        *,
        renderer: str = "auto",
        supersample: int = 2,
        task: str | None = "reach",
    ) -> None:
        self.intrinsics = intrinsics or Intrinsics()
        self.task = require_task(task)
        self._renderer_name, self._supersample = renderer, supersample
        self._renderer: Renderer | None = None
        self._borrowed = False  # whether the renderer is another world's to close
        self.prepare(seed=_DEFAULT_SEED)
        self._rng = np.random.default_rng()

    def prepare(self, *, seed: int | None = None, scene: str | None = None) -> None:
        """`reset` without a picture: needs no renderer."""
        biome, look = (None, NATURAL) if scene is None else require_scene(scene)
        if seed is not None:
            seed = require_seed(seed)
            self._rng = np.random.default_rng(seed)
        self.seed = int(self._rng.integers(2**31)) if seed is None else seed
        self.voxels = VoxelWorld(self.seed, biome, look)
        start = find_start(self.voxels)
        x, y, z = start.feet
        self.body = Body(x, y, z, start.yaw_deg)
        self.goals = lay_out(self.task, self.voxels, start)
        light = float(hashed(self.seed, _SALT_DAY, 0, 0)[0])
        self._first_day = _FIRST_LIGHT + light * (_LAST_LIGHT - _FIRST_LIGHT)
        self._tick = 0
        self._held = {"attack": 0, "use": 0}
        self._progress = Progress()

    def reset(self, *, seed: int | None = None, scene: str | None = None) -> Observation:
        """Start a world; without a seed, the next one of this object's own random stream.

        Raises SceneError for a seed that is not an integer from 0 to 2**63 - 1, or an unknown
        scene.
        """
        self.prepare(seed=seed, scene=scene)
        return self.observe()

    def step(self, action: Action) -> StepResult:
        reward, terminated = self.advance(action)
        return StepResult(self.observe(), reward, terminated)

    def advance(self, action: Action) -> tuple[float, bool]:  # reward, terminated
        """One tick without a picture."""
        return self._live(action, advance_body(self.body, action, self.voxels.block))

    def follow(
        self, action: Action, pose: Pose, seen: Sighting | None = None
    ) -> tuple[float, bool]:  # reward, terminated
        """One tick in which the eye is put at a pose: a dream is judged by the same rules.

        Args:
            seen: what was seen of gems and beacon; None to go by the true ones.
        """
        feet = (pose.x, pose.y - EYE_M, pose.z)
        return self._live(action, Body(*feet, pose.yaw_deg, pose.pitch_deg), seen)

    def _live(
        self, action: Action, moved: Body, seen: Sighting | None = None
    ) -> tuple[float, bool]:  # reward, terminated
        before, now = self.body.eye, moved.eye
        self.body = moved
        self._tick += 1
        levels, gems = self._use_hands(action), self._collect()
        outcome = score(
            self.task,
            self._progress,
            Deeds(
                (before.x, before.y, before.z),
                (now.x, now.y, now.z),
                gems if seen is None else int(seen.gem),
                levels,
                None if seen is None else seen.beacon,
            ),
            self.goals,
        )
        self._progress = outcome.progress
        return outcome.reward, outcome.terminated

    @property
    def beacon(self) -> tuple[float, float, float]:  # metres
        """The middle of its lowest block."""
        return self.goals.beacon

    @property
    def pose(self) -> Pose:
        """The eye."""
        return self.body.eye

    @property
    def day(self) -> float:
        """The time of day in [0, 1); 0.5 is noon."""
        return (self._first_day + self._tick / (TICK_HZ * DAY_S)) % 1.0

    @property
    def gems(self) -> int:
        """How many gems were collected since the reset."""
        return self._progress.gems

    def observe(self) -> Observation:
        """The present view."""
        frames = self.render([self.pose])
        return Observation(frames.rgb[0], frames.depth[0], self.pose)

    def render(self, poses: Sequence[Pose]) -> Frames:
        """What eyes at these poses see of the present blocks at the present time of day."""
        return self.draw([self.sight(pose) for pose in poses])

    def sight(self, pose: Pose) -> Sight:
        """What an eye at this pose sees now, to be drawn later."""
        return Sight(pose, self.voxels.window(pose.x, pose.z), self.day)

    def draw(self, sights: Sequence[Sight]) -> Frames:
        """The pictures of sights of this world, whenever they are from."""
        return self._drawer().render(
            [sight.window for sight in sights],
            [sight.pose for sight in sights],
            [sight.day for sight in sights],
            self.intrinsics,
        )

    def _drawer(self) -> Renderer:
        if self._renderer is None:
            from worldsim.envs.blocks.renderers.choose import make_renderer

            self._renderer = make_renderer(self._renderer_name, supersample=self._supersample)
        return self._renderer

    def sibling(self) -> BlockWorld:
        """Another world of the same kind, at the default seed; the two share a renderer."""
        twin = BlockWorld(
            self.intrinsics,
            renderer=self._renderer_name,
            supersample=self._supersample,
            task=self.task,
        )
        twin._renderer, twin._borrowed = self._drawer(), True
        return twin

    def fork(self) -> BlockWorld:
        """A second world at the same moment; the two share a renderer."""
        twin = self.sibling()
        twin.set_state(self.get_state())
        return twin

    def close(self) -> None:
        """Release the renderer, if it is this world's own."""
        if self._renderer is not None and not self._borrowed:
            self._renderer.close()
        self._renderer, self._borrowed = None, False

    def get_state(self) -> bytes:
        """Everything the future depends on, as JSON."""
        state = {
            "version": _STATE_VERSION,
            "seed": self.seed,
            "scene": SCENES[self.voxels.biome],
            "look": self.voxels.look.name,
            "task": self.task,
            "tick": self._tick,
            "first_day": self._first_day,
            "held": self._held,
            "goals": asdict(self.goals),
            "body": asdict(self.body),
            "edits": [[*at, block] for at, block in self.voxels.edits.items()],
            "visited": sorted(self._progress.visited),
            "gems": self._progress.gems,
            "turned_back": self._progress.turned_back,
            "levels": self._progress.levels,
            "random": self._rng.bit_generator.state,
        }
        return json.dumps(state).encode()

    def set_state(self, state: bytes) -> None:
        """Continue where `get_state` was called. A damaged state is a StateError and no change."""
        try:
            self._restore(json.loads(state))
        except (ValueError, KeyError, TypeError, OverflowError, SceneError) as error:
            raise StateError(
                f"a state of version {_STATE_VERSION} made by BlockWorld.get_state",
                f"{type(error).__name__}: {error}",
                "Use a state saved by this version of worldsim.",
            ) from error

    def _restore(self, saved: dict[str, Any]) -> None:
        if saved["version"] != _STATE_VERSION:
            raise ValueError(f"version {saved['version']}")
        voxels = self._saved_voxels(saved)
        body = Body(**saved["body"])
        if not all(math.isfinite(value) for value in asdict(body).values()):
            raise ValueError(f"body {body}")
        visited = frozenset((x, z) for x, z in saved["visited"])
        progress = Progress(visited, saved["gems"], saved["turned_back"], saved["levels"])
        goals = _goals(saved["goals"])
        rng = np.random.default_rng()
        rng.bit_generator.state = saved["random"]
        held = {name: int(saved["held"][name]) for name in self._held}
        task, tick, first_day = saved["task"], int(saved["tick"]), float(saved["first_day"])
        self.task = require_task(task)
        self.seed, self.voxels, self.body = voxels.seed, voxels, body
        self.goals, self._rng, self._held = goals, rng, held
        self._progress, self._tick, self._first_day = progress, tick, first_day

    def _saved_voxels(self, saved: dict[str, Any]) -> VoxelWorld:
        """The present ones where they are the same: what was drawn of them need not be again."""
        biome, _ = require_scene(saved["scene"])
        look = LOOKS[saved.get("look", NATURAL.name)]  # states were once without
        edits = {(x, y, z): block for x, y, z, block in saved["edits"]}
        seed, now = require_seed(saved["seed"]), self.voxels
        if (now.seed, now.biome, now.look, now.edits) == (seed, biome, look, edits):
            return now
        voxels = VoxelWorld(seed, biome, look)
        for (x, y, z), block in edits.items():
            voxels.set_block(x, y, z, Block(block))
        return voxels

    def _use_hands(self, action: Action) -> int:
        """Break or place a block; returns the height of the pillar that a plank was put on."""
        attacks = self._due("attack", action.attack)
        uses = self._due("use", action.use)
        if not (attacks or uses) or self.task in HANDS_TIED:
            return 0
        hit = pick(self.body.eye, self.voxels.block)
        if hit is None:
            return 0
        if attacks and self.voxels.block(*hit.block) != Block.BEACON:
            self.voxels.set_block(*hit.block, Block.AIR)
        elif uses and not touches(self.body, hit.before):
            self.voxels.set_block(*hit.before, Block.PLANKS)
            return self._pillar(*hit.before)
        return 0

    def _pillar(self, x: int, y: int, z: int) -> int:
        """How many planks of the player's own stand on one another here."""
        ours, low, high = self.voxels.edits, y, y
        while ours.get((x, low - 1, z)) == Block.PLANKS:
            low -= 1
        while ours.get((x, high + 1, z)) == Block.PLANKS:
            high += 1
        return high - low + 1

    def _due(self, button: str, pressed: bool) -> bool:
        """Whether a button acts now: on its press, and every few ticks while it is held."""
        held = self._held[button]
        self._held[button] = held + 1 if pressed else 0
        return bool(pressed) and held % _REPEAT_TICKS == 0

    def _collect(self) -> int:
        """Take the gems the body touches."""
        touched = [c for c in cells_of(self.body) if self.voxels.block(*c) == Block.GEM]
        for cell in touched:
            self.voxels.set_block(*cell, Block.AIR)
        return len(touched)


def require_scene(scene: str) -> tuple[Biome | None, Look]:
    """Its land, None if the seed decides, and its look. SceneError, listing them, if unknown."""
    if scene in OTHER_LOOKS:
        return None, OTHER_LOOKS[scene]
    if scene not in SCENES:
        known = [*SCENES, *OTHER_LOOKS]
        raise SceneError(f"a scene among {known}", repr(scene), "Correct its name.")
    return Biome(SCENES.index(scene)), NATURAL


def _goals(saved: dict[str, Any]) -> Goals:
    home, beacon = _place(saved["home"]), _place(saved["beacon"])
    gem = None if saved["gem"] is None else _place(saved["gem"])
    return Goals(int(saved["seed"]), home, beacon, gem)


def _place(saved: list[float]) -> tuple[float, float, float]:
    x, y, z = map(float, saved)
    return x, y, z
