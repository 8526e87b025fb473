"""Where a training process runs: its device, its time, and the processes beside it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest
import torch
from fakes import FakeClock
from torch import nn

from worldsim.errors import BackendError
from worldsim.train.runtime import Runtime


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(BackendError, match="tpu"):
        Runtime.start("tpu", 1.0)


def test_a_runtime_measures_its_time_by_its_clock() -> None:
    clock = FakeClock()
    runtime = Runtime(torch.device("cpu"), 0, 1, 10.0, clock, clock.now())
    clock.spend(9.0)
    assert not runtime.time_is_up()
    assert runtime.time_is_up(reserve_s=2.0)
    clock.spend(2.0)
    assert runtime.elapsed_s() == 11.0
    assert runtime.time_is_up()


SECOND_PROCESS = """
import torch
from worldsim.train.runtime import Runtime
runtime = Runtime.start("cpu", 1e9)
model = torch.nn.Linear(2, 1)
for parameter in model.parameters():
    parameter.grad = torch.full_like(parameter, 3.0)
runtime.average_gradients(model)
assert all((p.grad == 2.0).all() for p in model.parameters())
assert runtime.time_is_up()
runtime.close()
"""


def test_two_processes_average_their_gradients_and_stop_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    command = [sys.executable, "-c", SECOND_PROCESS]
    second = subprocess.Popen(command, env={**os.environ, **shared, "RANK": "1"})
    for name, value in {**shared, "RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    runtime = Runtime.start("cpu", 0.0)
    try:
        assert runtime.leads
        model = nn.Linear(2, 1)
        for parameter in model.parameters():
            parameter.grad = torch.full_like(parameter, 1.0)
        runtime.average_gradients(model)
        assert all((p.grad == 2.0).all() for p in model.parameters() if p.grad is not None)
        assert runtime.time_is_up()  # for this process alone it is; the other one has ages left
        assert second.wait(timeout=120) == 0
    finally:
        runtime.close()
        second.kill()
        second.wait()


def test_alone_gradients_stay_as_they_are() -> None:
    model, clock = nn.Linear(2, 1), FakeClock()
    model.weight.grad = torch.ones(1, 2)
    Runtime(torch.device("cpu"), 0, 1, 1.0, clock, 0.0).average_gradients(model)
    assert torch.equal(model.weight.grad, torch.ones(1, 2))
