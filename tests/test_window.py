"""The real window, on a virtual screen, in a process of its own (SDL wants the main thread)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytestmark = pytest.mark.skipif(
    shutil.which("Xvfb") is None, reason="needs Xvfb, a screen without a monitor"
)

PROGRAM = """
import json, shutil, subprocess, sys, time
import numpy as np
from worldsim.play.finish import Finish
from worldsim.play.hud import Hud
from worldsim.play.keymap import default_keymap
from worldsim.play.pygame_window import PygameWindow, WindowConfig
from worldsim.play.warp import rotation_between
from worldsim.play.window import Key, MouseMoved, View
from worldsim.types import Pose

def present(window, folder, name):
    rows, columns = np.mgrid[:80, :128]
    rgb = np.stack((columns * 2, rows * 3, 255 - columns), axis=-1).astype(np.uint8)
    turn = rotation_between(Pose(0, 0, 0), Pose(0, 0, 0, 5.0, -3.0))
    window.present(View(rgb=None, fov_y_deg=60.0, frame_from_view=turn, hud=Hud(title="Loading")))
    window.present(View(rgb=rgb, fov_y_deg=60.0, frame_from_view=turn, hud=Hud()))
    np.save(f"{folder}/{name}.npy", window.screenshot())
    depth = (2.0 + columns / 16.0).astype(np.float32)
    moved = dict(shift=np.array((0.2, 0.1, -0.3)), depth=depth)
    window.present(View(rgb=rgb, fov_y_deg=60.0, frame_from_view=turn, hud=Hud(), **moved))
    np.save(f"{folder}/{name}-moved.npy", window.screenshot())
    squares = dict(frame_from_view=np.eye(3), finish=Finish(sharpness=0.5, squares=True))
    window.present(View(rgb=rgb, fov_y_deg=60.0, hud=Hud(), **squares))
    np.save(f"{folder}/{name}-squares.npy", window.screenshot())
    return [window.presenter.name, window.reason]

def press(window):
    window.poll()
    window.grab_mouse(True)
    subprocess.run("xdotool key w click 3 mousemove_relative -- 40 -10".split(), check=True)
    seen = []
    for _ in range(300):
        seen += window.poll()
        if any(isinstance(event, MouseMoved) and event.dx_px for event in seen):
            break
        time.sleep(0.01)
    window.grab_mouse(False)
    moves = [event for event in seen if isinstance(event, MouseMoved)]
    return {
        "keys": [[event.name, event.down] for event in seen if isinstance(event, Key)],
        "moved": [sum(event.dx_px for event in moves), sum(event.dy_px for event in moves)],
    }

told = {}
for name in ("gl", "surface", "auto"):
    window = PygameWindow(WindowConfig(width=640, height=440, presenter=name))
    told[name] = present(window, sys.argv[1], name)
    told["unknown"] = [k for k in default_keymap().target_of if not window.knows_key(k)]
    told["known"] = window.knows_key("spcae")
    if name == "auto" and shutil.which("xdotool"):
        told["input"] = press(window)
    window.close()
print(json.dumps(told))
"""


@dataclass(frozen=True)
class Shown:
    """What the program above told, and where its screenshots are."""

    told: dict[str, Any]
    folder: Path

    def picture(self, presenter: str) -> NDArray[np.int64]:  # [H, W, 3]
        return np.load(self.folder / f"{presenter}.npy").astype(int)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x800x24", "-noreset"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as number:
        display = f":{number.readline().strip()}"
    folder = tmp_path_factory.mktemp("shown")
    try:
        yield Shown(_run(display, folder), folder)
    finally:
        server.terminate()
        server.wait()


def _run(display: str, folder: Path) -> dict[str, Any]:
    hidden = {"SDL_VIDEODRIVER", "WAYLAND_DISPLAY"}
    environment = {k: v for k, v in os.environ.items() if k not in hidden} | {"DISPLAY": display}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_opengl_and_a_plain_surface_show_the_same_picture(shown: Shown) -> None:
    gl, surface = shown.picture("gl"), shown.picture("surface")
    assert (shown.told["gl"][0], shown.told["surface"][0]) == ("gl", "surface")
    assert gl.shape == surface.shape == (440, 640, 3)
    assert (surface[:19] == surface[0, 0]).all()  # the letterbox of 640x400 in 640x440
    inside = (slice(60, 380), slice(60, 560))  # where the turned view sees the frame
    assert np.abs(gl - surface)[inside].max() <= 6


def test_opengl_and_a_plain_surface_move_the_eye_alike(shown: Shown) -> None:
    gl, surface = shown.picture("gl-moved"), shown.picture("surface-moved")
    inside = (slice(80, 360), slice(100, 540))
    assert np.abs(gl - surface)[inside].max() <= 8
    assert np.abs(gl - shown.picture("gl"))[inside].mean() > 2


def test_squares_of_whole_pixels_are_the_same_in_opengl_and_on_a_plain_surface(
    shown: Shown,
) -> None:
    gl, surface = shown.picture("gl-squares"), shown.picture("surface-squares")
    assert np.array_equal(gl, surface)
    inside = surface[20:420]  # 640x400 of 128x80 pixels
    assert np.array_equal(inside, inside[::5, ::5].repeat(5, axis=0).repeat(5, axis=1))


def test_the_window_knows_the_default_keys_and_not_a_misspelt_one(shown: Shown) -> None:
    assert shown.told["unknown"] == []
    assert not shown.told["known"]


def test_emulated_opengl_is_left_to_the_model(shown: Shown) -> None:
    emulated = "llvmpipe" in shown.told["gl"][1]
    assert shown.told["auto"][0] == ("surface" if emulated else "gl")


@pytest.mark.skipif(shutil.which("xdotool") is None, reason="needs xdotool, a hand for Xvfb")
def test_keys_buttons_and_grabbed_mouse_motion_arrive(shown: Shown) -> None:
    arrived = shown.told["input"]
    for key in ("w", "mouse right"):
        assert [key, True] in arrived["keys"]
        assert [key, False] in arrived["keys"]
    assert arrived["moved"] == [40, -10]
