"""Training data: walks, clips whose actions and frames belong together, and their damage."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from dreams import FrameSpy, begun, plane_clip, plane_episode
from numpy.typing import NDArray

from worldsim.actions import from_vector, to_vector
from worldsim.camera import Intrinsics
from worldsim.envs.blocks.blocks import Block
from worldsim.envs.blocks.physics import EYE_M
from worldsim.envs.blocks.seeker import STREWN_GEMS
from worldsim.envs.blocks.tasks import ARRIVAL_M
from worldsim.envs.blocks.world import BlockWorld
from worldsim.errors import ConfigError
from worldsim.model.picture import from_picture
from worldsim.model.presets import preset
from worldsim.train import data
from worldsim.train.batch import FIRST_TARGET, ClipBatch, ClipConfig, sample_clips
from worldsim.train.behaviour import behave
from worldsim.train.data import (
    MAX_TRAINING_SEED,
    DataConfig,
    Episode,
    EpisodePool,
    WalkMix,
    render_episode,
    training_seeds,
)
from worldsim.types import Action, Pose

CAMERA = preset("tiny").intrinsics
TICKS = 40


def wander(seed: int = 0, ticks: int = TICKS) -> list[Action]:
    return list(itertools.islice(behave(np.random.default_rng(seed)), ticks))


def numbered_episode(length: int = TICKS + 1) -> Episode:
    """Frame t shows nothing but t; its actions and moves are told apart by t, too."""
    t = np.arange(length, dtype=np.float32)
    poses = tuple(Pose(float(i), 0.0, 0.0, 0.0, float(i) + 0.5) for i in t)
    turns = [to_vector(Action(yaw_deg=float(i), forward=i % 2 == 0)) for i in t[:-1]]
    return Episode(
        np.broadcast_to(t[:, None, None, None], (length, 48, 64, 3)).astype(np.uint8),
        np.broadcast_to(1.0 + t[:, None, None], (length, 48, 64)).astype(np.float16),
        poses,
        np.stack(turns),
        np.stack((t[:-1], 2 * t[:-1], 3 * t[:-1]), axis=1),
    )


def numbers(pictures: torch.Tensor) -> NDArray[np.int64]:  # of [..., 4, H, W]
    rgb, depth = from_picture(pictures)
    assert torch.allclose(depth[..., 0, 0], rgb[..., 0, 0, 0] + 1.0, rtol=1e-2)
    return rgb[..., 0, 0, 0].numpy().astype(np.int64)


def sample(config: ClipConfig, seed: int = 0) -> ClipBatch:
    return sample_clips([numbered_episode()], config, np.random.default_rng(seed))


# Behaviour


def test_behaviour_is_repeatable_and_varied() -> None:
    assert wander(3) == wander(3)
    assert wander(3) != wander(4)
    walks = [wander(seed, 200) for seed in range(12)]
    for button in ("forward", "back", "left", "right", "jump", "sprint", "attack", "use"):
        assert any(getattr(action, button) for walk in walks for action in walk), button


def test_the_camera_of_a_walk_never_hits_the_limits_of_its_pitch() -> None:
    for seed in range(8):
        pitches = np.cumsum([action.pitch_deg for action in wander(seed, 300)])
        assert pitches.min() >= -60.0 - 1e-6
        assert pitches.max() <= 80.0 + 1e-6


def test_training_seeds_stay_below_the_evaluation_seeds() -> None:
    seeds = [list(itertools.islice(training_seeds(5, worker), 500)) for worker in range(2)]
    assert all(0 <= seed < MAX_TRAINING_SEED for seed in itertools.chain(*seeds))
    assert seeds[0] == list(itertools.islice(training_seeds(5, 0), 500))
    assert len(set(seeds[0]) & set(seeds[1])) < 10


# Episodes


@pytest.fixture(scope="module")
def world() -> Iterator[BlockWorld]:
    world = BlockWorld(CAMERA)
    yield world
    world.close()


def test_an_episode_shows_what_the_world_showed_at_every_step(world: BlockWorld) -> None:
    """Though it is drawn after the walk, in which blocks were broken and placed."""
    seed = next(s for s in itertools.count() if sum(a.attack or a.use for a in edits(s)) > 3)
    episode = render_episode(world, seed, TICKS)
    assert_shows(episode, world, seed, edits(seed))
    assert len(episode) == TICKS + 1
    assert len(episode.actions) == len(episode.moves) == TICKS


def test_a_gem_is_seen_until_it_is_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    class GemAhead(BlockWorld):
        def prepare(self, *, seed: int | None = None, scene: str | None = None) -> None:
            super().prepare(seed=seed, scene=scene)
            self.body = replace(self.body, yaw_deg=0.0, pitch_deg=30.0)
            x, y, z = math.floor(self.body.x), math.floor(self.body.y), math.floor(self.body.z)
            self.voxels.set_block(x, y, z - 2, Block.GEM)

    walk = [Action(forward=True)] * 12
    monkeypatch.setattr(data, "behave", lambda rng: iter(walk))
    world = GemAhead(CAMERA)
    episode = render_episode(world, 3, len(walk))
    assert world.gems == 1
    assert_shows(episode, world, 3, walk)
    world.close()


def assert_shows(episode: Episode, world: BlockWorld, seed: int, actions: list[Action]) -> None:
    """That its frames are those of the same walk, drawn step by step."""
    seen = [world.reset(seed=seed), *(world.step(action).observation for action in actions)]
    assert np.array_equal(episode.rgb, np.stack([o.rgb for o in seen]))
    assert np.array_equal(episode.depth, np.stack([o.depth for o in seen]).astype(np.float16))


def edits(seed: int) -> list[Action]:
    return wander(seed, TICKS)


def test_an_episode_is_repeated_by_its_seed(world: BlockWorld) -> None:
    first, again = (render_episode(world, 11, 32) for _ in range(2))
    for name in ("rgb", "depth", "poses", "actions", "moves"):
        assert np.array_equal(getattr(first, name), getattr(again, name)), name


def test_an_action_and_a_move_lead_from_each_pose_to_the_next(world: BlockWorld) -> None:
    for episode in (render_episode(world, 3, TICKS), plane_episode(wander())):
        for t, (action, move) in enumerate(zip(episode.actions, episode.moves, strict=True)):
            before, after = episode.world_from_camera[t], episode.world_from_camera[t + 1]
            yaw_deg = np.degrees(np.arctan2(before[0, 2], before[2, 2]))
            turned = Pose(*before[:3, 3].tolist(), -yaw_deg).turned(from_vector(action).yaw_deg, 0)
            assert np.allclose(turned.moved_along(*move).position(), after[:3, 3], atol=1e-3), t


def test_impossible_data_configurations_are_refused() -> None:
    for wrong in ({"ticks": 8}, {"first": 0}, {"first": 9, "pool": 8}):
        with pytest.raises(ConfigError, match="first"):
            DataConfig(**wrong)
    for wrong in ({"seek_share": 1.5}, {"afar_share": -0.1}, {"strewn_gems": -1}):
        with pytest.raises(ConfigError, match="mix of walks"):
            WalkMix(**wrong)


def test_a_pool_is_filled_by_a_worker_and_keeps_its_size() -> None:
    pool = EpisodePool(DataConfig(ticks=32, pool=2, first=1), CAMERA, workers=1)
    try:
        for _ in range(3):
            assert pool.refresh(wait=True)
        assert pool.rendered == 3
        assert len(pool.episodes) == 2
        third, second = pool.episodes
        assert not np.array_equal(third.rgb, second.rgb)
        assert third.rgb.shape == (33, 48, 64, 3)
        pool._workers[0].terminate()
        with pytest.raises(RuntimeError, match="workers stopped"):
            for _ in range(9):  # what was rendered before the end still comes
                pool.refresh(wait=True)
    finally:
        pool.close()
    assert not pool._workers[0].is_alive()


def test_a_seekers_episode_is_labelled_with_what_happened(world: BlockWorld) -> None:
    episode = render_episode(world, 3, 95, WalkMix(seek_share=1.0, strewn_gems=STREWN_GEMS))
    x, _, z = world.beacon
    near = [math.hypot(p.x - x, p.z - z) <= ARRIVAL_M for p in episode.poses[1:]]
    reward, end = episode.happened.T
    assert np.array_equal(end, near) and any(near)
    assert 0 < reward.sum() <= world.gems


def test_other_episodes_do_not_depend_on_the_share_of_seekers(world: BlockWorld) -> None:
    plain, seeking = (render_episode(world, 4, 32, WalkMix(seek_share=s)) for s in (0.0, 1.0))
    some = render_episode(world, 4, 32, WalkMix(seek_share=1e-9))
    assert np.array_equal(some.rgb, plain.rgb)
    assert not np.array_equal(seeking.rgb, plain.rgb)


def test_an_episode_afar_begins_on_the_ground_and_out_of_the_beacons_sight(
    world: BlockWorld,
) -> None:
    for seed in range(5):
        episode = render_episode(world, seed, 32, WalkMix(afar_share=1.0))
        first = episode.poses[0]
        x, _, z = world.beacon
        assert math.hypot(first.x - x, first.z - z) > 40.0
        under = (math.floor(first.x), math.floor(first.y - EYE_M) - 1, math.floor(first.z))
        assert world.voxels.block(*under) not in (Block.AIR, Block.WATER), seed


# Clips: actions[t] of a clip led to its frame t


def test_an_episode_without_labels_has_no_events() -> None:
    assert not numbered_episode().happened.any()


@pytest.mark.parametrize("sink_share", [0.0, 1.0])
def test_actions_moves_and_poses_of_a_clip_belong_to_its_frames(sink_share: float) -> None:
    episode, batch = numbered_episode(), sample(ClipConfig(clips=16, sink_share=sink_share))
    frames = numbers(batch.pictures)
    assert np.array_equal(batch.poses[..., 0, 3], frames)
    assert np.array_equal(batch.actions, episode.actions[frames - 1])
    assert np.array_equal(batch.next_actions, episode.actions[frames])
    assert np.array_equal(batch.moves, episode.moves[frames][..., (0, 2)])
    assert np.array_equal(batch.motion[..., :3], episode.moves[frames - 1])
    next_pitch = np.radians(episode.pitch_deg[frames + 1])
    assert np.allclose(batch.motion[..., 3], np.sin(next_pitch), atol=1e-6)
    assert np.allclose(batch.motion[..., 4], np.cos(next_pitch), atol=1e-6)


def test_clips_are_consecutive_but_for_a_sink() -> None:
    plain = numbers(sample(ClipConfig(clips=32, sink_share=0.0)).pictures)
    assert (np.diff(plain, axis=1) == 1).all()
    assert plain[:, 0].min() >= FIRST_TARGET
    sunk = numbers(sample(ClipConfig(clips=32, sink_share=1.0)).pictures)
    assert (np.diff(sunk[:, 1:], axis=1) == 1).all()
    assert (sunk[:, 0] < sunk[:, 1]).all()
    assert (sunk[:, 0] >= 1).all()
    assert (sunk[:, 1] - sunk[:, 0] > 1).any()


def test_keyframes_are_old_distinct_and_newest_first() -> None:
    for seed in range(6):
        batch = sample(ClipConfig(clips=16), seed)
        clips, keys = numbers(batch.pictures), numbers(batch.keyframes)
        assert keys.shape == (16, 4)
        assert (np.diff(keys, axis=1) < 0).all()
        assert (keys[:, 0] < clips[:, 1]).all()
        assert np.array_equal(batch.keyframe_poses[..., 0, 3], keys)
        assert np.array_equal(batch.keyframe_age, clips[:, -1:] - keys)


def test_sampling_is_repeatable() -> None:
    first, again = (sample(ClipConfig(), seed=4) for _ in range(2))
    for name in ClipBatch.__slots__:
        assert torch.equal(getattr(first, name), getattr(again, name)), name


def test_the_model_is_trained_on_what_the_engine_will_tell_it() -> None:
    """The pose head's inputs at one frame, and the action of the next, from both sides."""
    actions = [Action(forward=True, yaw_deg=3.0 * i, pitch_deg=-0.5) for i in range(FIRST_TARGET)]
    actions += [Action(left=True, yaw_deg=20.0, pitch_deg=7.0), Action(back=True)]
    frames = 2  # so that the only clip begins at FIRST_TARGET
    episode = plane_episode(actions)
    batch = sample_clips(
        [episode], ClipConfig(clips=1, frames=frames, sink_share=0.0), np.random.default_rng(0)
    )
    engine, heard = begun(clip=plane_clip(actions[:FIRST_TARGET])), []
    pose_head, asked = engine._dreamer.model.pose_head, FrameSpy(engine).frames
    pose_head.register_forward_pre_hook(lambda _, inputs: heard.append(inputs))
    engine.step(actions[FIRST_TARGET])
    (_, action, motion), inputs = heard[0], asked[0]
    assert torch.equal(action[0], batch.next_actions[0, 0])
    assert torch.allclose(motion[0], batch.motion[0, 0], atol=1e-5)
    assert torch.equal(inputs.action[0, 0], batch.actions[0, 1])


def test_the_camera_of_tests_is_the_one_of_the_smallest_preset() -> None:
    assert Intrinsics(width=64, height=48) == CAMERA
