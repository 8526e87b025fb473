"""Dreaming: the functions that advance a batch of worlds by a frame, or show them a real one."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from worldsim.camera import pose_matrices
from worldsim.engine.aside import context_aside, foresee
from worldsim.engine.assemble import (
    Dreamer,
    action_vectors,
    as_pictures,
    frame_inputs,
    recall,
)
from worldsim.engine.bounds import bounded
from worldsim.engine.context import context_of
from worldsim.engine.dream_world import (
    STILL,
    DreamWorld,
    arrive,
    has_just_taken,
    origin,
    prepare_move,
    remember,
    with_holes,
)
from worldsim.engine.footing import Surroundings, lookout, step_on, underfoot
from worldsim.engine.imagine import completed, landed
from worldsim.engine.kv_cache import KVCache
from worldsim.engine.lattice import aligned, has_cells
from worldsim.engine.recollect import in_full, recollect
from worldsim.kernels.threads import all_threads, one_thread
from worldsim.memory.bank import MemoryBank
from worldsim.memory.retrieve import MemoryMode
from worldsim.model.heads import settled
from worldsim.model.outpainter import COARSE_PX, wholly_unknown
from worldsim.model.picture import from_picture
from worldsim.model.sampler import add_noise, denoise
from worldsim.model.world_model import FrameInputs, Prediction
from worldsim.types import Action, Clip, Observation, Pose

WALL_VIEWS, GROUND_VIEWS = 3, 6  # keyframes that are asked for what is ahead, and underfoot
STILL_M = 1e-3  # a body settles on the ground by ever smaller moves
SHOWN_LEVEL = 0.3  # noise level at which real frames enter the context


def new_world(dreamer: Dreamer, seed: int, first: Observation, memory: MemoryBank) -> DreamWorld:
    """A world that has seen one real frame."""
    config, weight = dreamer.model.config, dreamer.model.stem.weight
    world = DreamWorld(
        seed=seed,
        frame=0,
        observation=first,
        left=first,
        is_real=True,
        move=STILL,
        anchor=origin(first.pose),
        tokens=torch.zeros(config.tokens, config.dim, dtype=weight.dtype, device=weight.device),
        cache=KVCache(config, weight.dtype, weight.device),
        memory=memory,
        horizon=origin(first.pose),
    )
    remember(world)
    return world


def begin(dreamer: Dreamer, seed: int, clip: Clip) -> DreamWorld:
    """A world that saw a clip: memory all of it, the context its last frames."""
    memory = MemoryBank(dreamer.model.config.intrinsics)
    first, *rest = clip.observations
    world = new_world(dreamer, seed, first, memory)
    world.has_cells = has_cells(clip.observations, memory.intrinsics)
    unmodelled = len(rest) - dreamer.model.config.context
    for i, (action, seen) in enumerate(zip(clip.actions, rest, strict=True)):
        if i < unmodelled:
            witness(world, action, seen)
        else:
            absorb(dreamer, world, action, seen)
    return world


@torch.inference_mode()
def advance(
    dreamer: Dreamer,
    worlds: Sequence[DreamWorld],
    actions: Sequence[Action],
    poses: Sequence[Pose | None],
) -> None:
    """Dream the next frame of each world, at the dreamed pose or at the one given."""
    with one_thread() if len(worlds) == 1 else nullcontext():
        _advance(dreamer, worlds, actions, poses)


def _advance(
    dreamer: Dreamer,
    worlds: Sequence[DreamWorld],
    actions: Sequence[Action],
    poses: Sequence[Pose | None],
) -> None:
    with dreamer.metrics.stage("pose"):
        vectors = action_vectors(dreamer, actions)
        targets = _target_poses(dreamer, worlds, actions, vectors, poses)
    each = list(zip(worlds, targets, actions, strict=True))
    changing = [i for i, one in enumerate(each) if not _stays(*one)]
    for i in set(range(len(each))).difference(changing):
        last = worlds[i]
        arrive(last, last.observation, actions[i], is_real=last.is_real, left=last.left)
    if changing:
        _dream(
            dreamer,
            [worlds[i] for i in changing],
            [actions[i] for i in changing],
            [targets[i] for i in changing],
            vectors[changing],
        )


def _stays(world: DreamWorld, target: Pose, action: Action) -> bool:
    """Whether nothing moves, is taken or touched: then the last frame is the next one, too."""
    here = world.observation.pose
    turns = (target.yaw_deg, target.pitch_deg) != (here.yaw_deg, here.pitch_deg)
    moves = float(np.abs(target.position() - here.position()).max()) > STILL_M
    return not (turns or moves or action.attack or action.use or has_just_taken(world))


def _dream(
    dreamer: Dreamer,
    worlds: Sequence[DreamWorld],
    actions: Sequence[Action],
    targets: Sequence[Pose],
    vectors: Tensor,  # [B, A]
) -> None:
    metrics = dreamer.metrics
    for world, target in zip(worlds, targets, strict=True):
        prepare_move(world, target)
    with metrics.stage("retrieve"):
        recalled = [recall(dreamer, w, pose) for w, pose in zip(worlds, targets, strict=True)]
    with metrics.stage("hint"):
        is_new = [landed(dreamer, world) for world in worlds]
        sight = in_full(dreamer)
        foreseen = [
            foresee(dreamer, world, target, sight, new)
            for world, target, new in zip(worlds, targets, is_new, strict=True)
        ]
        context = context_aside(dreamer, worlds, recalled)
        hints = recollect(dreamer, worlds, targets, recalled, sight)
    with metrics.stage("imagine"):
        hints = completed(dreamer, worlds, targets, recalled, hints, foreseen)
    with metrics.stage("context"):
        frames = frame_inputs(dreamer, worlds, vectors, targets, hints)
        attended = context.result()
    with metrics.stage("denoise"), all_threads():
        prediction = denoise(dreamer.denoiser, frames, attended, dreamer.levels)
    with metrics.stage("decode"), all_threads():
        observations = _decode(dreamer, worlds, prediction, frames, targets)
        guessed = _guessed(dreamer, frames)
    with metrics.stage("remember"):
        for i, world in enumerate(worlds):
            world.recalled = tuple(recalled[i])
            _commit(world, prediction, i)
            left = with_holes(observations[i], guessed[i])
            arrive(world, observations[i], actions[i], is_real=False, left=left)


@torch.inference_mode()
def absorb(dreamer: Dreamer, world: DreamWorld, action: Action, seen: Observation) -> None:
    """Show a world a real frame instead: it enters memory and context as if it had been dreamed."""
    prepare_move(world, seen.pose)
    recalled = [recall(dreamer, world, seen.pose)]
    vectors = action_vectors(dreamer, [action])
    hints = recollect(dreamer, [world], [seen.pose], recalled, in_full(dreamer))
    frames = frame_inputs(dreamer, [world], vectors, [seen.pose], hints)
    context = context_of(dreamer, [world], recalled)
    level = torch.full_like(frames.sigma, SHOWN_LEVEL)
    truth = dreamer.model.encode(as_pictures(dreamer, [seen])[:, None])
    noisy = add_noise(truth, frames.noisy, level)
    shown = replace(frames, noisy=noisy, sigma=level)
    _commit(world, dreamer.denoiser(shown, context), 0)
    arrive(world, seen, action, is_real=True)


def witness(world: DreamWorld, action: Action, seen: Observation) -> None:
    """Let memory alone see a real frame: for the beginning of a long clip."""
    arrive(world, seen, action, is_real=True)


def _target_poses(
    dreamer: Dreamer,
    worlds: Sequence[DreamWorld],
    actions: Sequence[Action],
    vectors: Tensor,  # [B, A]
    poses: Sequence[Pose | None],
) -> list[Pose]:
    """Turn by the action, then move by what the pose head expects and the ground allows."""
    turned = [
        world.observation.pose.turned(action.yaw_deg, action.pitch_deg)
        for world, action in zip(worlds, actions, strict=True)
    ]
    motion = [
        (*world.move, np.sin(np.radians(t.pitch_deg)), np.cos(np.radians(t.pitch_deg)))
        for world, t in zip(worlds, turned, strict=True)
    ]
    tokens = torch.stack([world.tokens for world in worlds])
    motion_B5 = torch.tensor(motion, dtype=torch.float32, device=dreamer.device)
    moves = settled(dreamer.model.pose_head(tokens, vectors, motion_B5)).tolist()
    return [
        _grounded(dreamer, world, turn, turn.moved_along(right, 0.0, forward), action)
        if given is None
        else given
        for world, turn, (right, forward), action, given in zip(
            worlds, turned, moves, actions, poses, strict=True
        )
    ]


def _grounded(dreamer: Dreamer, world: DreamWorld, here: Pose, there: Pose, action: Action) -> Pose:
    """The move as far as the surfaces that memory and the last frame show allow it."""
    if dreamer.memory_mode is MemoryMode.OFF:
        return there
    known = world.memory.retrieve(lookout(here, there), count=WALL_VIEWS)
    if not known:
        return there
    points = [dreamer.prepared.surface(key) for key in known]
    points.append(dreamer.prepared.close_by(world.observation))

    def ground() -> Surroundings:
        witnesses = world.memory.witnesses(underfoot(there), count=GROUND_VIEWS)
        more = [dreamer.prepared.surface(key) for key in witnesses if key not in known]
        return Surroundings(np.concatenate(points + more))

    around = Surroundings(np.concatenate(points))
    return step_on(around, ground, here, there, world.move[1], jump=action.jump)


def _decode(
    dreamer: Dreamer,
    worlds: Sequence[DreamWorld],
    prediction: Prediction,
    frames: FrameInputs,
    targets: Sequence[Pose],
) -> list[Observation]:
    model, device = dreamer.model, dreamer.device
    picture = model.decode(prediction.clean)[:, 0]
    real = torch.tensor([world.is_real for world in worlds], device=device)
    celled = torch.tensor([world.has_cells for world in worlds], device=device)
    poses = torch.from_numpy(pose_matrices(list(targets))).to(device)
    picture = bounded(picture, frames, real=real, alone=not model.outpainter.is_trained)
    picture = aligned(picture.clamp(-1.0, 1.0), poses, model.config.intrinsics, celled)
    rgb, depth = from_picture(picture)
    dreamed = zip(rgb.cpu().numpy(), depth.cpu().numpy(), targets, strict=True)
    return [Observation(colour, metres, pose) for colour, metres, pose in dreamed]


def _guessed(dreamer: Dreamer, frames: FrameInputs) -> NDArray[np.bool_]:  # [B, H, W]
    """Where neither memory nor a look ahead knew anything: soon, a look will.

    Remembered, what stands there meanwhile would be known, and no look would ever be asked for it.
    Weights without an outpainter have to invent it, and remember that.
    """
    squares = wholly_unknown(frames.confidence[:, 0]) * float(dreamer.model.outpainter.is_trained)
    pixels = F.interpolate(squares, scale_factor=COARSE_PX)[:, 0]
    guessed: NDArray[np.bool_] = pixels.cpu().numpy() > 0
    return guessed


def _commit(world: DreamWorld, prediction: Prediction, row: int) -> None:
    """Keep what the network made of the frame that arrives: cache, and tokens for the heads."""
    world.cache.commit(prediction.kv.keys[:, row], prediction.kv.values[:, row])
    world.tokens = prediction.tokens[row, 0].clone()
