"""Dreamed worlds and the one function that advances a batch of them by a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from worldsim.actions import to_vector
from worldsim.camera import pose_matrices
from worldsim.engine.hints import TRUST_DREAM, TRUST_LAST, TRUST_REAL, Remembered, make_hint
from worldsim.engine.kv_cache import KVCache
from worldsim.engine.metrics import Metrics
from worldsim.engine.noise import frame_noise
from worldsim.memory.bank import Keyframe, MemoryBank
from worldsim.memory.retrieve import MemoryMode
from worldsim.model.picture import from_picture, to_picture
from worldsim.model.sampler import add_noise, denoise
from worldsim.model.trunk import Context, join_contexts
from worldsim.model.world_model import FrameInputs, Prediction, WorldModel
from worldsim.types import Action, Observation, Pose

ANCHOR_REACH_M = 6.0  # a camera farther from its anchor than this gets a new one
TELEPORT_M = 4.0  # no walk moves this far in one tick
STILL = (0.0, 0.0, 0.0)


@dataclass(slots=True)
class DreamWorld:
    """The whole state of one dreamed world; `advance` and `absorb` are its only writers."""

    seed: int
    frame: int
    observation: Observation
    is_real: bool  # whether the last frame was shown to the dream, not dreamed
    move: tuple[float, float, float]  # last displacement: right, up, forward; metres
    anchor: tuple[float, float, float]  # origin of the rays, metres
    tokens: Tensor  # [S, D] trunk tokens of the last frame, for the heads
    cache: KVCache
    memory: MemoryBank


@dataclass(frozen=True, slots=True)
class Dreamer:
    """A model and how to sample from it."""

    model: WorldModel
    levels: tuple[float, ...]
    memory_mode: MemoryMode
    metrics: Metrics

    @property
    def device(self) -> torch.device:
        return self.model.stem.weight.device


def new_world(dreamer: Dreamer, seed: int, first: Observation, memory: MemoryBank) -> DreamWorld:
    """A world that has seen one real frame."""
    config, weight = dreamer.model.config, dreamer.model.stem.weight
    world = DreamWorld(
        seed=seed,
        frame=0,
        observation=first,
        is_real=True,
        move=STILL,
        anchor=_origin(first.pose),
        tokens=torch.zeros(config.tokens, config.dim, dtype=weight.dtype, device=weight.device),
        cache=KVCache(config, weight.dtype, weight.device),
        memory=memory,
    )
    remember(world)
    return world


@torch.inference_mode()
def advance(
    dreamer: Dreamer,
    worlds: Sequence[DreamWorld],
    actions: Sequence[Action],
    poses: Sequence[Pose | None],
) -> None:
    """Dream the next frame of each world, at the dreamed pose or at the one given."""
    metrics = dreamer.metrics
    with metrics.stage("pose"):
        vectors = _vectors(dreamer, actions)
        targets = _target_poses(dreamer, worlds, actions, vectors, poses)
        for world, target in zip(worlds, targets, strict=True):
            prepare_move(world, target)
    with metrics.stage("retrieve"):
        recalled = [recall(dreamer, w, pose) for w, pose in zip(worlds, targets, strict=True)]
    with metrics.stage("hint"):
        frames, pictures = _inputs(dreamer, worlds, vectors, targets, recalled)
    with metrics.stage("context"):
        context = _context(dreamer, worlds, pictures)
    with metrics.stage("denoise"):
        prediction = denoise(dreamer.model, frames, context, dreamer.levels)
    with metrics.stage("decode"):
        observations = _decode(dreamer, prediction, targets)
    with metrics.stage("remember"):
        for i, world in enumerate(worlds):
            _commit(world, prediction, i, observations[i], is_real=False)


@torch.inference_mode()
def absorb(dreamer: Dreamer, world: DreamWorld, action: Action, seen: Observation) -> None:
    """Show a world a real frame instead: it enters memory and context as if it had been dreamed."""
    prepare_move(world, seen.pose)
    recalled = [recall(dreamer, world, seen.pose)]
    vectors = _vectors(dreamer, [action])
    frames, pictures = _inputs(dreamer, [world], vectors, [seen.pose], recalled)
    context = _context(dreamer, [world], pictures)
    level = torch.full_like(frames.sigma, dreamer.levels[-1])
    truth = _encode(dreamer, [seen])[:, None]
    noisy = add_noise(truth, frames.noisy, level)
    shown = FrameInputs(
        noisy, level, frames.action, frames.anchor_from_camera, frames.hint, frames.confidence,
        frames.time,
    )  # fmt: skip
    _commit(world, dreamer.model(shown, context), 0, seen, is_real=True)


def witness(world: DreamWorld, seen: Observation) -> None:
    """Let memory alone see a real frame: for the beginning of a long clip."""
    _arrive(world, seen, is_real=True)


def remember(world: DreamWorld) -> None:
    """Offer the last frame to memory, which keeps it if it shows something new."""
    seen = world.observation
    trust = TRUST_REAL if world.is_real else TRUST_DREAM
    world.memory.insert(seen.rgb, seen.depth, seen.pose, world.frame, trust)


def prepare_move(world: DreamWorld, target: Pose) -> None:
    """Renew the anchor when the camera has left it behind; cut the context after a teleport."""
    if _distance(world.observation.pose, target) > TELEPORT_M:
        world.cache.cut()
    if float(np.linalg.norm(target.position() - np.array(world.anchor))) > ANCHOR_REACH_M:
        world.anchor = _origin(target)


def recall(dreamer: Dreamer, world: DreamWorld, pose: Pose) -> list[Keyframe]:
    """The keyframes that saw what this pose is about to see, best first."""
    count = dreamer.model.config.sources - 1
    return world.memory.retrieve(pose, count=count, mode=dreamer.memory_mode)


def _target_poses(
    dreamer: Dreamer,
    worlds: Sequence[DreamWorld],
    actions: Sequence[Action],
    vectors: Tensor,  # [B, A]
    poses: Sequence[Pose | None],
) -> list[Pose]:
    """Turn by the action, then move by what the pose head expects."""
    turned = [
        world.observation.pose.turned(action.yaw_deg, action.pitch_deg)
        for world, action in zip(worlds, actions, strict=True)
    ]
    motion = [
        (*world.move, np.sin(np.radians(t.pitch_deg)), np.cos(np.radians(t.pitch_deg)))
        for world, t in zip(worlds, turned, strict=True)
    ]
    tokens = torch.stack([world.tokens for world in worlds])
    moves = dreamer.model.pose_head(
        tokens, vectors, torch.tensor(motion, dtype=torch.float32, device=dreamer.device)
    ).tolist()
    return [
        turn.moved_along(*move) if given is None else given
        for turn, move, given in zip(turned, moves, poses, strict=True)
    ]


def _vectors(dreamer: Dreamer, actions: Sequence[Action]) -> Tensor:  # [B, A]
    return torch.from_numpy(np.stack([to_vector(a) for a in actions])).to(dreamer.device)


def _inputs(
    dreamer: Dreamer,
    worlds: Sequence[DreamWorld],
    vectors: Tensor,  # [B, A]
    targets: Sequence[Pose],
    recalled: Sequence[list[Keyframe]],
) -> tuple[FrameInputs, Remembered]:
    config, device = dreamer.model.config, dreamer.device
    remembered = _remembered(dreamer, worlds, recalled)
    poses = torch.from_numpy(pose_matrices(list(targets))).to(device)
    hint, confidence = make_hint(remembered, poses, config.intrinsics)
    if config.codec != "pixels":
        hint, confidence = _encode_hint(dreamer, hint, confidence)
    shape = (config.latent_channels, *config.latent_hw)
    noise = torch.stack([frame_noise(w.seed, w.frame + 1, shape) for w in worlds]).to(device)
    frames = FrameInputs(
        noisy=noise[:, None],
        sigma=torch.ones(len(worlds), 1, device=device),
        action=vectors[:, None],
        anchor_from_camera=(_anchors(worlds, device) @ poses)[:, None],
        hint=hint[:, None],
        confidence=confidence[:, None],
        time=torch.tensor([[float(len(w.cache))] for w in worlds], device=device),
    )
    return frames, remembered


def _remembered(
    dreamer: Dreamer, worlds: Sequence[DreamWorld], recalled: Sequence[list[Keyframe]]
) -> Remembered:
    """Recalled keyframes and, as the last source, the last frame; padded to one number."""
    count = dreamer.model.config.sources
    rows = [_row(dreamer, w, keys, count) for w, keys in zip(worlds, recalled, strict=True)]
    stacked = [np.stack([row[i] for row in rows]) for i in range(6)]
    rgb, depth, poses, trust, age, valid = (torch.from_numpy(a).to(dreamer.device) for a in stacked)
    return Remembered(to_picture(rgb, depth), poses, trust, age, valid)


def _row(
    dreamer: Dreamer, world: DreamWorld, keys: list[Keyframe], count: int
) -> tuple[NDArray[np.generic], ...]:
    last = world.observation
    pad = count - 1 - len(keys)
    shown: list[tuple[NDArray[np.uint8], NDArray[np.floating], Pose]]
    shown = [(k.rgb, k.depth, k.pose) for k in keys]
    shown += [(last.rgb, last.depth, last.pose)] * (pad + 1)
    age = [world.frame + 1 - k.frame for k in keys] + [0] * (pad + 1)
    valid = [True] * len(keys) + [False] * pad + [dreamer.memory_mode != "off"]
    return (
        np.stack([rgb for rgb, _, _ in shown]),
        np.stack([np.asarray(depth, dtype=np.float32) for _, depth, _ in shown]),
        pose_matrices([pose for _, _, pose in shown]),
        np.array([k.trust for k in keys] + [TRUST_LAST] * (pad + 1), dtype=np.float32),
        np.array(age, dtype=np.float32),
        np.array(valid),
    )


def _context(
    dreamer: Dreamer, worlds: Sequence[DreamWorld], remembered: Remembered
) -> Context | None:
    """Recalled frames first, then the cached frames of each world at fresh positions."""
    model = dreamer.model
    count = model.config.recalled
    latents = _encode_pictures(dreamer, remembered.pictures[:, :count])
    anchors = _anchors(worlds, dreamer.device)[:, None]
    recalled = model.recall(
        latents, anchors @ remembered.poses[:, :count], remembered.valid[:, :count]
    )
    cached = _cached(dreamer, worlds)
    return join_contexts([recalled] if cached is None else [recalled, cached])


def _cached(dreamer: Dreamer, worlds: Sequence[DreamWorld]) -> Context | None:
    longest = max(len(world.cache) for world in worlds)
    if longest == 0:
        return None
    trunk, tokens = dreamer.model.trunk, dreamer.model.config.tokens
    read = [world.cache.read() for world in worlds]
    keys, values = (
        torch.stack([_padded(pair[i], longest * tokens) for pair in read], dim=1) for i in range(2)
    )
    time = torch.arange(longest, dtype=torch.float32, device=dreamer.device)[None]
    length = torch.tensor([len(w.cache) * tokens for w in worlds], device=dreamer.device)
    valid = torch.arange(longest * tokens, device=dreamer.device)[None] < length[:, None]
    return Context(trunk.rotate_cached(keys, time), values, valid)


def _padded(
    x: Tensor,  # [layers, L, N, E]
    length: int,
) -> Tensor:  # [layers, length, N, E]
    missing = length - x.shape[1]
    return x if missing == 0 else torch.nn.functional.pad(x, (0, 0, 0, 0, 0, missing))


def _decode(dreamer: Dreamer, prediction: Prediction, targets: Sequence[Pose]) -> list[Observation]:
    picture = dreamer.model.codec.decode(prediction.clean[:, 0])
    rgb, depth = from_picture(picture.float().clamp(-1.0, 1.0))
    frames = zip(rgb.cpu().numpy(), depth.cpu().numpy(), targets, strict=True)
    return [Observation(colour, metres, pose) for colour, metres, pose in frames]


def _commit(
    world: DreamWorld, prediction: Prediction, row: int, seen: Observation, *, is_real: bool
) -> None:
    """Make a frame the world's last one: cache, heads, memory."""
    world.cache.commit(prediction.kv.keys[:, row], prediction.kv.values[:, row])
    world.tokens = prediction.tokens[row, 0].clone()
    _arrive(world, seen, is_real=is_real)


