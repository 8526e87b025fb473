"""The game's sounds, made of noise and a few sine waves when it starts: there are no files.

Each is a function of its own random numbers alone, so it sounds the same every time.
"""

from __future__ import annotations

from enum import Enum

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 22050
WIND_S = 12.0  # of a loop: long enough not to be heard as one
FULL = 32767
LOUDEST = 0.9  # of what the numbers can hold


class Tone(Enum):
    """What there is to hear, and for how long, in seconds."""

    wind = WIND_S
    step = 0.11
    crunch = 0.26  # a block breaks
    knock = 0.14  # a block is put


def made(tone: Tone) -> NDArray[np.int16]:  # [N] at RATE_HZ, one channel
    """The samples of a sound; the wind's end leads into its beginning."""
    rng = np.random.default_rng(list(Tone).index(tone))
    count = round(tone.value * RATE_HZ)
    samples = {
        Tone.wind: _wind,
        Tone.step: _step,
        Tone.crunch: _crunch,
        Tone.knock: _knock,
    }[tone](rng, count)
    return (samples * (LOUDEST * FULL / np.abs(samples).max())).astype(np.int16)


def _wind(rng: np.random.Generator, count: int) -> NDArray[np.float64]:  # [count]
    """Deep noise in gusts. Both are sums of whole waves: a loop has no seam."""
    gusts = 1.0 + 0.45 * _band(rng, count, 0.05, 0.4)
    whistle = 0.12 * _band(rng, count, 500.0, 900.0) * gusts
    return _band(rng, count, 40.0, 260.0) * gusts + whistle * gusts


def _step(rng: np.random.Generator, count: int) -> NDArray[np.float64]:  # [count]
    """A heel, and a little gravel after it."""
    gravel = _band(rng, count, 900.0, 4000.0) * _fading(count, 0.03)
    return _band(rng, count, 60.0, 220.0) * _fading(count, 0.02) + 0.35 * gravel


def _crunch(rng: np.random.Generator, count: int) -> NDArray[np.float64]:  # [count]
    """Several cracks, the first the loudest."""
    cracks = np.zeros(count)
    for begin in (0.0, 0.05, 0.09, 0.15):
        late = round(begin * RATE_HZ)
        crack = _band(rng, count - late, 300.0, 3500.0) * _fading(count - late, 0.025)
        cracks[late:] += crack * (1.0 - 3.0 * begin)
    return cracks


def _knock(rng: np.random.Generator, count: int) -> NDArray[np.float64]:  # [count]
    """Wood on wood."""
    time_s = np.arange(count) / RATE_HZ
    wood = sum(np.sin(2 * np.pi * hz * time_s) / n for n, hz in enumerate((190.0, 410.0, 730.0), 1))
    return wood * _fading(count, 0.03) + 0.3 * _band(rng, count, 800.0, 3000.0) * _fading(
        count, 0.006
    )


def _band(
    rng: np.random.Generator, count: int, low_hz: float, high_hz: float
) -> NDArray[np.float64]:  # [count], spread 1
    """Noise between two pitches; its end leads into its beginning."""
    hz = np.fft.rfftfreq(count, 1.0 / RATE_HZ)
    phases = rng.uniform(0.0, 2 * np.pi, len(hz))
    spectrum = np.where((hz >= low_hz) & (hz <= high_hz), np.exp(1j * phases), 0.0)
    noise = np.fft.irfft(spectrum, count)
    return np.asarray(noise / max(float(noise.std()), 1e-12))


def _fading(count: int, half_life_s: float) -> NDArray[np.float64]:  # [count]
    """From 1 down, and to nothing at the end, so that it does not click."""
    fading = 0.5 ** (np.arange(count) / (half_life_s * RATE_HZ))
    return np.asarray(fading * np.linspace(1.0, 0.0, count) ** 0.25)
