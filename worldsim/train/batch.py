"""Training clips: T consecutive frames, and the keyframes that a player would remember there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worldsim.engine.hints import TRUST_DREAM, TRUST_REAL
from worldsim.model.picture import to_picture
from worldsim.train.data import Dream, Episode

FIRST_TARGET = 12  # frames of past that every clip has


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipConfig:
    """How clips are cut from episodes."""

    clips: int = 8
    frames: int = 4  # one more than the context at run time
    keyframes: int = 4
    sink_share: float = 0.5  # clips whose first frame is an old one, as the sink is at run time


@dataclass(frozen=True, slots=True)
class ClipBatch:
    """B clips. Pictures are [.., 4, H, W] in [-1, 1]; see `worldsim.model.picture`."""

    pictures: Tensor  # [B, T, 4, H, W] the truth
    shown: Tensor  # [B, T, 4, H, W] what a player would have seen: the truth, or a dream
    witnessed: Tensor  # [B, T, 1, H, W] 1 where the dream had been shown the true surface
    poses: Tensor  # [B, T, 4, 4] world_from_camera
    actions: Tensor  # [B, T, A] the action that led to each frame
    next_actions: Tensor  # [B, T, A] the action taken at each frame
    motion: Tensor  # [B, T, 5] last displacement, sin and cos of the pitch after the next action
    moves: Tensor  # [B, T, 2] the displacement that followed, right and forward, metres
    keyframes: Tensor  # [B, K, 4, H, W], newest first
    keyframe_poses: Tensor  # [B, K, 4, 4]
    keyframe_age: Tensor  # [B, K] ticks before the clip's end
    keyframe_trust: Tensor  # [B, K]

    def to(self, device: torch.device) -> ClipBatch:
        return ClipBatch(*(getattr(self, name).to(device) for name in self.__slots__))


def sample_clips(
    episodes: list[Episode], config: ClipConfig, rng: np.random.Generator
) -> ClipBatch:
    """Cut `config.clips` random clips from a pool of episodes."""
    return cut_clips(draw(episodes, config.clips, rng), config, rng)


def draw(episodes: list[Episode], count: int, rng: np.random.Generator) -> list[Episode]:
    """`count` random episodes of a pool, some of them more than once."""
    return [episodes[int(i)] for i in rng.integers(len(episodes), size=count)]


def cut_clips(chosen: list[Episode], config: ClipConfig, rng: np.random.Generator) -> ClipBatch:
    """One random clip of each episode."""
    rows = [_cut(episode, config, rng) for episode in chosen]
    return ClipBatch(*(torch.stack([row[i] for row in rows]) for i in range(len(rows[0]))))


def clip_indices(
    episode: Episode, config: ClipConfig, rng: np.random.Generator, first: int = FIRST_TARGET
) -> NDArray[np.int64]:  # [T]
    """Frame numbers of one clip; sometimes the first one is an older frame."""
    start = int(rng.integers(first, len(episode) - config.frames))
    frames = np.arange(start, start + config.frames)
    if rng.random() < config.sink_share:
        frames[0] = rng.integers(1, start + 1)
    return frames


def keyframe_indices(
    episode: Episode, clip: NDArray[np.int64], count: int, rng: np.random.Generator
) -> NDArray[np.int64]:  # [K]
    """Frames before the clip that look where the clip looks, newest first.

    A random stride stands for the bank's admission, a score of overlap for its retrieval.
    """
    end = int(clip[1])  # the newest keyframe may be two frames old, or much older
    lag = int(rng.choice((2, 3, 5, 9, 17), p=(0.3, 0.25, 0.2, 0.15, 0.1)))
    newest = max(end - lag, count - 1)
    stride = int(rng.integers(2, 8))
    candidates = np.arange(newest, -1, -stride)
    if len(candidates) < count:
        candidates = np.arange(newest, newest - count, -1)
    score = _overlap(episode, candidates, int(clip[-1])) + rng.normal(0.0, 0.15, len(candidates))
    best = np.argsort(-score)[: count - 1]
    others = np.setdiff1d(candidates, candidates[best])
    extra = others[0] if len(others) and rng.random() < 0.3 else others[len(others) // 2 :][:1]
    picked = np.concatenate((candidates[best], np.atleast_1d(extra)))[:count]
    return np.sort(picked)[::-1].copy()


def _overlap(
    episode: Episode, candidates: NDArray[np.int64], target: int
) -> NDArray[np.float64]:  # [N]
    """How much of each candidate's surface falls into the target's view, from sparse points."""
    rays = _sparse_rays(episode)
    depth = episode.depth[candidates][:, 4::8, 4::8].astype(np.float32).clip(max=64.0)
    camera = depth[..., None] * rays
    pose = episode.world_from_camera[candidates]
    world = np.einsum("nij,nhwj->nhwi", pose[:, :3, :3], camera) + pose[:, None, None, :3, 3]
    view = episode.world_from_camera[target]
    local = (world - view[:3, 3]) @ view[:3, :3]
    z = -local[..., 2]
    edge = np.abs(rays).max(axis=(0, 1))
    inside = (
        (z > 0.2) & (np.abs(local[..., 0]) < edge[0] * z) & (np.abs(local[..., 1]) < edge[1] * z)
    )
    return inside.mean(axis=(1, 2))


def _sparse_rays(episode: Episode) -> NDArray[np.float32]:  # [h, w, 3]
    """Rays through every eighth pixel of a 60 degree camera; only their ratios matter here."""
    height, width = episode.rgb.shape[1:3]
    focal = 0.5 * height / np.tan(np.radians(30.0))
    x = (np.arange(4, width, 8) + 0.5 - width / 2) / focal
    y = (height / 2 - np.arange(4, height, 8) - 0.5) / focal
    grid = np.stack(np.meshgrid(x, y), axis=-1)
    return np.concatenate((grid, -np.ones_like(grid[..., :1])), axis=-1).astype(np.float32)


def _cut(episode: Episode, config: ClipConfig, rng: np.random.Generator) -> tuple[Tensor, ...]:
    real = len(episode) if episode.dream is None else episode.dream.real
    first = FIRST_TARGET if episode.dream is None else max(FIRST_TARGET, real)
    clip = clip_indices(episode, config, rng, first)
    keys = keyframe_indices(episode, clip, config.keyframes, rng)
    previous = np.maximum(clip - 1, 0)
    following = np.minimum(clip, len(episode.actions) - 1)
    next_pitch = np.radians(episode.pitch_deg[np.minimum(clip + 1, len(episode) - 1)])
    motion = np.column_stack((episode.moves[previous], np.sin(next_pitch), np.cos(next_pitch)))
    return (
        _pictures(episode, clip),
        _pictures(episode.dream or episode, clip),
        _witnessed(episode, clip),
        torch.from_numpy(episode.world_from_camera[clip]),
        torch.from_numpy(episode.actions[previous]),
        torch.from_numpy(episode.actions[following]),
        torch.from_numpy(motion.astype(np.float32)),
        torch.from_numpy(episode.moves[following][:, (0, 2)]),
        _pictures(episode.dream or episode, keys),
        torch.from_numpy(episode.world_from_camera[keys]),
        torch.from_numpy((clip[-1] - keys).astype(np.float32)),
        torch.from_numpy(np.where(keys < real, TRUST_REAL, TRUST_DREAM).astype(np.float32)),
    )


def _pictures(seen: Episode | Dream, frames: NDArray[np.int64]) -> Tensor:  # [N, 4, H, W]
    return to_picture(torch.from_numpy(seen.rgb[frames]), torch.from_numpy(seen.depth[frames]))


def _witnessed(episode: Episode, frames: NDArray[np.int64]) -> Tensor:  # [N, 1, H, W]
    if episode.dream is None:
        return torch.ones(len(frames), 1, *episode.depth.shape[1:])
    return torch.from_numpy(episode.dream.witnessed[frames].astype(np.float32))[:, None]
