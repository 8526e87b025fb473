"""What is heard, decided from what is shown: wind, steps by the way walked, blows and blocks.

Lives on the display thread. A world knows nothing of it: a dream sounds as the true world does.
"""

from __future__ import annotations

import math
from typing import Protocol

from worldsim.play.settings import Hearing
from worldsim.play.tick import Phase, Tick
from worldsim.play.tones import Tone
from worldsim.types import Pose

STRIDE_M = 0.9  # from one footstep to the next
JUMP_M = 1.5  # between two ticks: further is not walked
AIRBORNE_M = 0.05  # up or down between two ticks: the feet are off the ground
WIND, STEP, HANDS = 0.35, 0.5, 0.8  # how loud, of the volume that is set
BLOWS = {"attack": Tone.crunch, "use": Tone.knock}


class Mixer(Protocol):
    """What plays sounds; all of them from 0 to 1 in loudness."""

    def play(self, tone: Tone, loudness: float, /) -> None:
        """Once, from its beginning."""

    def wind(self, loudness: float, /) -> None:
        """From here on, without an end."""

    def close(self) -> None: ...


class Silence:
    """A mixer that nobody hears: there is no audio device, or no window."""

    def play(self, _tone: Tone, _loudness: float, /) -> None:
        return

    def wind(self, _loudness: float, /) -> None:
        return

    def close(self) -> None:
        return


class Sound:
    """Tells the mixer what to play, tick by tick."""

    def __init__(self, mixer: Mixer) -> None:
        self._mixer = mixer
        self._number = 0  # of the tick heard last
        self._eye: Pose | None = None
        self._walked_m = 0.0
        self._held: frozenset[str] = frozenset()
        self._wind = 0.0

    def hear(self, tick: Tick | None, hearing: Hearing) -> None:
        """Take in the newest tick, which may be one that was heard before."""
        volume = hearing.volume if hearing.sound else 0.0
        playing = tick is not None and tick.phase is Phase.playing
        self._blow(WIND * volume if playing else 0.0)
        if tick is None or tick.number == self._number:
            return
        self._number = tick.number
        if tick.step is None or tick.observation is None:
            self._eye, self._walked_m, self._held = None, 0.0, frozenset()
            return
        if self._strides(tick.observation.pose):
            self._play(Tone.step, STEP * volume)
        for button in sorted(tick.step.buttons - self._held):
            if button in BLOWS:
                self._play(BLOWS[button], HANDS * volume)
        self._held = tick.step.buttons

    def close(self) -> None:
        self._mixer.close()

    def _strides(self, eye: Pose) -> bool:
        """Whether a foot comes down on the way to here."""
        before, self._eye = self._eye, eye
        if before is None:
            return False
        moved_m = math.hypot(eye.x - before.x, eye.z - before.z)
        if moved_m > JUMP_M or abs(eye.y - before.y) > AIRBORNE_M:
            return False
        self._walked_m += moved_m
        if self._walked_m < STRIDE_M:
            return False
        self._walked_m %= STRIDE_M
        return True

    def _play(self, tone: Tone, loudness: float) -> None:
        if loudness > 0:
            self._mixer.play(tone, loudness)

    def _blow(self, loudness: float) -> None:
        if loudness != self._wind:
            self._mixer.wind(loudness)
            self._wind = loudness
