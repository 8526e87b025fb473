"""Who runs a kernel, with and without Triton."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest
import torch

from worldsim.errors import BackendError
from worldsim.kernels import dispatch
from worldsim.kernels.dispatch import use_triton

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def test_left_to_itself_triton_runs_on_cuda_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "triton", object())
    assert use_triton("splat", CUDA, "auto")
    assert not use_triton("splat", CPU, "auto")


def test_who_is_asked_for_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "triton", object())
    assert use_triton("splat", CPU, "triton")
    assert not use_triton("splat", CUDA, "torch")


def test_without_triton_the_reference_runs_and_asking_for_triton_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dispatch, "triton", None)
    assert not use_triton("splat", CUDA, "auto")
    with pytest.raises(BackendError, match="pip install triton"):
        use_triton("splat", CUDA, "triton")


def test_the_choice_and_its_reason_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "worldsim.kernels"):
        use_triton("splat", CPU, "torch")
    assert caplog.messages == ["splat: torch on cpu (torch)"]


def test_the_kernels_can_be_imported_and_used_without_triton() -> None:
    program = """
import sys
sys.modules["triton"] = None
import torch
from worldsim.kernels.raycast import raycast
from worldsim.kernels.splat import Surfels, splat
splat(Surfels(*torch.zeros(6, 1, 4)), height=2, width=3)
raycast(torch.zeros(1, 2, 2, 2, dtype=torch.uint8), *torch.ones(2, 1, 4, 3), max_distance=1.0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
