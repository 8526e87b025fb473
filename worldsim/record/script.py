"""Rollout scripts: a TOML file of timed actions and camera keyframes, as one action a tick.

    title = "Down the hill and a look back"
    seconds = 8.0            # optional; else the script ends with its last entry

    [[action]]               # hold buttons and turn at a steady rate
    at_s = 0.0               # or at_tick; left out: where the action before it ends
    for_s = 3.0              # or for_ticks
    buttons = ["forward", "sprint"]
    yaw_deg_s = 10.0         # degrees a second, right and down positive
    pitch_deg_s = 0.0

    [[camera]]               # be at these angles at this time
    time_s = 5.0
    yaw_deg = 180.0          # relative to the first view; may go past a full turn
    pitch_deg = 10.0         # a value left out stays as it was
    forward = 0.5            # share of the ticks on which forward is held; back if negative
    easing = "smooth"        # how it is reached: linear, smooth or ease_in_out

    [[random]]               # a walker that makes its own choices, limited to these
    at_s = 0.0               # and for_s, or in ticks, as for an action
    for_s = 20.0
    hold_s = [0.2, 1.5]      # each choice is kept for a time between these
    buttons = { forward = 0.7, jump = 0.05 }    # the chance that a choice holds the button
    yaw_deg_s = 60.0         # turns no faster than this, either way; left out: no turns
    pitch_deg_s = 20.0
    yaw_limit_deg = 90.0     # its turns never add up to more, either way; left out: no limit
    pitch_limit_deg = 30.0   # 30 if left out

Random choices are a function of the seed of the episode's world: the same episode always makes
the same ones, and a script that is repeated makes new ones each time.

Actions may overlap each other and the camera: buttons join, turns add. Before the first
keyframe lies an implied one at time 0 with every value 0. A camera is moved as a player moves
it, by buttons and turns alone, so a keyframe has no position: the same script runs in every
world, and a dream is never asked for a view that its physics could not reach.
"""

from __future__ import annotations

import tomllib
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from worldsim.errors import ScriptError
from worldsim.record.script_random import MAX_RATE_DEG_S, RandomWalk, draw_walk, random_walks
from worldsim.record.script_table import MAX_SCRIPT_S, ScriptTable, nearest, to_ticks
from worldsim.types import BUTTONS, MAX_TURN_DEG, TICK_HZ, Action

