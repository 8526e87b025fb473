"""What a player may set besides the keys: how far mouse and pad turn, what is shown and heard.

Each value carries its `Dial` or `Switch`: its name in the menu, and a number's range and step. The
player's file and the menu share them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeAlias

from worldsim.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Dial:
    """A number's name in the menu, and its range, ends included."""

    label: str
    low: float
    high: float
    step: float
    form: str  # how the value is written, as for str.format

    def stepped(self, value: float, direction: int) -> float:
        """The next value up or down; whole steps, never beyond the range."""
        whole = round(value / self.step) + direction
        return round(min(max(whole * self.step, self.low), self.high), 6)


@dataclass(frozen=True, slots=True)
class Switch:
    """A choice of yes or no."""

    label: str


Control: TypeAlias = Dial | Switch


def _set_by(default: float, control: Control) -> Any:  # a dataclass field
    return field(default=default, metadata={"control": control})


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How far mouse and keys turn the head."""

    mouse_deg_per_px: float = _set_by(
        0.12, Dial("Mouse: speed", 0.01, 2.0, 0.01, "{:.2f}° a pixel")
    )
    invert_x: bool = _set_by(False, Switch("Mouse: swap left and right"))
    invert_y: bool = _set_by(False, Switch("Mouse: swap up and down"))
    keys_deg_per_s: float = _set_by(
        120.0, Dial("Arrow keys: speed", 10, 720, 10, "{:.0f}° a second")
    )

    def __post_init__(self) -> None:
        _require_in_range(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class PadFeel:
    """How a gamepad's sticks feel."""

    deg_per_s: float = _set_by(180.0, Dial("Pad: speed", 10, 720, 10, "{:.0f}° a second"))
    dead_zone: float = _set_by(0.15, Dial("Pad: dead zone", 0.0, 0.6, 0.05, "{:.0%} of the way"))
    curve: float = _set_by(1.8, Dial("Pad: curve", 1.0, 4.0, 0.2, "power {:.1f}"))
    invert_x: bool = _set_by(False, Switch("Pad: swap left and right"))
    invert_y: bool = _set_by(False, Switch("Pad: swap up and down"))

    def __post_init__(self) -> None:
        _require_in_range(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What is shown. A narrower field of view keeps the turned picture's edges out of sight."""

    field_of_view: float = _set_by(
        1.0, Dial("Field of view", 0.5, 1.0, 0.05, "{:.0%} of the camera's")
    )
    sharpness: float = _set_by(0.0, Dial("Sharpening", 0.0, 1.0, 0.1, "{:.0%}"))
    squares: bool = _set_by(False, Switch("Pixels as squares"))
    hud: bool = _set_by(True, Switch("Display of numbers and keys"))

    def __post_init__(self) -> None:
        _require_in_range(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """What is heard."""

    sound: bool = _set_by(True, Switch("Sound"))
    volume: float = _set_by(0.6, Dial("Sound: volume", 0.0, 1.0, 0.1, "{:.0%}"))

    def __post_init__(self) -> None:
        _require_in_range(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlays:
    """What lies over the picture while the display of numbers and keys is on."""

    seed: bool = _set_by(True, Switch("World and seed"))
    rates: bool = _set_by(True, Switch("Frames a second"))
    latency: bool = _set_by(True, Switch("Tick and look times"))
    pose: bool = _set_by(True, Switch("Place and direction"))
    keyframes: bool = _set_by(True, Switch("Size of the memory"))
    timeline: bool = _set_by(False, Switch("Timeline of ticks"))
    minimap: bool = _set_by(False, Switch("Map of the memory"))
    recalled: bool = _set_by(False, Switch("Recalled pictures"))
    pressed: bool = _set_by(False, Switch("Pressed keys"))


Settings: TypeAlias = Look | PadFeel | Sight | Hearing | Overlays


def controls_of(settings: type[Settings] | Settings) -> dict[str, Control]:
    """The dials and switches of a table of settings, by the names of their values."""
    return {one.name: one.metadata["control"] for one in fields(settings)}


def with_value(settings: Settings, name: str, value: float) -> Settings:
    """Raises ConfigError if the value is out of range."""
    changed: dict[str, Any] = {name: value}
    return replace(settings, **changed)


def _require_in_range(settings: Settings) -> None:
    for name, control in controls_of(settings).items():
        value = getattr(settings, name)
        if isinstance(control, Dial) and not control.low <= value <= control.high:
            raise ConfigError(
                f"{name} from {control.low:g} to {control.high:g}", f"{value}", "Correct it."
            )
