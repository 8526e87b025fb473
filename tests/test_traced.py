"""Functions of tensors that run without Python once they have been traced."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from worldsim.model.traced import AFTER, traced, traces_at_once


@dataclass(frozen=True, kw_only=True)
class Pair:
    left: Tensor
    right: Tensor | None = None


class Spy:
    """Mixes its inputs, and counts how often Python runs it."""

    def __init__(self) -> None:
        self.runs = 0
        self.mix = traced(self._mix)

    def _mix(self, pair: Pair, share: float, *, offset: Tensor) -> tuple[Pair, Tensor]:
        self.runs += 1
        other = pair.left.flip(0) if pair.right is None else pair.right
        mixed = torch.lerp(pair.left, other, share).sin() + offset
        return Pair(left=mixed), mixed.nonzero()


def inputs(seed: int, size: int = 5) -> Pair:
    g = torch.Generator().manual_seed(seed)
    return Pair(left=torch.randn(size, generator=g), right=torch.randn(size, generator=g))


@torch.inference_mode()
def test_a_trace_gives_what_the_function_gives_bit_for_bit() -> None:
    spy, offset = Spy(), torch.tensor(0.25)
    for seed in range(2 * AFTER + 2):
        pair, where = spy.mix(inputs(seed), 0.3, offset=offset)
        expected, there = spy._mix(inputs(seed), 0.3, offset=offset)
        assert torch.equal(pair.left, expected.left) and pair.right is None
        assert torch.equal(where, there)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64, torch.int64])
@torch.inference_mode()
def test_numbers_mean_what_they_meant_whatever_they_meet(dtype: torch.dtype) -> None:
    def reckon(x: Tensor) -> tuple[Tensor, Tensor]:
        shifted = (1 - x * 0.1 + 16_777_217) / 3
        return shifted.add_(0.7) if shifted.is_floating_point() else shifted, x.sum() * 0.3

    run, x = traced(reckon), torch.arange(-4, 60).to(dtype)
    for _ in range(AFTER + 2):
        for made, expected in zip(run(x), reckon(x), strict=True):
            assert made.dtype == expected.dtype and torch.equal(made, expected)


@torch.inference_mode()
def test_python_runs_a_traced_function_no_more() -> None:
    spy, offset = Spy(), torch.tensor(0.0)
    for seed in range(AFTER + 20):
        spy.mix(inputs(seed), 0.3, offset=offset)
    assert spy.runs == AFTER + 1  # and once to trace it


@torch.inference_mode()
def test_where_it_is_asked_for_the_first_call_makes_the_trace() -> None:
    spy, offset = Spy(), torch.tensor(0.0)
    with traces_at_once():
        for seed in range(3):
            spy.mix(inputs(seed), 0.3, offset=offset)
    assert spy.runs == 1
    for seed in range(AFTER):
        spy.mix(inputs(seed, 7), 0.3, offset=offset)
    assert spy.runs == 1 + AFTER


@torch.inference_mode()
def test_other_shapes_types_and_values_are_traced_apart() -> None:
    spy = Spy()
    for round_ in range(2 * AFTER):
        for pair in (inputs(round_), inputs(round_, 7), Pair(left=inputs(round_).left.double())):
            for share in (0.1, 0.9):
                offset = torch.tensor(float(round_), dtype=pair.left.dtype)
                mixed, _ = spy.mix(pair, share, offset=offset)
                assert torch.equal(mixed.left, spy._mix(pair, share, offset=offset)[0].left)


def test_gradients_flow_as_if_there_were_no_trace() -> None:
    spy = Spy()
    for seed in range(AFTER + 2):
        pair = inputs(seed)
        pair.left.requires_grad_()
        mixed, _ = spy.mix(pair, 0.3, offset=torch.tensor(0.0))
        mixed.left.sum().backward()
        assert pair.left.grad is not None
    assert spy.runs == AFTER + 2


@torch.inference_mode()
def test_inputs_that_never_come_twice_cost_no_trace() -> None:
    spy, offset = Spy(), torch.tensor(0.0)
    for size in range(1, 200):
        spy.mix(inputs(0, size), 0.3, offset=offset)
    assert spy.runs == 199


@torch.inference_mode()
def test_weights_in_training_are_used_untraced() -> None:
    with torch.inference_mode(False):
        layer = torch.nn.Linear(5, 5)
    run = traced(layer.forward)
    for seed in range(AFTER + 3):
        assert torch.equal(run(inputs(seed).left), layer(inputs(seed).left))


def test_one_trace_is_made_at_a_time_and_none_of_them_warns(
    recwarn: pytest.WarningsRecorder,
) -> None:
    at_once, most = 0, 0

    def mix(picture: Tensor) -> Tensor:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        time.sleep(0.05)
        at_once -= 1
        return picture * len(picture) if len(picture) > 3 and picture.shape[0] else picture

    def call() -> None:
        with torch.inference_mode():
            traced(mix)(torch.ones(5))

    with traces_at_once():
        threads = [threading.Thread(target=call) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert most == 1
    assert not [w for w in recwarn if issubclass(w.category, torch.jit.TracerWarning)]
