"""The display thread: at the screen's rate, the newest frame turned to where the player looks.

Looking around costs no model time: the motion that no frame has used yet turns the newest frame
(`warp`), so the view answers within one refresh while the model runs at 20 Hz. While the player
walks, it moves on too (`view_ahead`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import platformdirs

from worldsim.engine.clock import Clock, Pacing
from worldsim.errors import OutputError
from worldsim.play.controls import Controls, Demand, Say, Wish
from worldsim.play.finish import Finish
from worldsim.play.hud import Hud, HudMode, compose_hud
from worldsim.play.keymap import Keymap
from worldsim.play.loop import ModelLoop
from worldsim.play.mailbox import InputSource
from worldsim.play.photo_file import enlarged_photo, png_text
from worldsim.play.sound import Mixer, Silence, Sound
from worldsim.play.stats import Quantiles, Rate, Ring
from worldsim.play.tick import Board, Tick
from worldsim.play.twin_picture import TwinShot
from worldsim.play.view_ahead import ViewAhead, WarpMode
from worldsim.play.warp import narrowed
from worldsim.play.window import MouseMoved, View, Window
from worldsim.record.contact_sheet import save_png

log = logging.getLogger(__name__)

MESSAGE_S = 2.0
READING_S = 0.04  # a character
LOOKS = 200  # mouse motions over which the look latency is told
RATE_EVERY_S = 0.25  # numbers that change faster cannot be read


class Display:
    """Reads the window's events, draws what the model thread publishes."""

    def __init__(
        self,
        *,
        window: Window,
        controls: Controls,
        save_keymap: Callable[[Keymap], Path | None],
        source: InputSource,
        loop: ModelLoop,
        board: Board,
        clock: Clock,
        pacing: Pacing,
        warp: WarpMode = WarpMode.parallax,
        mixer: Mixer | None = None,  # None: nothing is heard
    ) -> None:
        self._window = window
        self._controls = controls
        self._save_keymap = save_keymap
        self._source = source
        self._loop = loop
        self._board = board
        self._clock = clock
        self._pacing = pacing
        self._ahead = ViewAhead(warp)
        self._sound = Sound(mixer or Silence())
        self._debug = False
        self._message = ""
        self._message_until_s = 0.0
        self._rate = Rate()
        self._look_ms = Ring(LOOKS)
        self._shown_look = Quantiles()
        self._shown_hz = 0.0
        self._next_rate_s = 0.0
        self._last_s = clock.now()
        self._last_shown: object = None
        self._grabbed = False
        self.first_view_s: float | None = None  # on the clock; from then on the menu answers
        self.quit = False

    def run(self, finished: Callable[[], bool]) -> None:
        """Refresh until the player quits or the model thread has `finished`."""
        try:
            while not (self.quit or finished()):
                self._pacing.wait()
                self.refresh()
        finally:
            self._sound.close()

    def refresh(self) -> None:
        """One turn: events in, and a picture out if anything about it has changed."""
        now_s = self._clock.now()
        events = self._window.poll()
        for demand in self._controls.handle(events, now_s - self._last_s):
            self._meet(demand)
        self._last_s = now_s
        self._follow_grab()
        self._read_messages(now_s)
        self._measure(now_s)
        before, tick = self._last_shown, self._board.newest()
        self._sound.hear(tick, self._controls.keymap.hearing)
        self._show(tick)
        looked = self._grabbed and any(isinstance(event, MouseMoved) for event in events)
        if looked and self._last_shown is not before:
            self._look_ms.add((self._clock.now() - now_s) * 1e3)

    def _meet(self, demand: Demand) -> None:
        if isinstance(demand, Say):
            self._say(demand.text)
        elif isinstance(demand, Wish):
            self._fulfil(demand)
        else:
            self._loop.order(demand)

    def _fulfil(self, wish: Wish) -> None:
        match wish:
            case Wish.toggle_hud:
                self._controls.toggle_hud()
            case Wish.toggle_debug:
                self._debug = not self._debug
            case Wish.cycle_warp:
                self._say(f"Warp: {self._ahead.cycle().value}")
            case Wish.toggle_fullscreen:
                self._window.toggle_fullscreen()
            case Wish.take_screenshot:
                self._take_screenshot()
            case Wish.save_keymap:
                self._keep_keymap()
            case Wish.quit:
                self.quit = True

    def _follow_grab(self) -> None:
        if self._controls.grabbed != self._grabbed:
            self._grabbed = self._controls.grabbed
            self._window.grab_mouse(self._grabbed)

    def _read_messages(self, now_s: float) -> None:
        messages = self._board.heard()
        if messages:
            self._say(". ".join(messages))  # else the last would hide the others
        if now_s >= self._message_until_s:
            self._message = ""

    def _say(self, message: str) -> None:
        reading_s = MESSAGE_S + len(message) * READING_S
        self._message, self._message_until_s = message, self._clock.now() + reading_s

    def _measure(self, now_s: float) -> None:
        self._rate.mark(now_s)
        if now_s >= self._next_rate_s:
            self._shown_hz = self._rate.hz(now_s)
            self._shown_look = self._look_ms.quantiles()
            self._next_rate_s = now_s + RATE_EVERY_S

    def _show(self, tick: Tick | None) -> None:
        """Draw, unless the picture would be the one that is already on the screen."""
        mode = HudMode(
            visible=self._controls.keymap.sight.hud,
            debug=self._debug,
            grabbed=self._grabbed,
            display_hz=self._shown_hz,
            look_ms=self._shown_look,
            warp=self._ahead.mode.value,
            message=self._message,
            menu=self._controls.menu.screen(self._controls.keymap),
        )
        view = self._view(tick, mode)
        turn = view.frame_from_view.tobytes() + view.shift.tobytes()
        shown = (id(tick), turn, view.hud, view.finish, self._window.size)
        if shown != self._last_shown:
            self._window.present(view)
            self._last_shown = shown
            if self.first_view_s is None:
                self.first_view_s = self._clock.now()

    def _view(self, tick: Tick | None, mode: HudMode) -> View:
        keymap = self._controls.keymap
        hud = compose_hud(tick, mode, keymap)
        if tick is None or tick.observation is None:
            return View(rgb=None, fov_y_deg=60.0, frame_from_view=np.eye(3), hud=hud)
        if tick.extras.twin is not None:
            return _twin_view(tick, tick.extras.twin, hud)
        lead = self._ahead.of(tick, self._source, self._clock.now())
        return View(
            rgb=tick.observation.rgb,
            fov_y_deg=tick.fov_y_deg,
            frame_from_view=narrowed(lead.turn, tick.fov_y_deg, keymap.sight.field_of_view),
            hud=hud,
            shift=lead.shift,
            depth=tick.observation.depth,
            finish=Finish(keymap.sight.sharpness, keymap.sight.squares),
        )

    def _keep_keymap(self) -> None:
        try:
            copy = self._save_keymap(self._controls.keymap)
        except OutputError as error:
            self._say(f"Your settings hold for this game only: {error}")
            return
        if copy is not None:
            self._say(f"Your own keymap was kept as {copy}")

    def _take_screenshot(self) -> None:
        tick = self._board.newest()
        photo = tick.extras.photo if tick else None
        picture = self._window.screenshot() if photo is None else enlarged_photo(photo)
        if picture is None:
            return
        stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S_%f")[:-3]
        path = pictures_folder() / f"worldsim_{stamp}.png"
        try:
            save_png(picture, path, text=png_text(tick) if tick else {})
        except OutputError as error:
            self._say(str(error))
            return
        log.info("screenshot %s", path)
        self._say(f"Saved {path}")


def _twin_view(tick: Tick, shot: TwinShot, hud: Hud) -> View:
    """Both worlds as they were drawn: a picture turned ahead of its tick compares with nothing."""
    return View(rgb=shot.picture, fov_y_deg=tick.fov_y_deg, frame_from_view=np.eye(3), hud=hud)


def pictures_folder() -> Path:
    """The user's pictures, or the current folder where there are none."""
    pictures = Path(platformdirs.user_pictures_dir())
    return pictures if pictures.is_dir() else Path.cwd()
