"""Sounds through SDL. Only pygame's mixer is started."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pygame
from numpy.typing import NDArray

from worldsim.errors import BackendError
from worldsim.play.sound import Mixer, Silence
from worldsim.play.tones import RATE_HZ, Tone, made

log = logging.getLogger(__name__)

CHANNELS = 8
BUFFER = 512  # samples: 23 ms from a step to its sound
FADE_MS = 400  # of the wind
SOUND_CARDS = Path("/dev/snd")
SOUND_SERVERS = ("pulse/native", "pipewire-0")  # sockets in the user's runtime folder


class NoSoundError(BackendError):
    """There is no audio device to be heard on."""


class PygameMixer:
    """Opens the audio device on construction. Raises NoSoundError if there is none."""

    def __init__(self) -> None:
        reason = missing_device(os.environ, sys.platform)
        if reason is not None:
            raise _no_sound(reason)
        try:
            pygame.mixer.init(RATE_HZ, -16, 2, BUFFER)
        except (pygame.error, NotImplementedError) as error:  # no device, or built without sound
            raise _no_sound(str(error)) from error
        pygame.mixer.set_num_channels(CHANNELS)
        self._sounds = {tone: pygame.mixer.Sound(buffer=_stereo(made(tone))) for tone in Tone}
        self._wind = pygame.mixer.Channel(0)
        pygame.mixer.set_reserved(1)

    @property
    def device(self) -> str:
        """How the sounds are played."""
        rate_hz, _, channels = pygame.mixer.get_init() or (0, 0, 0)
        return f"SDL's {pygame.mixer.get_driver()}, {rate_hz} Hz, {channels} channels"

    def play(self, tone: Tone, loudness: float, /) -> None:
        channel = pygame.mixer.find_channel()
        if channel is not None:  # else so much is heard that one more is not missed
            channel.set_volume(loudness)
            channel.play(self._sounds[tone])

    def wind(self, loudness: float, /) -> None:
        if loudness == 0:
            self._wind.fadeout(FADE_MS)
            return
        if not self._wind.get_busy():
            self._wind.play(self._sounds[Tone.wind], loops=-1, fade_ms=FADE_MS)
        self._wind.set_volume(loudness)

    def close(self) -> None:
        pygame.mixer.quit()


def missing_device(environment: Mapping[str, str], platform: str) -> str | None:
    """Why there can be no sound, judged before trying: on Linux a try without a device prints a
    page of complaints. None if there may be one.
    """
    if not platform.startswith("linux") or environment.get("SDL_AUDIODRIVER"):
        return None
    servers = [Path(environment.get("XDG_RUNTIME_DIR", "/")) / name for name in SOUND_SERVERS]
    there = SOUND_CARDS.exists() or any(server.exists() for server in servers)
    if there or environment.get("PULSE_SERVER"):
        return None
    return "neither a sound card nor a sound server"


def _no_sound(reason: str) -> NoSoundError:
    return NoSoundError("an audio device", reason, "Connect one, or play on in silence.")


def open_mixer(say: Callable[[str], None]) -> Mixer:
    """The machine's audio; silence, told once, where there is none."""
    try:
        return PygameMixer()
    except NoSoundError as error:
        log.info("no sound: %s", error)
        say(f"No sound: {error.got}")
        return Silence()


def _stereo(samples: NDArray[np.int16]) -> bytes:  # [N] to both sides
    return np.repeat(samples[:, None], 2, axis=1).tobytes()
