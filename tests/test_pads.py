"""A gamepad that SDL invents, in a process of its own: it plays the whole game through a script."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="finds SDL among the libraries loaded on Linux"
)

PROGRAM = """
import ctypes, json, sys
from collections.abc import Iterator
from pathlib import Path

sys.path.append(sys.argv[1])  # the tests' fakes
import pygame
from fakes_play import FakePlayWorld

from worldsim.engine.clock import RealClock
from worldsim.play.app import PlayConfig, Session
from worldsim.play.keymap_file import config_folder
from worldsim.play.pygame_events import PygameEvents, knows_key
from worldsim.play.window import HeadlessWindow, PadPlugged, Quit
from worldsim.types import BUTTONS

A, B, START, RIGHT_STICK, DOWN = 0, 1, 6, 8, 12
LEFT_Y, RIGHT_X, RIGHT_TRIGGER = 1, 2, 5
GAMEPAD, AXES, PRESSED = 1, 6, 15

pygame.display.init()
pygame.display.set_mode((320, 200))
maps = Path("/proc/self/maps").read_text().splitlines()
sdl = ctypes.CDLL(next(line.split()[-1] for line in maps if "libSDL2-2" in line))
sdl.SDL_JoystickOpen.restype = ctypes.c_void_p
sdl.SDL_JoystickSetVirtualButton.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_uint8]
sdl.SDL_JoystickSetVirtualAxis.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int16]


class VirtualPad:
    def plug_in(self) -> None:
        self.index = sdl.SDL_JoystickAttachVirtual(GAMEPAD, AXES, PRESSED, 0)
        assert self.index >= 0, "this SDL has no virtual joysticks"
        self.handle = sdl.SDL_JoystickOpen(self.index)

    def unplug(self) -> None:
        sdl.SDL_JoystickDetachVirtual(self.index)

    def axis(self, axis: int, value: int) -> None:
        sdl.SDL_JoystickSetVirtualAxis(self.handle, axis, value)

    def tap(self, button: int) -> Iterator[None]:
        for down in (1, 0):
            sdl.SDL_JoystickSetVirtualButton(self.handle, button, down)
            yield


class PadWindow(HeadlessWindow):
    \"\"\"Nothing to see, but real events, and a player who moves once a refresh.\"\"\"

    refresh_hz = 25.0

    def __init__(self) -> None:
        super().__init__()
        self.events = PygameEvents(config_folder())
        self.screens, self.messages, self.plugs = [], [], []
        self.player = self.play()
        self.marks = {}

    def poll(self):
        over = next(self.player, "over") == "over"
        events = self.events.read()
        self.plugs += [event.connected for event in events if isinstance(event, PadPlugged)]
        return [*events, Quit()] if over else events

    def present(self, view) -> None:
        self.messages.append(view.hud.message)
        if view.hud.menu is not None:
            self.screens.append(view.hud.menu)

    def knows_key(self, name) -> bool:
        return knows_key(name)

    def mark(self, name: str) -> None:
        self.marks[name] = len(world.actions)

    def play(self):
        pad = VirtualPad()
        while not world.actions:
            yield
        pad.plug_in()
        yield from self.wait(3)
        self.mark("walk")
        yield from self.push(pad, LEFT_Y, -32768)
        self.mark("turn")
        yield from self.push(pad, RIGHT_X, 20000)
        self.mark("pull")
        yield from self.push(pad, RIGHT_TRIGGER, 32767, rest=-32768)
        yield from pad.tap(A)
        yield from self.wait(6)
        self.mark("menu")
        for button in (START, *[DOWN] * 6, A, *[DOWN] * 4, A, RIGHT_STICK, B, B):
            yield from pad.tap(button)
        yield from self.wait(6)
        self.mark("rebound")
        yield from pad.tap(RIGHT_STICK)
        yield from self.wait(6)
        pad.axis(LEFT_Y, -32768)
        yield from self.wait(6)
        pad.unplug()
        yield from self.wait(6)
        self.mark("unplugged")
        yield from self.wait(6)
        pad.plug_in()
        yield from self.wait(3)
        self.mark("again")
        yield from self.push(pad, LEFT_Y, -32768)
        yield from pad.tap(RIGHT_STICK)
        yield from self.wait(6)
        self.mark("end")

    def push(self, pad, axis, value, rest=0):
        pad.axis(axis, value)
        yield from self.wait(6)
        pad.axis(axis, rest)
        yield from self.wait(3)

    def wait(self, refreshes):
        for _ in range(refreshes):
            yield


