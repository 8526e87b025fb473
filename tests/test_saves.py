"""Saved games: one whole file each, continued identically by another process or machine."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dreams import WALK, StartedDream, begun
from fakes import FakeClock
from fakes_play import FakeKeptWorld

from worldsim.camera import Intrinsics
from worldsim.engine.clock import Unpaced
from worldsim.envs.blocks.world import BlockWorld
from worldsim.errors import ConfigError, StateError
from worldsim.play import app
from worldsim.play.app import PlayConfig, continuing
from worldsim.play.keeper import KeptBytes
from worldsim.play.loop import LoopConfig, ModelLoop
from worldsim.play.mailbox import ScriptedInput
from worldsim.play.orders import Load, Order, SaveAs, Start
from worldsim.play.save_file import (
    Save,
    SaveInfo,
    read_preview,
    read_save,
    require_same_world,
    write_save,
)
from worldsim.play.saves import QUICK, SUFFIX, Saves, find_save, list_saves, require_name
from worldsim.play.stage import Stage
from worldsim.play.tick import Board
from worldsim.play.timeline import RewindConfig
from worldsim.record.episode import Episode
from worldsim.record.format import WorldInfo
from worldsim.record.worlds import MadeWorld, WorldConfig
from worldsim.types import Action, Observation

INFO = SaveInfo(
    world=WorldInfo(kind="real", version="1", seed=7, scene="meadow"),
    tick=12,
    saved_at="2026-01-02T03:04:05+00:00",
)
RGB = np.full((80, 128, 3), 90, np.uint8)


def saved(folder: Path, name: str = QUICK, state: bytes = b"state") -> Path:
    path = folder / f"{name}{SUFFIX}"
    write_save(path, INFO, RGB, state)
    return path


def test_a_saved_game_is_one_file_that_tells_what_it_holds(tmp_path: Path) -> None:
    path = saved(tmp_path)
    assert read_save(path) == Save(INFO, b"state")
    preview = read_preview(path)
    assert (preview.name, preview.info) == (QUICK, INFO)
    assert preview.thumbnail.shape == (80, 128, 3)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_a_thumbnail_is_small_whatever_the_frame(tmp_path: Path) -> None:
    write_save(tmp_path / "big.wsave", INFO, np.zeros((480, 1024, 3), np.uint8), b"")
    assert read_preview(tmp_path / "big.wsave").thumbnail.shape == (120, 256, 3)


def test_a_file_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, state=bytes(range(256)) * 8)
    whole, opened = path.read_bytes(), read_save(path)
    rng = np.random.default_rng(0)
    for length in (0, 1, 40, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(StateError, match="worldsim-save"):
            read_save(path)
    for place in rng.integers(len(whole), size=200):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            assert read_save(path) == opened  # the bit was in the thumbnail, or means nothing
        except StateError:
            continue


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"none\.wsave"):
        read_save(tmp_path / "none.wsave")


@pytest.mark.parametrize(
    ("kind", "remedy"), [("dream", "--checkpoint"), ("real", "version of worldsim")]
)
def test_another_world_is_refused_with_its_remedy(kind: str, remedy: str) -> None:
    world = replace(INFO.world, kind=kind, checkpoint="mine")
    info = replace(INFO, world=world)
    require_same_world(info, world)
    with pytest.raises(StateError, match=remedy) as refused:
        require_same_world(info, replace(world, version="2"))
    assert "1" in str(refused.value)


def test_a_name_or_a_file_finds_a_saved_game_and_a_wrong_one_lists_them(tmp_path: Path) -> None:
    path = saved(tmp_path, "by the lake")
    assert find_save("by the lake", tmp_path) == path
    assert find_save(str(path), tmp_path / "elsewhere") == path
    with pytest.raises(StateError, match=r"among \['by the lake'\]; got 'lake'"):
        find_save("lake", tmp_path)
    with pytest.raises(StateError, match="expected a saved game; got 'lake'"):
        find_save("lake", tmp_path / "elsewhere")


def test_the_newest_come_first_in_the_list_and_a_damaged_one_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number, name in enumerate(("old", "new", "broken")):
        os.utime(saved(tmp_path, name), (number, number))
    (tmp_path / f"broken{SUFFIX}").write_bytes(b"no archive")
    (tmp_path / f"half{SUFFIX}.partial").write_bytes(b"left by a killed save")
    assert [preview.name for preview in list_saves(tmp_path)] == ["new", "old"]
    assert "broken" in caplog.text


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "x" * 81, "nul\0"])
def test_a_name_that_is_no_name_of_a_file_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="letters, digits"):
        require_name(name)


def test_a_save_replaces_the_one_of_its_name_and_no_name_makes_a_new_one(tmp_path: Path) -> None:
    told: list[str] = []
    saves = Saves(told.append, tmp_path / "saves")
    for name, state in ((QUICK, b"1"), (QUICK, b"2"), (None, b"3"), (None, b"4")):
        saves.write(name, INFO, RGB, KeptBytes(state))
    assert saves.read(QUICK).state == b"2"
    saves.close()
    names = [preview.name for preview in list_saves(tmp_path / "saves")]
    assert len(set(names)) == 3
    assert sum(name.startswith("real meadow ") for name in names) == 2
    assert told[0] == "Saved as quick"


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told: list[str] = []
    saves = Saves(told.append, tmp_path / "file")
    saves.write(QUICK, INFO, RGB, KeptBytes(b""))
    saves.close()
    assert "to write" in told[0]


class Turns(Unpaced):
    """Gives an order at certain turns of a loop, counted from 1."""

    def __init__(self, orders: dict[int, Order | SaveAs | Load]) -> None:
        self._orders = orders
        self._turn = 0
        self.loop: ModelLoop | None = None

    def wait(self) -> None:
        self._turn += 1
        assert self.loop is not None
        if self._turn in self._orders:
            self.loop.order(self._orders[self._turn])


class Frames:
    """A watcher that keeps what was shown."""

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []
        self.seeds: list[int | None] = []

    def began(self, first: Observation, info: WorldInfo, camera: object, /) -> None:
        self.seeds.append(info.seed)

    def ticked(self, action: Action, result, /) -> None:
        self.seen.append(result.observation.rgb.copy())

    def ended(self) -> None: ...


ACTIONS = [Action(forward=True, yaw_deg=3.0), Action(yaw_deg=-5.0), Action(forward=True)]


def played(
    folder: Path, frames: int, orders: dict[int, Order | SaveAs | Load], save: Save | None = None
) -> tuple[Frames, Board, ModelLoop]:
    board, turns, watcher = Board(), Turns(orders), Frames()
    loop = ModelLoop(
        LoopConfig(world="real", seed=7, frames=frames, save=save),
        make_world=lambda kind: FakeKeptWorld().made(kind),
        source=ScriptedInput(ACTIONS),
        board=board,
        clock=FakeClock(),
        pacing=turns,
        watchers=[watcher],
        saves=Saves(board.say, folder),
    )
    turns.loop = loop
    loop.run()
    return watcher, board, loop


def test_quick_loading_goes_back_to_where_the_game_was_quick_saved(tmp_path: Path) -> None:
    watcher, board, _ = played(tmp_path, 15, {7: SaveAs(QUICK), 13: Load(QUICK)})
    assert np.array_equal(watcher.seen[6:9], watcher.seen[12:15])
    assert watcher.seeds == [7, None]
    assert board.heard() == ["Saved as quick"]


def test_loading_what_was_never_saved_is_told_and_the_game_goes_on(tmp_path: Path) -> None:
    watcher, board, _ = played(tmp_path, 4, {2: Load(QUICK)})
    assert "expected a saved game; got 'quick'" in board.heard()[0]
    assert len(watcher.seen) == 4


def test_a_saved_game_goes_on_in_another_run_of_the_program(tmp_path: Path) -> None:
    whole, _, _ = played(tmp_path, 12, {7: SaveAs("here")})
    rest, _, loop = played(tmp_path, 6, {}, read_save(find_save("here", tmp_path)))
    assert np.array_equal(rest.seen, whole.seen[6:])
    assert loop.origin == Start(seed=7)


def test_the_other_world_begins_where_the_loaded_one_began(tmp_path: Path) -> None:
    path = saved(tmp_path, state=FakeKeptWorld().get_state())
    orders: dict[int, Order | SaveAs | Load] = {
        2: Order.switch_world,
        3: Load(str(path)),
        4: Order.switch_world,
    }
    watcher, board, loop = played(tmp_path, 6, orders)
    assert watcher.seeds == [7, 7, None, 7]
    assert loop.origin == INFO.origin == Start(seed=7, scene="meadow")
    newest = board.newest()
    assert newest is not None
    assert newest.past.kept_ticks == 3


def test_an_older_save_of_other_weights_is_told_and_the_game_goes_on(tmp_path: Path) -> None:
    other = replace(INFO, world=replace(INFO.world, version="2"))
    write_save(tmp_path / f"quick{SUFFIX}", other, RGB, b"")
    watcher, board, _ = played(tmp_path, 4, {2: Load(QUICK)})
    assert "version 2" in board.heard()[0]
    assert len(watcher.seen) == 4


DREAM = """
import sys
import numpy as np
from pathlib import Path
from dreams import WALK, make_engine
from worldsim.play.save_file import read_save
from worldsim.play.stage import Stage
from worldsim.play.timeline import RewindConfig
from worldsim.record.episode import Episode
from worldsim.record.format import WorldInfo
from worldsim.record.worlds import MadeWorld, WorldConfig

