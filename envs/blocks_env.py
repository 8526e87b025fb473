"""`worldsim/Blocks-v0` and its tasks: the true block world as Gymnasium environments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from worldsim.envs.base import TaskWorld, WorldEnv
from worldsim.envs.blocks.tasks import require_task
from worldsim.envs.observations import Size, checked_size


class BlocksEnv(WorldEnv):
    """Walk, look and build in a block world, seen through the player's eyes.

    ## Description
    An endless voxel world of meadows, forests, deserts, snow and canyons, with gravity,
    collisions and blocks that break and can be placed. Somewhere 12 to 20 metres from the start,
    within reach of a walker, stands a glowing beacon. A step is one tick of 1/20 s.
    `worldsim/Dream-v0` has the same spaces, start and task in a world dreamed by a neural network.

    | id | task | steps |
    | --- | --- | --- |
    | `worldsim/Blocks-v0`, `worldsim/BlocksReach-v0` | walk to the beacon | 1,000 |
    | `worldsim/BlocksGems-v0` | collect gems: ten more than the land's own lie around | 600 |
    | `worldsim/BlocksReturn-v0` | to the beacon, and back to the gem seen at the start | 1,000 |
    | `worldsim/BlocksExplore-v0` | see new ground | 600 |
    | `worldsim/BlocksBuild-v0` | put three planks on one another | 400 |
    | `worldsim/BlocksMaze-v0` | find the way out of a maze, to the beacon | 1,000 |

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
    A turn's choices 0 to 8 are 0, 1.5, 4, 10, 30, -30, -10, -4 and -1.5 degrees. It is the
    default of `worldsim/BlocksBuild-v0`, since only `use` places blocks.

    `action_view="dict"` is `Dict(buttons=MultiDiscrete([2]*9), camera=Box(-1, 1, (2,)))`: the same
    buttons, then turns to the right and downwards, where 1 is 30 degrees.

    `action_view="box"` is `Box(-1, 1, (9,))`: ahead (or back), right (or left), jump, sprint,
    sneak, attack, use, and the two turns as above. From 0.5 on a number presses its button.

    ## Observation Space
    `observation="rgb"` (default) is `Box(0, 255, (80, 128, 3), uint8)`: the RGB picture, rows
    first. `size=(width, height)` asks for another size of the same view; pixels are averaged over
    areas, and squeezed where the shape differs.

    `observation="dict"` has `rgb`, `depth` (float32 metres along the view axis, 1000 in the sky,
    not averaged) and `pose` (float32: x, y, z of the eye in metres, then yaw and pitch in degrees).

    `info` has `pose` (the same as float64), `distance` (metres over the ground to the beacon) and
    `world_seed` (the integer from which the world derives).

    ## Rewards
    - reach: 0.1 for every metre of progress over the ground towards the beacon (negative when
      moving away), and 10 for coming within 2 metres of it.
    - gems: 1 for every gem that is walked into, which takes it.
    - return: as reach, but 1 for the beacon; then as reach towards the gem.
    - explore: 0.1 for every square of 4 x 4 metres that is entered for the first time.
    - build: 1 when the highest pillar of placed planks grows, and 10 when it is three high.
    - maze: 0.3 for every cell nearer to the exit by the maze's ways (negative when moving away),
      and 10 for the exit. Its blocks cannot be changed.

    ## Starting State
    A world drawn from `np_random`; the player stands on open ground. The option `scene` picks
    the landscape: meadow, forest, desert, snow or canyon; or `crystal`, the seed's land in other
    colours. The option `state` continues from bytes of `get_state()` instead; with a `seed` as
    well, `np_random` starts anew from that seed.

    ## Episode End
    reach, return, build and maze are terminated by their reward of 10; gems and explore never are.
    Truncated after the steps of the table above, by the `TimeLimit` wrapper that
    `gymnasium.make` adds.

    ## Arguments
    - `render_mode`: `None`, `"rgb_array"` (frames of 128 x 80 from `render()`), `"depth_array"`
      (their depths in metres) or `"human"` (a window).
    - `action_view`: `"discrete"`, `"multidiscrete"`, `"dict"` or `"box"`.
    - `size`: `(width, height)` of the observation in pixels; `None` for (128, 80).
    - `scene`: the landscape of every episode; `None` draws one with the world.
    - `renderer`: `"auto"`, `"gl"` or `"torch"`.
    - `task`: `"reach"`, `"gems"`, `"return"`, `"explore"`, `"build"` or `"maze"`.
    - `observation`: `"rgb"` or `"dict"`.
    - `fast`: draw at the observation's own size, with one ray for each pixel, instead of averaging
      a picture of 128 x 80. The view is the same, its edges are jagged, and `render()` has that
      size, too. A dream has no such mode: train without it where the two are to be alike.

    `get_state()` and `set_state(bytes)` save and restore everything, random numbers included; call
    them on `env.unwrapped` or through `env.get_wrapper_attr("get_state")`. `copy.deepcopy(env)`
    is a second environment at the same moment, wrappers included.

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
        observation: str = "rgb",
        fast: bool = False,
        world_factory: Callable[[], TaskWorld] | None = None,
    ) -> None:
        """See the class; `world_factory` puts another world in, for tests."""
        require_task(task)
        drawn = checked_size(size) if fast else None
        super().__init__(
            world_factory or partial(_block_world, renderer, task, drawn),
            render_mode=render_mode,
            action_view_name=action_view,
            observation=observation,
            size=size,
            scene=scene,
        )


def _block_world(renderer: str, task: str, drawn: Size | None) -> TaskWorld:
    from worldsim.camera import Intrinsics
    from worldsim.envs.blocks.renderers.frames import Squeezed
    from worldsim.envs.blocks.world import BlockWorld

    camera = Intrinsics()
    if drawn is None:
        return BlockWorld(camera, renderer=renderer, task=task)
    width, height = drawn
    squeezed = Squeezed(width=width, height=height, aspect=camera.width / camera.height)
    return BlockWorld(squeezed, renderer=renderer, supersample=1, task=task)
