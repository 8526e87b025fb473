"""`worldsim replay`: compare a recorded episode frame by frame, or watch it in the window.

Watching runs the recorded actions through the world again, so it can be done in another world: the
dream of other weights, or by the key that switches, the true world beside the dream. A recording
that began in mid-session cannot be run again: its video is shown.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from worldsim.camera import Intrinsics
from worldsim.engine.clock import Clock, Pacer, RealClock
from worldsim.errors import ConfigError
from worldsim.play.app import open_window, perform
from worldsim.play.loop import LoopConfig, ModelLoop
from worldsim.play.mailbox import Mailbox, RecordedInput
from worldsim.play.menu import Menu
from worldsim.play.menu_pages import Choices
from worldsim.play.pilots import ScriptedPilot
from worldsim.play.play_config import PlayConfig
from worldsim.play.recorded_world import RecordedWorld
from worldsim.play.tick import Board
from worldsim.play.wheel import Driver, Seat, Wheel
from worldsim.play.window import NoDisplayError, Window
from worldsim.record import replay
from worldsim.record.episode import Episode
from worldsim.record.format import WorldInfo, frame_hash
from worldsim.record.replay import ReplayConfig, recorded_world, require_start, require_version
from worldsim.record.worlds import MadeWorld, MakeWorld, WorldConfig, WorldKind, make_world
from worldsim.types import TICK_S, Action, Observation, StepResult

MAX_SPEED = 100.0
FILM = "video"  # the version of a world that is a recording


@dataclass(frozen=True, kw_only=True)
class WatchConfig(ReplayConfig):
    """Run a recorded episode again in the same world and verify every frame, bit for bit."""

    watch: bool = False
    """Watch it in the window; what differs from the recording is told there."""
    speed: float = 1.0
    """How fast to watch: 2 is twice as fast as it was played."""
    checkpoint: str | None = None
    """Watch the same inputs in another world: the dream of this checkpoint, a name or a folder."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.speed) and 0.0 < self.speed <= MAX_SPEED):
            raise ConfigError(
                f"a speed above 0, up to {MAX_SPEED:g}", f"{self.speed:g}", "1 is as it was played."
            )
        if not self.watch and (self.speed != 1.0 or self.checkpoint is not None):
            option = "--speed" if self.checkpoint is None else "--checkpoint"
            raise ConfigError(f"--watch with {option}", "none", "Add --watch.")


def run(
    config: WatchConfig,
    *,
    make: MakeWorld = make_world,
    open_in: Callable[[PlayConfig], Window] = open_window,
    clock: Clock | None = None,
) -> int:
    """Exit code 0; 1 if frames were to be verified and one differs.

    Raises EpisodeError if the episode cannot be replayed, CheckpointError if the weights differ
    from the recorded ones and neither --checkpoint nor --allow-other-weights says so.
    """
    if not config.watch:
        return replay.run(config, make=make)
    episode = Episode.open(config.episode)
    if config.checkpoint is not None or not is_film(episode):
        require_start(episode)
    window = _opened(open_in)
    try:
        watch(config, episode, window, make=make, clock=clock or RealClock(), hears=True)
    finally:
        window.close()
    return 0


def watch(
    config: WatchConfig,
    episode: Episode,
    window: Window,
    *,
    make: MakeWorld,
    clock: Clock,
    hears: bool = False,
) -> None:
    """Show an episode until the window is closed; the wheel may change hands but in a film."""
    board, mailbox, seat = Board(), Mailbox(), Seat(ScriptedPilot())
    world = watched_world(config, episode)
    recorded = episode.info.world
    film = is_film(episode)
    inputs = RecordedInput(episode.actions)
    wheel = Wheel(mailbox, seat=seat, recorded=inputs)
    if film:
        wheel = Wheel(None, recorded=inputs)

    def made(kind: WorldKind) -> MadeWorld:
        if film and kind == world.kind:
            return MadeWorld(RecordedWorld(episode), replace(recorded, version=FILM))
        require_start(episode)
        one = make(replace(world, kind=kind))
        if config.checkpoint is None and kind == recorded.kind and not config.allow_other_weights:
            require_version(episode, one.info)
        return one

    loop = ModelLoop(
        LoopConfig(world=world.kind, seed=recorded.seed, scene=recorded.scene),
        make_world=made,
        source=wheel,
        board=board,
        clock=clock,
        pacing=Pacer(clock, TICK_S / config.speed),
        watchers=[
            seat,
            Verifier(episode, board.say, lambda: wheel.driver is Driver.replay),
        ],
    )
    if film:
        board.say("This recording began in mid-session: its video is shown")
    menu = Menu(Choices(recorded=True))
    perform(loop, window, board, source=wheel, mailbox=mailbox, menu=menu, clock=clock, hears=hears)


def is_film(episode: Episode) -> bool:
    """Whether all that can be shown of an episode is its video."""
    return bool(episode.ticks) and episode.info.world.seed is None


def watched_world(config: WatchConfig, episode: Episode) -> WorldConfig:
    """The recorded world, or the dream of the checkpoint that was asked for."""
    world = recorded_world(episode.info.world, config.device)
    if config.checkpoint is None:
        return world
    return replace(world, kind="dream", checkpoint=config.checkpoint, steps=None)


class Verifier:
    """Tells where a replay first differs from its recording, or that it does not.

    It compares what begins at the first frame and is played without going back; other worlds than
    the recorded one differ from the start, which need not be told. From where `is_replayed` says
    that somebody else drives, there is nothing to compare.
    """

    def __init__(
        self,
        episode: Episode,
        tell: Callable[[str], None],
        is_replayed: Callable[[], bool] = lambda: True,
    ) -> None:
        self._episode = episode
        self._tell = tell
        self._is_replayed = is_replayed
        self._tick: int | None = None  # of the frame compared last; None: there is no use in it

    def began(self, first: Observation, info: WorldInfo, _camera: Intrinsics, /) -> None:
        recorded = self._episode.info.world
        same = (info.kind, info.version) == (recorded.kind, recorded.version)
        self._tick = -1 if same and info.seed is not None else None
        self._compare(first)

    def ticked(self, _action: Action, result: StepResult, /) -> None:
        if not self._is_replayed():
            self._tick = None
        self._compare(result.observation)

    def ended(self) -> None:
        return

    def _compare(self, seen: Observation) -> None:
        if self._tick is None:
            return
        self._tick += 1
        if frame_hash(seen.rgb) != self._episode.ticks[self._tick].frame_hash:
            self._tell(f"Frame {self._tick} is the first that differs from the recording")
            self._tick = None
        elif self._tick == len(self._episode) - 1:
            self._tell(f"All {len(self._episode)} frames are as they were recorded")


def _opened(open_in: Callable[[PlayConfig], Window]) -> Window:
    try:
        return open_in(PlayConfig())
    except NoDisplayError as error:
        remedy = "Leave out --watch: the frames are then compared without a window."
        raise NoDisplayError(error.expected, error.got, remedy) from error
