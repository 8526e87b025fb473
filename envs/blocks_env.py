"""`worldsim/Blocks-v0`: the true block world as a Gymnasium environment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from worldsim.envs.base import TaskWorld, WorldEnv
from worldsim.envs.blocks.tasks import require_env_task


class BlocksEnv(WorldEnv):
    """Walk to the beacon of a block world, seen through the player's eyes.

    ## Description
    An endless voxel world of meadows, forests, deserts, snow and canyons, with gravity,
    collisions and blocks that break and can be placed. Somewhere 12 to 20 metres from the start,
    within reach of a walker, stands a glowing beacon. A step is one tick of 1/20 s.
    `worldsim/Dream-v0` has the same spaces, start and task in a world dreamed by a neural network.

    ## Action Space
    `action_view="discrete"` (default) is `Discrete(12)`:

    | choice | action | choice | action |
    | --- | --- | --- | --- |
    | 0 | nothing | 6 | turn right 10° |
    | 1 | forward | 7 | look up 8° |
    | 2 | back | 8 | look down 8° |
    | 3 | left | 9 | forward and jump |
    | 4 | right | 10 | forward and sprint |
    | 5 | turn left 10° | 11 | attack |

    `action_view="multidiscrete"` is `MultiDiscrete([2]*9 + [9, 9])`: the buttons forward, back,
    left, right, jump, sprint, sneak, attack and use, then a turn to the right and one downwards.
    A turn's choices 0 to 8 are 0, 1.5, 4, 10, 30, -30, -10, -4 and -1.5 degrees.

    ## Observation Space
    `Box(0, 255, (80, 128, 3), uint8)`: the RGB picture, rows first. `size=(width, height)` asks
    for another size; pixels are averaged over areas.

    `info` has `pose` (float64: x, y, z of the eye in metres, then yaw and pitch in degrees),
    `distance` (metres over the ground to the beacon) and `world_seed` (the integer from which the
    world derives).

    ## Rewards
    `task="reach"` (default): 0.1 for every metre of progress over the ground towards the beacon
    (negative when moving away), and 10 for coming within 2 metres of it. `task="gems"`: 1 for every
    gem that is walked into, which takes it.

    ## Starting State
    A world drawn from `np_random`; the player stands on open ground. The option `scene` picks
    the landscape: meadow, forest, desert, snow or canyon; or `crystal`, the seed's land in other
    colours. The option `state` continues from bytes of `get_state()` instead; with a `seed` as
    well, `np_random` starts anew from that seed.

    ## Episode End
    `reach` is terminated on arrival at the beacon; `gems` never is. Truncated after 1,000 steps, by
    the `TimeLimit` wrapper that `gymnasium.make` adds.

    ## Arguments
    - `render_mode`: `None`, `"rgb_array"` (frames of 128 x 80 from `render()`) or `"human"` (a
      window).
    - `action_view`: `"discrete"` or `"multidiscrete"`.
    - `size`: `(width, height)` of the observation in pixels; `None` for (128, 80).
    - `scene`: the landscape of every episode; `None` draws one with the world.
    - `renderer`: `"auto"`, `"gl"` or `"torch"`.
    - `task`: `"reach"` or `"gems"`.

    `get_state()` and `set_state(bytes)` save and restore everything, random numbers included; call
    them on `env.unwrapped` or through `env.get_wrapper_attr("get_state")`.

    ## Version History
    - v0: the first version.
    """

    def __init__(
        self,
        render_mode: str | None = None,
        action_view: str = "discrete",
        size: Sequence[int] | None = None,
        scene: str | None = None,
        renderer: str = "auto",
        task: str = "reach",
        world_factory: Callable[[], TaskWorld] | None = None,
    ) -> None:
        """See the class; `world_factory` puts another world in, for tests."""
        require_env_task(task)
        super().__init__(
            world_factory or partial(_block_world, renderer, task),
            render_mode=render_mode,
            action_view=action_view,
            size=size,
            scene=scene,
        )


def _block_world(renderer: str, task: str) -> TaskWorld:
    from worldsim.envs.blocks.world import BlockWorld

    return BlockWorld(renderer=renderer, task=task)
