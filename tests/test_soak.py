"""The soak tool, on worlds that take no time and hold nothing."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import FakeClock
from fakes_play import FakePlayWorld
from rich.console import Console

from worldsim.camera import Intrinsics
from worldsim.errors import ConfigError
from worldsim.play.stats import open_files, resident_mb
from worldsim.record.format import WorldInfo
from worldsim.tools.soak import (
    Part,
    SoakConfig,
    SoakWatcher,
    Vitals,
    growth_of,
    play_and_tell,
    soak,
)
from worldsim.types import Action, StepResult

SEEN = FakePlayWorld().reset()
HELD = Vitals(memory_mb=100.0, threads=2, open_files=9)


def watched(costs_s: list[float], parts: int) -> list[Part]:
    """The parts of a run whose ticks cost this much of a fake clock."""
    clock = FakeClock()
    config = SoakConfig(ticks=len(costs_s), parts=parts)

    def measure() -> Vitals:
        clock.spend(50.0)  # measuring takes its time
        return HELD

    watcher = SoakWatcher(config, clock, measure)
    watcher.began(SEEN, WorldInfo(kind="dream", version="1"), Intrinsics())
    for cost_s in costs_s:
        clock.spend(cost_s)
        watcher.ticked(Action(), StepResult(SEEN))
    return watcher.parts


def test_each_part_has_its_own_tick_times_and_measuring_is_no_tick() -> None:
    first, last = watched([0.01] * 10 + [0.03] * 10, parts=2)
    assert (first.ticks, last.ticks) == (10, 10)
    assert first.p95_ms == pytest.approx(10.0)
    assert last.p50_ms == pytest.approx(30.0)


def test_parts_that_cannot_be_equal_make_up_the_whole() -> None:
    assert sum(part.ticks for part in watched([0.01] * 20, parts=3)) == 20


def test_growth_is_from_the_end_of_the_first_part_to_the_end_of_the_last() -> None:
    first, last = watched([0.01] * 10 + [0.03] * 10, parts=2)
    grown = replace(last, vitals=replace(HELD, memory_mb=130.0, threads=3, open_files=None))
    growth = growth_of([first, replace(last, p95_ms=500.0), grown])
    assert growth["memory_mb"] == pytest.approx(30.0)
    assert growth["threads"] == 1
    assert growth["open_files"] is None
    assert growth["p95_ms"] == pytest.approx(20.0)


def test_an_agent_plays_every_tick_and_the_numbers_are_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = FakePlayWorld()
    config = SoakConfig(ticks=60, parts=3, json=tmp_path / "soak.json", policy="random")
    play_and_tell(config, Console(), make=lambda asked: world.made(asked.kind))
    assert len(world.actions) == 60
    told = capsys.readouterr().out.splitlines()
    assert [line.split(" ticks, ")[0] for line in told[:3]] == [f"{i} of 3: 20" for i in (1, 2, 3)]
    assert told[-1].startswith("from the first part to the last: ")
    report = json.loads((tmp_path / "soak.json").read_text())
    assert [part["ticks"] for part in report["parts"]] == [20, 20, 20]
    assert set(report["growth"]) == {"memory_mb", "threads", "open_files", "p95_ms"}
    assert report["config"]["policy"] == "random"


def test_what_is_told_is_on_disk_already(tmp_path: Path) -> None:
    config, world = SoakConfig(ticks=60, parts=3, json=tmp_path / "soak.json"), FakePlayWorld()
    written: list[int] = []

    class Listening(Console):
        def print(self, *_: object, **__: object) -> None:
            written.append(len(json.loads((tmp_path / "soak.json").read_text())["parts"]))

    play_and_tell(config, Listening(), make=lambda asked: world.made(asked.kind))
    assert written == [1, 2, 3, 3]


def test_a_soak_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    soak(SoakConfig(ticks=10, parts=2), make=lambda asked: FakePlayWorld().made(asked.kind))
    assert threading.active_count() == before


def test_a_run_without_a_first_and_a_last_part_is_refused() -> None:
    for wrong in ({"parts": 1}, {"ticks": 3, "parts": 4}):
        with pytest.raises(ConfigError, match="parts"):
            SoakConfig(**wrong)


def test_a_file_that_is_opened_is_counted_and_memory_is_more_than_nothing(tmp_path: Path) -> None:
    before = open_files()
    if before is None:
        pytest.skip("this system does not tell")
    with (tmp_path / "file").open("w"):
        assert open_files() == before + 1
    assert open_files() == before
    held = resident_mb()
    assert held is None or held > 1.0
