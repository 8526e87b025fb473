"""`worldsim play`: a window, two threads and a world; or no window and a script for a player."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar, cast

from rich.console import Console

from worldsim.engine.clock import Clock, Pacer, RealClock, Unpaced
from worldsim.engine.start import scene_names
from worldsim.play.console_window import ConsoleWindow
from worldsim.play.controls import Controls
from worldsim.play.display import Display
from worldsim.play.keymap_file import load_keymap, save_keymap
from worldsim.play.loop import LoopConfig, ModelLoop, Watcher
from worldsim.play.mailbox import InputSource, Mailbox, ScriptedInput
from worldsim.play.menu import Menu
from worldsim.play.menu_pages import Choices
from worldsim.play.orders import Start
from worldsim.play.pilots import Pilot, ScriptedPilot, pilot_named
from worldsim.play.play_config import PlayConfig
from worldsim.play.quality import Quality
from worldsim.play.report import Report, report_on
from worldsim.play.save_file import Save, SaveInfo, read_save
from worldsim.play.saves import find_save
from worldsim.play.sound import Mixer
from worldsim.play.stats import process_age_s
from worldsim.play.tick import Board
from worldsim.play.view_ahead import WarpMode
from worldsim.play.watchers import DemoWatcher, EpisodeWatcher
from worldsim.play.wheel import Driver, Seat, Wheel
from worldsim.play.window import NoDisplayError, WarpName, Window
from worldsim.record.output import claim_folder
from worldsim.record.script import compile_script, load_script
from worldsim.record.worlds import MadeWorld, MakeWorld, MemoryMode, WorldKind, make_world
from worldsim.types import TICK_HZ, TICK_S

T = TypeVar("T")
DEMO_TICKS = 10 * TICK_HZ
DEMO_VIDEO, DEMO_SHEET = Path("worldsim-demo.mp4"), Path("worldsim-demo.png")
# Without a graphics card a warped picture costs 4 ms of a core. Turning costs that while the player
# looks around, moving would all the time that they walk: a quarter of a core at 60 Hz, and on two
# cores the dream, which wants both, would tick later than the view gains.
CORES_TO_SPARE = 4
SWITCH_INTERVAL_S = 0.001  # Python's 5 ms would hold the display back while the model thread runs


def run(config: PlayConfig, *, make: MakeWorld = make_world, clock: Clock | None = None) -> int:
    """Play; exit code 0. Raises a WorldsimError that names the mistake."""
    clock = clock or RealClock()
    started_at_s = clock.now() - (process_age_s() or 0.0)
    quality = quality_for(config)
    save = None if config.load is None else read_save(find_save(config.load))
    config = config if save is None else continuing(config, save.info)
    config.world_config(config.world)  # refuses bad values before a window opens
    if config.record is not None:
        claim_folder(config.record)
    session = Session(
        config=config,
        make=make,
        clock=clock,
        started_at_s=started_at_s,
        save=save,
        quality=quality,
        pilot=ScriptedPilot() if config.policy is None else pilot_named(config.policy),
    )
    if config.headless:
        _tell(_played_headless(session))
        return 0
    try:
        window = open_window(config)
    except NoDisplayError as error:
        return _film_demo(session, error)
    try:
        replace(session, hears=True).play(window, scripted=False)
    finally:
        window.close()
    return 0


def quality_for(config: PlayConfig) -> Quality | None:
    """None where frames are to depend on the actions alone, or the player asks for the steps."""
    fixed = config.record is not None or config.steps is not None
    return None if fixed else Quality()


def continuing(config: PlayConfig, info: SaveInfo) -> PlayConfig:
    """The options under which a saved game goes on as it would have; given ones come first."""
    usual, world = PlayConfig(), info.world
    return replace(
        config,
        world=info.kind,
        checkpoint=_given(config.checkpoint, usual.checkpoint, world.checkpoint),
        steps=_given(config.steps, usual.steps, world.steps),
        memory=_given(config.memory, usual.memory, cast(MemoryMode | None, world.memory)),
    )


def _given(value: T, usual: T, saved: T | None) -> T:
    return saved if value == usual and saved is not None else value


@dataclass(frozen=True, kw_only=True)
class Session:
    """One run of the game, with everything that tests replace."""

    config: PlayConfig
    make: MakeWorld
    clock: Clock
    started_at_s: float
    save: Save | None = None
    quality: Quality | None = None  # None: the steps stay as they are
    pilot: Pilot = field(default_factory=ScriptedPilot)  # who may take the wheel
    hears: bool = False  # whether there is somebody to hear it

    def play(self, window: Window, *, scripted: bool, watchers: Sequence[Watcher] = ()) -> Report:
        """A person plays at 20 ticks a second, or nobody as fast as the machine can: a script, or
        the agent where there is one.

        Returns when the player quits or the configured frames are out, with the report written.
        """
        mailbox, board, seat = Mailbox(), Board(), Seat(self.pilot)
        driven = scripted and self.config.policy is None
        actions = compile_script(load_script(self.config.script)) if driven else []
        source = ScriptedInput(actions) if driven else self._wheel(mailbox, seat)
        loop = ModelLoop(
            self._loop_config(default_frames=len(actions) or (DEMO_TICKS if scripted else None)),
            make_world=self._made,
            source=source,
            board=board,
            clock=self.clock,
            pacing=Unpaced() if scripted else Pacer(self.clock, TICK_S),
            watchers=[seat, *self._recorders(driven), *watchers],
            quality=None if scripted else self.quality,
        )
        first_view_s = perform(
            loop,
            window,
            board,
            source=source,
            mailbox=mailbox,
            menu=self._menu(loop.origin),
            clock=self.clock,
            warp=self.config.warp,
            hears=self.hears,
        )
        return self._reported(loop, first_view_s)

    def _wheel(self, mailbox: Mailbox, seat: Seat) -> Wheel:
        first = Driver.human if self.config.policy is None else Driver.agent
        return Wheel(mailbox, seat=seat, first=first)

    def _loop_config(self, default_frames: int | None) -> LoopConfig:
        config = self.config
        return LoopConfig(
            world=config.world,
            seed=config.seed,
            scene=config.scene,
            image=config.image,
            frames=config.frames or default_frames,
            save=self.save,
        )

    def _menu(self, began: Start) -> Menu:
        seed = self.config.seed if began.seed is None else began.seed
        return Menu(Choices(seed=seed, scene=began.scene, scenes=tuple(scene_names())))

    def _made(self, kind: WorldKind) -> MadeWorld:
        return self.make(self.config.world_config(kind))

    def _recorders(self, scripted: bool) -> list[Watcher]:
        if self.config.record is None:
            return []
        return [EpisodeWatcher(self.config.record, self.config.script if scripted else None)]

    def _reported(self, loop: ModelLoop, first_view_s: float | None) -> Report:
        report = report_on(loop, started_at_s=self.started_at_s, first_view_s=first_view_s)
        if self.config.report is not None:
            report.write(self.config.report)
        return report


def perform(
    loop: ModelLoop,
    window: Window,
    board: Board,
    *,
    source: InputSource,
    mailbox: Mailbox,
    menu: Menu,
    clock: Clock,
    warp: WarpName = "auto",
    hears: bool = False,
) -> float | None:
    """Show a loop in a window until the player quits or the loop ends; they play the mailbox.

    Returns when the window showed its first picture, on the clock; None if it never did.
    """
    loaded = load_keymap(knows_key=window.knows_key)
    if loaded.warnings:
        board.say(loaded.told())
    display = Display(
        window=window,
        controls=Controls(loaded.keymap, mailbox, menu),
        save_keymap=save_keymap,
        source=source,
        loop=loop,
        board=board,
        clock=clock,
        pacing=Pacer(clock, 1.0 / window.refresh_hz),
        warp=warp_mode(warp, on_gpu=window.on_gpu, cores=os.cpu_count() or 1),
        mixer=_mixer(board) if hears else None,
    )
    _run_both(loop, display)
    return display.first_view_s


def _mixer(board: Board) -> Mixer:
    quiet_pygame()
    from worldsim.play.pygame_mixer import open_mixer  # SDL: heavy

    return open_mixer(board.say)


def _run_both(loop: ModelLoop, display: Display) -> None:
    """The model on a thread of its own, the display on this one; an error of either ends both."""
    with _quick_thread_switches(), ThreadPoolExecutor(1, "worldsim-model") as pool:
        model = pool.submit(loop.run)
        try:
            display.run(model.done)
        finally:
            loop.stop()
        model.result()


def warp_mode(name: WarpName, *, on_gpu: bool, cores: int) -> WarpMode:
    """What a name means on this machine."""
    if name != "auto":
        return WarpMode(name)
    return WarpMode.parallax if on_gpu or cores >= CORES_TO_SPARE else WarpMode.rotation


@contextmanager
def _quick_thread_switches() -> Iterator[None]:
    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        yield
    finally:
        sys.setswitchinterval(usual_s)


def quiet_pygame() -> None:
    """Keep pygame from printing an advertisement when it is imported."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")