EASINGS: dict[str, Callable[[float], float]] = {
    "linear": lambda s: s,
    "smooth": lambda s: s * s * (3.0 - 2.0 * s),
    "ease_in_out": lambda s: s**3 * (s * (6.0 * s - 15.0) + 10.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedAction:
    """Buttons and turn rates held from `tick` for `ticks` ticks."""

    tick: int
    ticks: int
    buttons: tuple[str, ...] = ()
    yaw_deg_s: float = 0.0
    pitch_deg_s: float = 0.0

    @property
    def end(self) -> int:
        return self.tick + self.ticks


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraKey:
    """Where the camera looks at `time_s`, relative to the first view, and how it gets there."""

    time_s: float
    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    forward: float = 0.0
    easing: str = "smooth"


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A checked script: what to do during `ticks` ticks."""

    name: str
    title: str
    ticks: int
    actions: tuple[TimedAction, ...]
    keys: tuple[CameraKey, ...]
    walks: tuple[RandomWalk, ...] = ()


def bundled_scripts() -> list[str]:
    """The names of the scripts that ship with worldsim."""
    folder = resources.files("worldsim.assets.scripts")
    return sorted(Path(f.name).stem for f in folder.iterdir() if f.name.endswith(".toml"))


def load_script(source: str | Path) -> Script:
    """Read a bundled script by its name, or a TOML file by its path.

    Raises ScriptError that names the file, the table and the key.
    """
    text = str(source)
    if text in bundled_scripts():
        return parse_script(
            resources.files("worldsim.assets.scripts").joinpath(f"{text}.toml").read_text("utf-8"),
            name=text,
        )
    try:
        return parse_script(Path(source).read_text("utf-8"), name=text)
    except OSError as error:
        raise ScriptError(
            f"a TOML file, or a bundled script among {bundled_scripts()}",
            f"{text!r} ({error.strerror})",
            nearest(text, bundled_scripts()) or "Check the path.",
        ) from error
    except UnicodeDecodeError as error:
        raise ScriptError(f"UTF-8 text in {text}", str(error), "Save it as UTF-8.") from error


def parse_script(text: str, *, name: str) -> Script:
    """Check a script's text; `name` is what errors call the file."""
    try:
        record = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScriptError(f"TOML in {name}", str(error), "Correct that line.") from error
    top = ScriptTable(name, "the file", record)
    top.allow("title", "seconds", "action", "camera", "random")
    actions = tuple(_timed_actions(top))
    keys = tuple(_camera_keys(top))
    walks = tuple(random_walks(top))
    if not (actions or keys or walks):
        raise ScriptError(
            f"an [[action]] or [[camera]] or [[random]] table in {name}",
            "none",
            "Add at least one.",
        )
    ends = [action.end for action in actions] + [walk.end for walk in walks]
    last = max(ends + [to_ticks(key.time_s) for key in keys])
    seconds = top.number("seconds", default=last / TICK_HZ, low=1 / TICK_HZ, high=MAX_SCRIPT_S)
    ticks = max(to_ticks(seconds), 1)
    title = top.text("title", default=name)
    return Script(name=name, title=title, ticks=ticks, actions=actions, keys=keys, walks=walks)


def compile_script(script: Script, *, seed: int = 0, lap: int = 0) -> list[Action]:
    """One action a tick, `script.ticks` of them.

    Random walks are drawn for the world of this seed, anew for each lap of a repeated script.
    Raises ScriptError if actions and keyframes together turn by more than 180 degrees a tick.
    """
    held: list[set[str]] = [set() for _ in range(script.ticks)]
    yaw, pitch = [0.0] * script.ticks, [0.0] * script.ticks
    for action in script.actions:
        for tick in range(action.tick, min(action.end, script.ticks)):
            held[tick].update(action.buttons)
            yaw[tick] += action.yaw_deg_s / TICK_HZ
            pitch[tick] += action.pitch_deg_s / TICK_HZ
    _add_camera(script, held, yaw, pitch)
    for number, walk in enumerate(script.walks):
        drawn = draw_walk(walk, np.random.default_rng((seed, lap, number)))
        for tick, choice in zip(range(walk.tick, script.ticks), drawn, strict=False):
            held[tick].update(choice.buttons)
            yaw[tick] += choice.yaw_deg
            pitch[tick] += choice.pitch_deg
    return [_action(script, tick, held[tick], yaw[tick], pitch[tick]) for tick in range(len(held))]


def _add_camera(
    script: Script,
    held: list[set[str]],
    yaw: list[float],
    pitch: list[float],
) -> None:
    """Add the turns and steps that the keyframes ask for, in place."""
    if not script.keys:
        return
    owed = 0.0
    for tick in range(script.ticks):
        here, there = (_camera_at(script.keys, t / TICK_HZ) for t in (tick, tick + 1))
        yaw[tick] += there.yaw_deg - here.yaw_deg
        pitch[tick] += there.pitch_deg - here.pitch_deg
        if tick / TICK_HZ >= script.keys[-1].time_s:
            continue
        owed += (here.forward + there.forward) / 2
        if abs(owed) >= 0.5:
            held[tick].add("forward" if owed > 0 else "back")
            owed -= 1.0 if owed > 0 else -1.0


def _camera_at(keys: tuple[CameraKey, ...], time_s: float) -> CameraKey:
    """The eased state between the keyframes around a time; at rest after the last."""
    after = bisect_right(keys, time_s, key=lambda key: key.time_s)
    if after == len(keys):
        return keys[-1]
    old = keys[after - 1] if after else CameraKey(time_s=0.0)
    new = keys[after]
    share = EASINGS[new.easing]((time_s - old.time_s) / (new.time_s - old.time_s))
    return CameraKey(
        time_s=time_s,
        yaw_deg=old.yaw_deg + share * (new.yaw_deg - old.yaw_deg),
        pitch_deg=old.pitch_deg + share * (new.pitch_deg - old.pitch_deg),
        forward=old.forward + share * (new.forward - old.forward),
    )


def _action(script: Script, tick: int, held: set[str], yaw: float, pitch: float) -> Action:
    if max(abs(yaw), abs(pitch)) > MAX_TURN_DEG:
        raise ScriptError(
            f"turns of at most {MAX_TURN_DEG:g} degrees a tick in {script.name}",
            f"yaw {yaw:g}, pitch {pitch:g} at {tick / TICK_HZ:g} s",
            "Give the turn more time.",
        )
    return Action(**dict.fromkeys(held, True), yaw_deg=yaw, pitch_deg=pitch)


def _timed_actions(top: ScriptTable) -> Iterator[TimedAction]:
    end = 0
    for table in top.tables("action"):
        table.allow("at_s", "at_tick", "for_s", "for_ticks", "buttons", "yaw_deg_s", "pitch_deg_s")
        action = TimedAction(
            tick=table.moment("at_s", "at_tick", default=end, low=0),
            ticks=table.moment("for_s", "for_ticks", default=None, low=1),
            buttons=table.names("buttons", BUTTONS),
            yaw_deg_s=table.number("yaw_deg_s", 0.0, low=-MAX_RATE_DEG_S, high=MAX_RATE_DEG_S),
            pitch_deg_s=table.number("pitch_deg_s", 0.0, low=-MAX_RATE_DEG_S, high=MAX_RATE_DEG_S),
        )
        end = action.end
        yield action


def _camera_keys(top: ScriptTable) -> Iterator[CameraKey]:
    last = CameraKey(time_s=0.0)
    for number, table in enumerate(top.tables("camera")):
        table.allow("time_s", "yaw_deg", "pitch_deg", "forward", "easing")
        key = CameraKey(
            time_s=table.number("time_s", low=0.0, high=MAX_SCRIPT_S),
            yaw_deg=table.number("yaw_deg", last.yaw_deg),
            pitch_deg=table.number("pitch_deg", last.pitch_deg),
            forward=table.number("forward", last.forward, low=-1.0, high=1.0),
            easing=table.choice("easing", tuple(EASINGS), default="smooth"),
        )
        _require_order(table, last, key, first=number == 0)
        last = key
        yield key


def _require_order(table: ScriptTable, last: CameraKey, key: CameraKey, *, first: bool) -> None:
    if not first and key.time_s <= last.time_s:
        raise table.error(
            f"a time after {last.time_s:g} s",
            f"{key.time_s:g}",
            "Sort the keyframes.",
            key="time_s",
        )
    if first and key.time_s == 0 and (key.yaw_deg or key.pitch_deg):
        raise table.error(
            "yaw_deg and pitch_deg of 0 at time 0",
            f"{key.yaw_deg:g} and {key.pitch_deg:g}",
            "Angles are relative to the first view; turn to them later.",
            key="time_s",
        )