made = MadeWorld(make_engine(), WorldInfo(kind="dream", version="hash"))
stage = Stage(made, RewindConfig())
stage.load(read_save(Path(sys.argv[1])))
frames = [stage.observation.rgb] + [stage.step(action).observation.rgb for action in WALK]
np.save(sys.argv[2], np.stack(frames))
"""


def test_a_dream_saved_before_a_restart_of_the_process_goes_on_identically(tmp_path: Path) -> None:
    made = MadeWorld(StartedDream(begun()), WorldInfo(kind="dream", version="hash"))
    stage = Stage(made, RewindConfig())
    stage.start(Start(seed=3))
    for action in WALK[:3]:
        stage.step(action)
    info, kept = stage.keep()
    assert stage.observation is not None
    path = tmp_path / "dream.wsave"
    write_save(path, info, stage.observation.rgb, kept.to_bytes())
    expected = [stage.observation.rgb] + [stage.step(a).observation.rgb for a in WALK]
    frames = tmp_path / "frames.npy"
    tests = str(Path(__file__).parent)
    subprocess.run(
        [sys.executable, "-c", DREAM, str(path), str(frames)],
        check=True,
        env={**os.environ, "PYTHONPATH": tests},
    )
    assert np.array_equal(np.load(frames), expected)


def test_a_saved_game_brings_its_options_but_for_those_given_by_name() -> None:
    world = WorldInfo(kind="dream", version="h", checkpoint="mine", steps=2, memory="recent")
    info = replace(INFO, world=world)
    assert continuing(PlayConfig(), info) == PlayConfig(checkpoint="mine", steps=2, memory="recent")
    given = PlayConfig(checkpoint="other", steps=1, memory="off")
    assert continuing(given, info) == given
    assert continuing(given, INFO) == replace(given, world="real")


@pytest.mark.parametrize("other", [{"scene": "forest"}, {"image": Path("photo.jpg")}])
def test_a_saved_game_with_another_start_is_refused(other: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="--load alone"):
        PlayConfig(load="quick", **other)


def test_playing_can_begin_where_a_game_was_saved(tmp_path: Path) -> None:
    whole, _, _ = played(tmp_path, 12, {7: SaveAs("here")})
    made: list[FakeKeptWorld] = []

    def make(config: WorldConfig) -> MadeWorld:
        made.append(FakeKeptWorld())
        return made[-1].made(config.kind)

    path = str(find_save("here", tmp_path))
    record = tmp_path / "walk"
    app.run(PlayConfig(load=path, headless=True, frames=3, record=record), make=make)
    assert (len(made[0].actions), made[0].resets) == (3, [])
    first = next(Episode.open(record).frames(0, 1)).astype(int)
    assert np.abs(first - whole.seen[5]).mean() < 3.0  # the video is compressed
    assert Episode.open(record).info.world.seed is None


def test_a_true_world_goes_on_from_a_save_and_from_going_back() -> None:
    world = BlockWorld(Intrinsics(width=32, height=20), renderer="torch", task=None)
    stage = Stage(MadeWorld(world, INFO.world), RewindConfig(span_ticks=3))
    stage.start(Start(seed=7))
    actions = [Action(forward=True, attack=True, pitch_deg=9.0)] * 5
    info, kept = stage.keep()
    frames = [stage.step(action).observation.rgb.copy() for action in actions]
    stage.halt()
    for _ in actions:
        stage.go_back()
    stage.go_on()
    assert stage.tick == 0
    again = [stage.step(action).observation.rgb.copy() for action in actions]
    stage.load(Save(info, kept.to_bytes()))
    loaded = [stage.step(action).observation.rgb.copy() for action in actions]
    stage.close()
    assert np.array_equal(frames, again)
    assert np.array_equal(frames, loaded)
