"""From an input to changed pixels: `python -m worldsim.tools.bench_latency`.

Plays the real world through the real loop in a window, with the model held back to 10 ticks a
second, and posts mouse motion at random moments. Measured is the time from posting it until a
picture that differs has been handed to the screen. Prints the machine, versions and commit, then
median and 95th percentile without the warp and with it. Where there is no screen, Xvfb is one.
Before it measures, it checks that without input the picture stays as it is.
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import tyro
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from worldsim.engine.clock import RealClock
from worldsim.errors import BackendError, ConfigError
from worldsim.evaluate.machine import describe_machine
from worldsim.play.app import PlayConfig, Session, quiet_pygame
from worldsim.play.stats import installed_versions
from worldsim.play.window import (
    Event,
    Key,
    MouseMoved,
    PresenterName,
    Quit,
    View,
    WarpName,
    Window,
)
from worldsim.record.worlds import MadeWorld, SceneWorld, WorldConfig, make_world
from worldsim.types import Action, Observation, StepResult

SETTLE_S = 4.0  # the first message has gone
STILL_S = 0.5
PAUSE_S = (0.15, 0.35)  # between two motions: longer than a tick and its wake
PATIENCE_S = 3.0
FRAME_HZ = 60
MOTION_PX = 60  # seven degrees
CHANGED_LEVELS, CHANGED_SHARE = 12, 0.01  # of a picture's pixels


@dataclass(frozen=True, kw_only=True)
class BenchLatencyConfig:
    """What to measure."""

    warps: tuple[WarpName, ...] = ("off", "rotation", "parallax")
    motions: int = 40
    """How many inputs for each warp."""
    hz: float = 10.0
    """The model's ticks a second at most."""
    presenter: PresenterName = "auto"
    width: int = 640
    height: int = 400

    def __post_init__(self) -> None:
        if self.motions < 10 or not 0.5 <= self.hz <= 20.0:
            raise ConfigError(
                "10 motions or more, and 0.5 to 20 ticks a second",
                f"{self.motions} motions, {self.hz:g} ticks a second",
                "Correct the settings.",
            )


@dataclass(frozen=True)
class Measured:
    """One warp's figures."""

    latencies_ms: NDArray[np.float64]  # [motions]
    model_hz: float
    presenter: str


class ThrottledWorld:
    """A world whose ticks take a set time at least."""

    def __init__(self, world: SceneWorld, period_s: float) -> None:
        self.world = world
        self.intrinsics = world.intrinsics
        self._period_s = period_s

    def reset(self, *, seed: int | None = None, scene: str | None = None) -> Observation:
        return self.world.reset(seed=seed, scene=scene)

    def step(self, action: Action) -> StepResult:
        end_s = time.perf_counter() + self._period_s
        result = self.world.step(action)
        time.sleep(max(end_s - time.perf_counter(), 0.0))
        return result

    def close(self) -> None:
        self.world.close()


class WatchedWindow:
    """A window into which input can be posted, and that tells when what it shows has changed."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._posted: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._asked = threading.Event()
        self._ready = threading.Event()
        self._changed = threading.Event()
        self._before: NDArray[np.uint8] | None = None
        self._changed_s = 0.0

    def post(self, event: Event) -> None:
        """On the hand's thread: the next `poll` gives it."""
        self._posted.put(event)

    def remember(self) -> None:
        """On the hand's thread: from here on, watch for another picture than the present one."""
        self._ready.clear()
        self._changed.clear()
        self._asked.set()
        self._ready.wait(PATIENCE_S)

    def change(self, patience_s: float) -> float | None:
        """On the hand's thread: when it came, on `perf_counter`; None if it did not."""
        return self._changed_s if self._changed.wait(patience_s) else None

    @property
    def size(self) -> tuple[int, int]:
        return self._window.size

    @property
    def refresh_hz(self) -> float:
        return self._window.refresh_hz

    @property
    def on_gpu(self) -> bool:
        return self._window.on_gpu

    def poll(self) -> list[Event]:
        if self._asked.is_set():
            self._asked.clear()
            self._before = self._window.screenshot()
            self._ready.set()
        posted = [self._posted.get() for _ in range(self._posted.qsize())]
        return [*self._window.poll(), *posted]

    def present(self, view: View, /) -> None:
        self._window.present(view)
        shown_s = time.perf_counter()
        if self._before is not None and _differs(self._before, self._window.screenshot()):
            self._before, self._changed_s = None, shown_s
            self._changed.set()

    def screenshot(self) -> NDArray[np.uint8] | None:
        return self._window.screenshot()

    def knows_key(self, name: str, /) -> bool:
        return self._window.knows_key(name)

    def grab_mouse(self, grabbed: bool, /) -> None:
        self._window.grab_mouse(grabbed)

    def toggle_fullscreen(self) -> None:
        self._window.toggle_fullscreen()

    def close(self) -> None:
        self._window.close()