def _arrive(world: DreamWorld, seen: Observation, *, is_real: bool) -> None:
    teleported = _distance(world.observation.pose, seen.pose) > TELEPORT_M
    moved = seen.pose.displacement_from(world.observation.pose)
    world.move = STILL if teleported else moved
    world.observation, world.is_real = seen, is_real
    world.frame += 1
    remember(world)


def _encode(dreamer: Dreamer, seen: Sequence[Observation]) -> Tensor:  # [B, C, h, w]
    pictures = [to_picture(torch.from_numpy(o.rgb), torch.from_numpy(o.depth)) for o in seen]
    encoded: Tensor = dreamer.model.codec.encode(torch.stack(pictures).to(dreamer.device))
    return encoded


def _encode_pictures(
    dreamer: Dreamer,
    pictures: Tensor,  # [B, M, 4, H, W]
) -> Tensor:  # [B, M, C, h, w]
    batch = len(pictures)
    dtype = dreamer.model.stem.weight.dtype
    flat = rearrange(pictures, "b m c h w -> (b m) c h w")
    encoded = dreamer.model.codec.encode(flat.to(dtype))
    return rearrange(encoded, "(b m) c h w -> b m c h w", b=batch)


def _encode_hint(
    dreamer: Dreamer,
    hint: Tensor,  # [B, 4, H, W]
    confidence: Tensor,  # [B, 1, H, W]
) -> tuple[Tensor, Tensor]:  # [B, C, h, w], [B, 1, h, w]
    """Latents of the hint; a latent pixel is as sure as its least sure pixel."""
    stride = dreamer.model.config.downscale
    sure = -torch.nn.functional.max_pool2d(-confidence, stride)
    latent = dreamer.model.codec.encode(hint.to(dreamer.model.stem.weight.dtype)).float()
    return latent * (sure > 0), sure


def _anchors(worlds: Sequence[DreamWorld], device: torch.device) -> Tensor:  # [B, 4, 4]
    """anchor_from_world: the world's axes, another origin."""
    anchors = torch.eye(4).repeat(len(worlds), 1, 1)
    anchors[:, :3, 3] = -torch.tensor([world.anchor for world in worlds], dtype=torch.float32)
    return anchors.to(device)


def _origin(pose: Pose) -> tuple[float, float, float]:
    return (pose.x, pose.y, pose.z)


def _distance(a: Pose, b: Pose) -> float:
    return float(np.linalg.norm(a.position() - b.position()))