def open_window(config: PlayConfig) -> Window:
    quiet_pygame()
    from worldsim.play.pygame_window import PygameWindow, WindowConfig  # SDL: heavy

    window = PygameWindow(
        WindowConfig(width=config.width, height=config.height, presenter=config.presenter)
    )
    if config.fullscreen:
        window.toggle_fullscreen()
    return window


def _played_headless(session: Session, *watchers: Watcher) -> Report:
    window = ConsoleWindow()
    try:
        return session.play(window, scripted=True, watchers=watchers)
    finally:
        window.close()


def _film_demo(session: Session, why: NoDisplayError) -> int:
    """What there is to see where there is no screen."""
    err = Console(stderr=True)
    err.print(f"No display ({why.got}): filming ten seconds of play instead.", soft_wrap=True)
    config = session.config
    filming = replace(session, config=replace(config, frames=config.frames or DEMO_TICKS))
    _tell(_played_headless(filming, DemoWatcher(DEMO_VIDEO, DEMO_SHEET)))
    Console().print(
        f"film     {DEMO_VIDEO.resolve()}\nstills   {DEMO_SHEET.resolve()}", soft_wrap=True
    )
    return 0


def _tell(report: Report) -> None:
    Console().print(
        f"{report.world}, seed {report.seed}: {report.frames} frames at {report.fps:.1f} frames/s, "
        f"tick p50 {report.tick_ms.p50:.1f} ms, p95 {report.tick_ms.p95:.1f} ms",
        soft_wrap=True,
        highlight=False,
    )
