"""The event head in the model and in the engine: what a tick brought, by what is seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from dreams import LOOK_AROUND, WALK, begun, make_engine, plane_clip, plane_episode, random_model
from safetensors.torch import load_file, save_file

from worldsim.engine.engine import WorldEngine
from worldsim.engine.events import Chances, chances, outcome
from worldsim.engine.state import EngineState
from worldsim.model.checkpoint import WEIGHTS_NAME, save_checkpoint
from worldsim.model.heads import EVENTS, MOVE_SIZE, EventHead
from worldsim.model.presets import preset
from worldsim.train.batch import FIRST_TARGET, ClipConfig, sample_clips
from worldsim.types import Action

TINY = preset("tiny")


def test_the_head_of_the_shipped_size_is_small() -> None:
    assert sum(p.numel() for p in EventHead(preset("small")).parameters()) < 200_000


def test_an_untrained_head_finds_everything_as_likely_as_not() -> None:
    head = EventHead(TINY)
    logits = head(torch.randn(3, TINY.tokens, TINY.dim), torch.randn(3, MOVE_SIZE))
    assert torch.equal(logits, torch.zeros(3, len(EVENTS)))
    assert not head.is_trained
    torch.nn.init.ones_(head.out.weight)
    assert head.is_trained


def test_the_head_hears_tokens_and_motion_and_no_other_row() -> None:
    head = random_model().event_head
    tokens, move = torch.randn(2, TINY.tokens, TINY.dim), torch.randn(2, MOVE_SIZE)
    before = head(tokens, move)
    for changed in ((tokens + torch.randn_like(tokens), move), (tokens, move + 1.0)):
        assert not torch.equal(head(*changed), before)
    assert torch.allclose(head(tokens[:1], move[:1]), before[:1], atol=1e-6)


# What a tick pays


def test_a_chance_is_paid_when_it_rises_and_not_while_it_stays() -> None:
    low, high = Chances(0.2, 0.2), Chances(0.9, 0.2)
    assert outcome(low, high) == (1.0, False)
    assert outcome(high, high) == (0.0, False)
    assert outcome(high, low) == (0.0, False)


def test_an_end_lasts_as_long_as_it_is_seen() -> None:
    far, near = Chances(0.1, 0.4), Chances(0.1, 0.6)
    assert [outcome(a, b)[1] for a, b in ((far, near), (near, near), (near, far))] == [
        True,
        True,
        False,
    ]


def test_what_is_as_likely_as_not_has_not_happened() -> None:
    assert outcome(Chances(0.0, 0.0), Chances(0.5, 0.5)) == (0.0, False)


# In the engine


def test_a_step_tells_what_its_chances_say() -> None:
    engine = begun()
    told = [engine.chances]
    for action in WALK:
        step = engine.step(action)
        told.append(engine.chances)
        assert (step.reward, step.terminated) == outcome(told[-2], told[-1])
    assert len(set(told)) == len(told)


def test_chances_are_part_of_every_saved_state() -> None:
    engine = begun()
    engine.step(WALK[0])
    saved, seen = engine.snapshot().to_bytes(), engine.chances
    engine.step(WALK[1])
    other = make_engine()
    other.restore(EngineState.from_bytes(saved))
    assert other.chances == seen
    assert engine.fork().chances == engine.chances != seen


def test_chances_of_worlds_in_a_batch_are_those_of_worlds_alone() -> None:
    engines = [begun(seed=seed) for seed in (1, 2)]
    for engine, action in zip(engines, WALK, strict=False):
        engine.step(action)
    together = chances(engines[0]._dreamer, [engine._state() for engine in engines])
    for ours, theirs in zip(together, [engine.chances for engine in engines], strict=True):
        assert (ours.reward, ours.end) == pytest.approx((theirs.reward, theirs.end), abs=1e-5)


def test_an_engine_without_a_trained_head_tells_no_events(tmp_path: Path) -> None:
    save_checkpoint(random_model(), tmp_path, {})
    assert WorldEngine.from_pretrained(tmp_path, device="cpu").sees_events
    kept = load_file(tmp_path / WEIGHTS_NAME)
    save_file(
        {name: t for name, t in kept.items() if not name.startswith("event_head.")},
        tmp_path / WEIGHTS_NAME,
    )
    engine = WorldEngine.from_pretrained(tmp_path, device="cpu")
    engine.reset(clip=LOOK_AROUND, seed=1)
    assert not engine.sees_events
    for action in WALK[:2]:
        step = engine.step(action)
        assert (step.reward, step.terminated) == (0.0, False)


def test_the_head_is_trained_on_the_motion_that_the_engine_tells_it() -> None:
    actions = [Action(forward=True, yaw_deg=3.0 * i) for i in range(FIRST_TARGET)]
    actions += [Action(left=True, yaw_deg=20.0), Action(back=True)]
    clips = ClipConfig(clips=1, frames=2, sink_share=0.0)
    batch = sample_clips([plane_episode(actions)], clips, np.random.default_rng(0))
    engine, heard = begun(clip=plane_clip(actions[:FIRST_TARGET])), []
    engine._dreamer.model.event_head.register_forward_pre_hook(lambda _, given: heard.append(given))
    next_pose = plane_clip(actions).observations[FIRST_TARGET + 1].pose
    engine.step(actions[FIRST_TARGET], pose=next_pose)
    (_, before), (_, after) = heard
    assert torch.allclose(before[0], batch.motion[0, 0, :MOVE_SIZE], atol=1e-5)
    assert torch.allclose(after[0], batch.motion[0, 1, :MOVE_SIZE], atol=1e-5)
