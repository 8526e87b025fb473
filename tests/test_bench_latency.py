"""The latency benchmark's own parts; the whole needs a screen and half a minute."""

from __future__ import annotations

import threading
import time

import numpy as np
from fakes_play import FakePlayWorld, FakeWindow
from numpy.typing import NDArray

from worldsim.play.hud import Hud
from worldsim.play.window import MouseMoved, View
from worldsim.tools.bench_latency import ThrottledWorld, WatchedWindow
from worldsim.types import Action


class PaintedWindow(FakeWindow):
    """A window that shows one grey, as bright as the views' turns say."""

    def screenshot(self) -> NDArray[np.uint8]:
        level = self.views[-1].frame_from_view[0, 0] if self.views else 0.0
        return np.full((8, 8, 3), level, np.uint8)


def view(level: float) -> View:
    return View(rgb=None, fov_y_deg=60.0, frame_from_view=np.eye(3) * level, hud=Hud())


def test_a_change_is_told_when_it_has_been_presented_and_a_like_picture_is_none() -> None:
    window = WatchedWindow(PaintedWindow())
    hand = threading.Thread(target=window.remember)
    hand.start()
    while hand.is_alive():
        window.poll()
    window.present(view(5.0))
    assert window.change(0.0) is None
    before_s = time.perf_counter()
    window.present(view(200.0))
    changed_s = window.change(0.0)
    assert changed_s is not None
    assert before_s <= changed_s <= time.perf_counter()


def test_posted_input_comes_out_of_the_window_once() -> None:
    window = WatchedWindow(FakeWindow())
    window.post(MouseMoved(3.0, 0.0))
    assert [window.poll(), window.poll()] == [[MouseMoved(3.0, 0.0)], []]


def test_a_throttled_tick_takes_its_time() -> None:
    world = ThrottledWorld(FakePlayWorld(), 0.02)
    started_s = time.perf_counter()
    world.step(Action())
    assert time.perf_counter() - started_s >= 0.02