class Hand(threading.Thread):
    """Posts input at moments that no other thread knows."""

    def __init__(self, window: WatchedWindow, motions: int) -> None:
        super().__init__(name="hand", daemon=True)
        self.latencies_ms: list[float] = []
        self.was_still = False
        self._window = window
        self._motions = motions
        self._rng = np.random.default_rng(0)

    def run(self) -> None:
        for key in ("f1", "mouse left"):  # hides numbers that change; takes the mouse
            self._window.post(Key(key, down=True))
            self._window.post(Key(key, down=False))
        time.sleep(SETTLE_S)
        self._window.remember()
        self.was_still = self._window.change(STILL_S) is None
        for number in range(2 * self._motions if self.was_still else 0):
            if len(self.latencies_ms) < self._motions:  # a frame may come just before the motion
                self._move(MOTION_PX if number % 2 else -MOTION_PX)
        self._window.post(Quit())

    def _move(self, dx_px: int) -> None:
        self._rest()
        posted_s = time.perf_counter()
        self._window.post(MouseMoved(dx_px, 0.0))
        changed_s = self._window.change(PATIENCE_S)
        if changed_s is not None and changed_s > posted_s:
            self.latencies_ms.append((changed_s - posted_s) * 1e3)

    def _rest(self) -> None:
        """Until the last motion's frame is there: a machine may be slow to show it."""
        changed = True
        while changed:
            time.sleep(self._rng.uniform(*PAUSE_S))
            self._window.remember()
            changed = self._window.change(self._rng.uniform(0.0, 0.05)) is not None


def main(argv: Sequence[str] | None = None) -> int:
    config = tyro.cli(BenchLatencyConfig, args=argv, description=__doc__)
    console = Console()
    console.print_json(data=describe_machine() | installed_versions("pygame-ce", "moderngl"))
    table = Table("warp", "window", "model Hz", "p50 ms", "p95 ms", "p95 in frames of 60 Hz")
    with _screen(), _usual_keys():
        for warp in config.warps:
            got = measure(config, warp)
            p50, p95 = np.percentile(got.latencies_ms, (50, 95))
            frames = p95 * FRAME_HZ / 1e3
            told = (f"{got.model_hz:.1f}", f"{p50:.1f}", f"{p95:.1f}", f"{frames:.2f}")
            table.add_row(warp, got.presenter, *told)
    console.print(table)
    return 0


def measure(config: BenchLatencyConfig, warp: WarpName) -> Measured:
    """Play until all motions have been posted.

    Raises:
        BackendError: if pixels change without input, or do not change after it.
    """
    quiet_pygame()
    from worldsim.play.pygame_window import PygameWindow, WindowConfig  # SDL: heavy

    inner = PygameWindow(
        WindowConfig(width=config.width, height=config.height, presenter=config.presenter)
    )
    window = WatchedWindow(inner)
    hand = Hand(window, config.motions)
    clock = RealClock()
    session = Session(
        config=PlayConfig(world="real", warp=warp),
        make=lambda asked: _throttled(asked, 1.0 / config.hz),
        clock=clock,
        started_at_s=clock.now(),
    )
    hand.start()
    try:
        report = session.play(window, scripted=False)
    finally:
        inner.close()
    if not hand.was_still or len(hand.latencies_ms) < config.motions:
        raise BackendError(
            "a picture that changes when the mouse moves, and only then",
            f"{len(hand.latencies_ms)} changes after {config.motions} motions",
            "Run tests/test_window.py on this machine before measuring.",
        )
    return Measured(np.array(hand.latencies_ms), report.fps, inner.presenter.name)


def _throttled(config: WorldConfig, period_s: float) -> MadeWorld:
    made = make_world(config)
    return replace(made, world=ThrottledWorld(made.world, period_s))


def _differs(before: NDArray[np.uint8], now: NDArray[np.uint8] | None) -> bool:
    if now is None or now.shape != before.shape:
        return False
    change = np.abs(now[::4, ::4].astype(np.int16) - before[::4, ::4]).max(axis=2)
    return bool((change > CHANGED_LEVELS).mean() > CHANGED_SHARE)


@contextlib.contextmanager
def _screen() -> Iterator[None]:
    """The screen that there is, or one in memory."""
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        yield
        return
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x800x24", "-noreset"]
    try:
        server = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    except OSError as error:
        raise BackendError("a screen, or Xvfb", str(error), "Install Xvfb.") from error
    os.close(write)
    with os.fdopen(read) as number:
        os.environ["DISPLAY"] = f":{number.readline().strip()}"
    try:
        yield
    finally:
        del os.environ["DISPLAY"]
        server.terminate()
        server.wait()


@contextlib.contextmanager
def _usual_keys() -> Iterator[None]:
    """The bundled keymap, whatever the player's own is."""
    usual = os.environ.get("XDG_CONFIG_HOME")
    with tempfile.TemporaryDirectory() as empty:
        os.environ["XDG_CONFIG_HOME"] = empty
        try:
            yield
        finally:
            os.environ.pop("XDG_CONFIG_HOME")
            if usual is not None:
                os.environ["XDG_CONFIG_HOME"] = usual


if __name__ == "__main__":
    raise SystemExit(main())