world, clock = FakePlayWorld(), RealClock()
game = Session(
    config=PlayConfig(world="real"),
    make=lambda asked: world.made(asked.kind),
    clock=clock,
    started_at_s=clock.now(),
)
window = PadWindow()
game.play(window, scripted=False)
window.events.close()
names = list(window.marks)
told = {
    name: {
        "held": sorted({b for b in BUTTONS for action in span if getattr(action, b)}),
        "yaw_deg": sum(action.yaw_deg for action in span),
    }
    for name, end in zip(names, [*names[1:], None])
    for span in [world.actions[window.marks[name] : window.marks.get(end)]]
}
print(json.dumps({
    "told": told,
    "plugs": window.plugs,
    "titles": list(dict.fromkeys(screen.title for screen in window.screens)),
    "notes": list(dict.fromkeys(screen.note for screen in window.screens)),
    "messages": [message for message in dict.fromkeys(window.messages) if message],
}))
"""


# A joystick that SDL does not know as a gamepad, and a line that makes it one: its second button
# is A. SDL leaves the checksum out of the identity, the second group of four digits.
MAPPING = "ff0000005669727475616c204a007600,My Pad,a:b1,leftx:a0,lefty:a1,platform:Linux,\n"
MAPPED = """
import ctypes, json, sys
from pathlib import Path

import pygame
from worldsim.play.pygame_events import PygameEvents

pygame.display.init()
maps = Path("/proc/self/maps").read_text().splitlines()
sdl = ctypes.CDLL(next(line.split()[-1] for line in maps if "libSDL2-2" in line))
sdl.SDL_JoystickOpen.restype = ctypes.c_void_p
sdl.SDL_JoystickSetVirtualButton.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_uint8]
events = PygameEvents(Path(sys.argv[1]))
index = sdl.SDL_JoystickAttachVirtual(0, 2, 4, 0)
seen = events.read()
sdl.SDL_JoystickSetVirtualButton(sdl.SDL_JoystickOpen(index), 1, 1)
seen += events.read()
events.close()
print(json.dumps([repr(event) for event in seen]))
"""


@dataclass(frozen=True)
class Played:
    """What the program above told, and the player's configuration folder."""

    told: dict[str, Any]
    folder: Path

    def span(self, name: str) -> dict[str, Any]:
        """The buttons in, and the turn of, the actions from one mark to the next."""
        return self.told["told"][name]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    folder = tmp_path_factory.mktemp("config")
    told = run(PROGRAM, Path(__file__).parent, {"XDG_CONFIG_HOME": str(folder)})
    return Played(told, folder / "worldsim")


def run(program: str, argument: Path, variables: dict[str, str]) -> Any:
    """What the program prints last, as JSON."""
    environment = os.environ | variables
    environment |= {
        "SDL_VIDEODRIVER": "dummy",
        "SDL_JOYSTICK_ALLOW_BACKGROUND_EVENTS": "1",  # the dummy window never has the focus
    }
    done = subprocess.run(
        [sys.executable, "-c", program, str(argument)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_sticks_walk_and_turn(played: Played) -> None:
    assert played.span("walk") == {"held": ["forward"], "yaw_deg": 0.0}
    assert played.span("turn")["held"] == []
    assert played.span("turn")["yaw_deg"] > 1.0


def test_buttons_and_triggers_act(played: Played) -> None:
    assert played.span("pull")["held"] == ["attack", "jump"]


def test_the_menu_opens_and_a_button_is_rebound_and_kept(played: Played) -> None:
    assert played.told["titles"] == ["worldsim", "Gamepad"]
    note = "Jump is now on Pad Right Stick. Twin was there, and is now on Pad A."
    assert note in played.told["notes"]
    saved = tomllib.loads((played.folder / "keymap.toml").read_text())
    assert saved["buttons"] == {"jump": ["space", "pad right stick"]}
    assert saved["commands"] == {"twin": ["t", "pad a"]}
    assert played.span("menu") == {"held": [], "yaw_deg": 0.0}
    assert "jump" in played.span("rebound")["held"]


def test_an_unplugged_pad_lets_go_and_one_plugged_in_again_works_on(played: Played) -> None:
    assert played.told["plugs"] == [True, False, True]
    assert played.span("unplugged")["held"] == []
    assert played.span("again")["held"] == ["forward", "jump"]


def test_coming_and_going_is_told(played: Played) -> None:
    said = "\n".join(played.told["messages"])
    assert "is connected" in said
    assert "is gone" in said


@pytest.mark.parametrize("listed", [False, True])
def test_an_unknown_joystick_is_a_pad_once_the_players_own_table_names_it(
    tmp_path: Path, listed: bool
) -> None:
    if listed:
        (tmp_path / "gamecontrollerdb.txt").write_text(MAPPING)
    seen = run(MAPPED, tmp_path, {})
    expected = ["PadPlugged(name='My Pad', connected=True)", "Key(name='pad a', down=True)"]
    assert seen == (expected if listed else [])
