"""What the head-up display says. Pure text and numbers; `hud_painter` draws them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from worldsim.play.key_names import key_names
from worldsim.play.keymap import Command, Keymap
from worldsim.play.menu_screen import Screen
from worldsim.play.overlays import KeyCap, TwinPanel, key_caps, twin_panel
from worldsim.play.overview import MiniMap, Thumbnail
from worldsim.play.photo import Photo
from worldsim.play.scrubber import Scrubber, branch_line, scrubber_of
from worldsim.play.settings import Overlays
from worldsim.play.stats import Quantiles
from worldsim.play.tick import Phase, Pulse, Tick
from worldsim.play.twin_picture import TwinShot
from worldsim.types import Pose

DREAM_NAMES = {"dream": "the dream", "real": "the real world"}
HINTED = (
    Command.switch_world,
    Command.reset,
    Command.pause,
    Command.rewind,
    Command.quick_save,
    Command.hud,
    Command.screenshot,
    Command.debug,
    Command.fullscreen,
    Command.twin,
    Command.photo,
    Command.wheel,
    Command.menu,
)
PHOTO_HINTS: Mapping[str | Command, str] = {
    "jump": "up",
    "sneak": "down",
    "sprint": "faster",
    Command.screenshot: "save the photo",
    Command.photo: "back to the game",
}
NO_OVERLAYS = Overlays()
COMPASS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hud:
    """Everything on top of the picture. Equal values look equal, so they are drawn once."""

    lines: tuple[str, ...] = ()  # top left; the first is the heading
    hint: str = ""  # bottom
    message: str = ""  # above the hint, for a moment
    title: str = ""  # in the middle, over a dimmed picture
    subtitle: str = ""
    progress: float | None = None  # below them: a bar, of which so much is done
    stages: tuple[tuple[str, ...], ...] = ()  # top right: a table, its heading first
    recent_ms: tuple[float, ...] = ()  # top right, below: a graph
    crosshair: bool = False
    minimap: MiniMap | None = None  # bottom right
    recalled: tuple[Thumbnail, ...] = ()  # left, below the lines
    keys: tuple[KeyCap, ...] = ()  # bottom left
    twin: TwinPanel | None = None  # over the picture of a twin
    scrubber: Scrubber | None = None  # bottom: where in the past this is
    menu: Screen | None = None  # in place of all the rest but the message


@dataclass(frozen=True, slots=True, kw_only=True)
class HudMode:
    """What the player has switched on, and what only the display thread knows."""

    visible: bool = True
    debug: bool = False
    grabbed: bool = False
    display_hz: float = 0.0
    warp: str = ""
    look_ms: Quantiles = field(default_factory=Quantiles)  # from a motion read to a view shown
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
    if tick.extras.twin is not None:
        return _twin_hud(tick, tick.extras.twin, mode, keymap)
    debug = mode.debug and tick.observation is not None
    present = shown and tick.extras.photo is None and tick.phase is not Phase.rewinding
    overlays = keymap.overlays if present else NO_OVERLAYS
    overview = tick.extras.overview
    return Hud(
        lines=_lines(tick, mode, keymap) if shown else (),
        hint=_hint(tick, keymap, mode.grabbed) if shown else "",
        message=mode.message,
        title=title,
        subtitle=subtitle,
        progress=tick.loading.share if tick.loading else None,
        stages=_stages(tick.pulse, mode.warp) if debug else (),
        recent_ms=tick.pulse.recent_ms if debug or overlays.timeline else (),
        crosshair=shown and not title and tick.extras.photo is None,
        minimap=overview.minimap if overlays.minimap else None,
        recalled=overview.recalled if overlays.recalled else (),
        keys=key_caps(overview, keymap) if overlays.pressed else (),
        scrubber=scrubber_of(tick.past) if tick.phase is Phase.rewinding else None,
    )


def _twin_hud(tick: Tick, shot: TwinShot, mode: HudMode, keymap: Keymap) -> Hud:
    """Whatever else there is would hide one of the pictures."""
    title, subtitle = _title(tick, keymap)
    panel = twin_panel(shot, tick.seed, pose_line(shot.pose))
    if tick.driver:
        panel = replace(panel, lines=(*panel.lines, _driver_line(tick, keymap)))
    return Hud(
        hint=_hint(tick, keymap, mode.grabbed) if mode.visible else "",
        message=mode.message,
        title=title,
        subtitle=subtitle,
        twin=panel,
    )


def _title(tick: Tick, keymap: Keymap) -> tuple[str, str]:
    if tick.phase is Phase.loading and tick.loading is not None:
        world = tick.loading.world
        return f"Loading {DREAM_NAMES.get(world, world)} ...", tick.loading.told
    if tick.phase is Phase.paused and not tick.stepped:
        resume, step, menu = (
            _key(keymap, command) for command in (Command.pause, Command.step, Command.menu)
        )
        return "Paused", f"click or {resume} to go on, {step} for one tick, {menu} for the menu"
    if tick.phase is Phase.ended:
        back, menu = _key(keymap, Command.rewind), _key(keymap, Command.menu)
        return "The end", f"hold {back} to go back, {menu} for the menu"
    return "", ""


def _lines(tick: Tick, mode: HudMode, keymap: Keymap) -> tuple[str, ...]:
    assert tick.observation is not None
    if tick.extras.photo is not None:
        return _photo_lines(tick.extras.photo, tick.extras.seed)
    pulse, shown = tick.pulse, keymap.overlays
    lines = []
    if shown.seed:
        lines.append(tick.world if tick.seed is None else f"{tick.world}   seed {tick.seed}")
    if shown.rates:
        lines.append(f"model {pulse.hz:.0f} fps   display {mode.display_hz:.0f} fps")
    if shown.latency:
        lines.append(f"tick {_spread(pulse.tick_ms)}")
        lines += [f"look {_spread(mode.look_ms)}"] if mode.look_ms.p50 > 0 else []
    if shown.pose:
        lines.append(pose_line(tick.observation.pose))
    if shown.keyframes and pulse.keyframes is not None:
        lines.append(f"{pulse.keyframes} keyframes remembered")
    if len(tick.past.branches) > 1:
        lines.append(branch_line(tick.past))
    if tick.stepped:
        keys = (_key(keymap, command) for command in (Command.step, Command.pause))
        lines.append("paused   {} one more tick   {} goes on".format(*keys))
    if tick.driver:
        lines.append(_driver_line(tick, keymap))
    return tuple(lines)


def _driver_line(tick: Tick, keymap: Keymap) -> str:
    return f"{tick.driver} drives   {_key(keymap, Command.wheel)} hands the wheel on"


def _photo_lines(photo: Photo, seed: int | None) -> tuple[str, ...]:
    origin = "from a picture" if seed is None else f"seed {seed}"
    return (
        f"Photo   {origin}",
        pose_line(photo.observation.pose),
        f"memory shows {photo.known:.0%} of this view",
    )


def _spread(times: Quantiles) -> str:
    return f"{times.p50:.1f} ms   p95 {times.p95:.1f} ms"


def pose_line(pose: Pose) -> str:
    """Position in blocks, and where the eye looks."""
    heading = COMPASS[round(pose.yaw_deg / 45.0) % len(COMPASS)]
    return (
        f"x {pose.x:.1f}  y {pose.y:.1f}  z {pose.z:.1f}   "
        f"{heading} {round(pose.yaw_deg) % 360}°  {round(-pose.pitch_deg):+d}°"
    )


def _hint(tick: Tick, keymap: Keymap, grabbed: bool) -> str:
    move = "".join(_key(keymap, name) for name in ("forward", "left", "back", "right"))
    if tick.extras.photo is not None:
        told = [f"{_key(keymap, target)} {does}" for target, does in PHOTO_HINTS.items()]
        return "   ".join([f"{move} fly", *told])
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
