"""What the head-up display says. Pure text and numbers; `hud_painter` draws them."""

from __future__ import annotations

from dataclasses import dataclass

from worldsim.play.key_names import key_names
from worldsim.play.keymap import Command, Keymap
from worldsim.play.menu_screen import Screen
from worldsim.play.tick import Phase, Pulse, Tick
from worldsim.types import Pose

DREAM_NAMES = {"dream": "the dream", "real": "the real world"}
HINTED = (
    Command.switch_world,
    Command.reset,
    Command.pause,
    Command.hud,
    Command.screenshot,
    Command.debug,
    Command.fullscreen,
    Command.menu,
)
COMPASS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hud:
    """Everything on top of the picture. Equal values look equal, so they are drawn once."""

    lines: tuple[str, ...] = ()  # top left; the first is the heading
    hint: str = ""  # bottom
    message: str = ""  # above the hint, for a moment
    title: str = ""  # in the middle, over a dimmed picture
    subtitle: str = ""
    stages: tuple[tuple[str, ...], ...] = ()  # top right: a table, its heading first
    recent_ms: tuple[float, ...] = ()  # top right, below: a graph
    crosshair: bool = False
    menu: Screen | None = None  # in place of all the rest but the message


@dataclass(frozen=True, slots=True, kw_only=True)
class HudMode:
    """What the player has switched on, and what only the display thread knows."""

    visible: bool = True
    debug: bool = False
    grabbed: bool = False
    display_hz: float = 0.0
    warp: str = ""
    message: str = ""
    menu: Screen | None = None


def compose_hud(tick: Tick | None, mode: HudMode, keymap: Keymap) -> Hud:
    """The HUD for the newest tick (None: the model thread has not said anything yet)."""
    if mode.menu is not None:
        return Hud(menu=mode.menu, message=mode.message)
    if tick is None:
        return Hud(title="Starting ...", message=mode.message)
    title, subtitle = _title(tick, keymap)
    shown = mode.visible and tick.observation is not None
    debug = mode.debug and tick.observation is not None
    return Hud(
        lines=_lines(tick, mode) if shown else (),
        hint=_hint(keymap, mode.grabbed) if shown else "",
        message=mode.message,
        title=title,
        subtitle=subtitle,
        stages=_stages(tick.pulse, mode.warp) if debug else (),
        recent_ms=tick.pulse.recent_ms if debug else (),
        crosshair=shown and not title,
    )


def _title(tick: Tick, keymap: Keymap) -> tuple[str, str]:
    if tick.phase is Phase.loading:
        return f"Loading {DREAM_NAMES.get(tick.loading, tick.loading)} ...", ""
    if tick.phase is Phase.paused:
        resume, menu = _key(keymap, Command.pause), _key(keymap, Command.menu)
        return "Paused", f"click or {resume} to go on, {menu} for the menu"
    return "", ""


def _lines(tick: Tick, mode: HudMode) -> tuple[str, ...]:
    assert tick.observation is not None
    pulse = tick.pulse
    lines = [
        f"{tick.world}   seed {tick.seed}",
        f"model {pulse.hz:.0f} fps   display {mode.display_hz:.0f} fps",
        f"tick {pulse.tick_ms.p50:.1f} ms   p95 {pulse.tick_ms.p95:.1f} ms",
        pose_line(tick.observation.pose),
    ]
    if pulse.keyframes is not None:
        lines.append(f"{pulse.keyframes} keyframes remembered")
    return tuple(lines)


def pose_line(pose: Pose) -> str:
    """Position in blocks, and where the eye looks."""
    heading = COMPASS[round(pose.yaw_deg / 45.0) % len(COMPASS)]
    return (
        f"x {pose.x:.1f}  y {pose.y:.1f}  z {pose.z:.1f}   "
        f"{heading} {round(pose.yaw_deg) % 360}°  {round(-pose.pitch_deg):+d}°"
    )


def _hint(keymap: Keymap, grabbed: bool) -> str:
    move = "".join(_key(keymap, name) for name in ("forward", "left", "back", "right"))
    parts = [f"{move} move", f"{_key(keymap, 'jump')} jump"]
    parts += [f"{_key(keymap, command)} {command.value}" for command in HINTED]
    return "   ".join(parts if grabbed else ["Click to look around", *parts])


def _key(keymap: Keymap, target: str | Command) -> str:
    """The first key of a target as it is written on the keyboard."""
    name = target.name if isinstance(target, Command) else target
    return key_names(keymap, name, on_pad=False).partition(", ")[0]


def _stages(pulse: Pulse, warp: str) -> tuple[tuple[str, ...], ...]:
    rows = [("stage", "p50 ms", "p95 ms")]
    rows += [(name, f"{q['p50']:.1f}", f"{q['p95']:.1f}") for name, q in pulse.stages_ms.items()]
    rows.append(("whole tick", f"{pulse.tick_ms.p50:.1f}", f"{pulse.tick_ms.p95:.1f}"))
    if pulse.steps is not None:
        rows.append(("steps at most", str(pulse.steps), ""))
    rows.append(("warp", warp, ""))
    return tuple(rows)
