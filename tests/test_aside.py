"""Threads: one for small operations, all for networks, a second one for what is beside a hint."""

from __future__ import annotations

import multiprocessing as mp
import threading
from collections.abc import Callable
from concurrent.futures import Future
from multiprocessing.queues import Queue

import numpy as np
import pytest
import torch
from dreams import begun, plane_clip
from numpy.typing import NDArray

from worldsim.engine import aside
from worldsim.kernels.threads import all_threads, one_thread
from worldsim.types import Action


def dreamed() -> list[NDArray[np.uint8]]:
    engine = begun(clip=plane_clip([Action(yaw_deg=30.0)] * 3))
    actions = [Action(forward=True, yaw_deg=20.0 - 9.0 * i) for i in range(9)]
    return [engine.step(action).observation.rgb for action in actions]


def at_once(work: Callable[[], object]) -> Future[object]:
    done: Future[object] = Future()
    done.set_result(aside._without_gradients(work))
    return done


def test_the_second_thread_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    beside = dreamed()
    monkeypatch.setattr(aside, "_aside", at_once)
    assert all(np.array_equal(a, b) for a, b in zip(beside, dreamed(), strict=True))


def test_what_fails_in_the_second_thread_fails_in_the_first() -> None:
    with pytest.raises(ZeroDivisionError):
        aside._aside(lambda: 1 / 0).result()


@pytest.mark.skipif("fork" not in mp.get_all_start_methods(), reason="the system cannot fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_has_a_second_thread_of_its_own() -> None:
    aside._aside(lambda: None).result()
    fork = mp.get_context("fork")
    told = fork.Queue()
    with one_thread():  # the threads of torch itself do not survive a fork
        child = fork.Process(target=_answer_aside, args=(told,))
        child.start()
    assert told.get(timeout=60) == "aside"
    child.join()


def _answer_aside(told: Queue[str]) -> None:
    told.put(aside._aside(lambda: "aside").result(timeout=30))


def test_threads_are_as_many_as_before_afterwards() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with one_thread():
            assert torch.get_num_threads() == 1
            with all_threads():
                assert torch.get_num_threads() == 3
                with one_thread(), all_threads():
                    assert torch.get_num_threads() == 3
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 3
        with pytest.raises(ValueError, match="inside"), one_thread():
            raise ValueError("inside")
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_every_thread_of_python_counts_its_own() -> None:
    seen: list[int] = []

    def count() -> None:
        torch.set_num_threads(2)
        with all_threads():
            seen.append(torch.get_num_threads())

    before = torch.get_num_threads()
    try:
        with one_thread():
            thread = threading.Thread(target=count)
            thread.start()
            thread.join()
        assert seen == [2]
    finally:
        torch.set_num_threads(before)
