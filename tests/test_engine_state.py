"""Snapshots: restored equals uninterrupted, whatever way the state took."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from dreams import LEVELS, LOOK_AROUND, WALK, all_same, begun, make_engine, random_model, walk

from worldsim.engine.engine import WorldEngine
from worldsim.engine.state import EngineState
from worldsim.errors import OutputError, StateError
from worldsim.memory.retrieve import MemoryMode
from worldsim.model.checkpoint import Checkpoint
from worldsim.types import Action

MORE = [Action(yaw_deg=-25.0), Action(forward=True), Action(back=True, attack=True)]


def to_bytes_and_back(state: EngineState, folder: Path) -> EngineState:
    return EngineState.from_bytes(state.to_bytes())


def to_file_and_back(state: EngineState, folder: Path) -> EngineState:
    state.save(folder / "dream.state")
    return EngineState.load(folder / "dream.state")


def untouched(state: EngineState, folder: Path) -> EngineState:
    return state


WAYS: list[Callable[[EngineState, Path], EngineState]] = [
    untouched, to_bytes_and_back, to_file_and_back,
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("steps", [0, 1, 6])
def test_a_restored_dream_equals_an_uninterrupted_one_bit_for_bit(
    way: Callable[[EngineState, Path], EngineState], steps: int, tmp_path: Path
) -> None:
    uninterrupted = begun()
    walk(uninterrupted, WALK[:steps])
    saved = way(uninterrupted.snapshot(), tmp_path)
    expected = walk(uninterrupted, MORE)
    other = make_engine()
    other.reset(clip=LOOK_AROUND, seed=99)
    walk(other, MORE[:1])
    other.restore(saved)
    assert all_same(walk(other, MORE), expected)
    assert other.snapshot().to_bytes() == uninterrupted.snapshot().to_bytes()


def test_a_bfloat16_dream_survives_its_bytes() -> None:
    checkpoint = Checkpoint(random_model().bfloat16(), "hash", {})
    engine = WorldEngine(
        checkpoint, device=torch.device("cpu"), levels=LEVELS, memory=MemoryMode.FULL
    )
    engine.reset(clip=LOOK_AROUND, seed=3)
    walk(engine, WALK[:2])
    saved = EngineState.from_bytes(engine.snapshot().to_bytes())
    assert saved.tokens.dtype == torch.bfloat16
    expected = walk(engine, MORE[:2])
    engine.restore(saved)
    assert all_same(walk(engine, MORE[:2]), expected)


def test_bytes_of_bytes_are_the_same() -> None:
    engine = begun()
    walk(engine)
    data = engine.snapshot().to_bytes()
    assert EngineState.from_bytes(data).to_bytes() == data


def test_a_snapshot_taken_five_steps_ago_can_be_returned_to() -> None:
    engine = begun()
    walk(engine, WALK[:2])
    snapshots = [engine.snapshot()]
    for action in WALK[:5]:
        engine.step(action)
        snapshots.append(engine.snapshot())
    expected = walk(engine, MORE)
    engine.restore(snapshots[0])
    assert engine.frame == len(LOOK_AROUND.actions) + 2
    walk(engine, WALK[:5])
    assert all_same(walk(engine, MORE), expected)


def test_restoring_shows_the_frame_of_the_snapshot() -> None:
    engine = begun()
    seen = walk(engine, WALK[:2])[-1]
    saved = engine.snapshot()
    walk(engine, MORE)
    assert all_same([engine.restore(saved), engine.reset(state=saved)], [seen, seen])


def test_a_state_of_other_weights_is_refused() -> None:
    saved, other = begun().snapshot(), make_engine(name="other")
    with pytest.raises(StateError, match=r"weights other.*one of hash.*Load the checkpoint"):
        other.restore(saved)
    with pytest.raises(StateError, match="weights"):
        other.reset(state=saved)


@pytest.fixture(scope="module")
def whole() -> bytes:
    engine = begun()
    walk(engine, WALK[:1])
    return engine.snapshot().to_bytes()


@pytest.mark.parametrize("length", [0, 1, 30, 5_000, -40, -1])
def test_truncated_bytes_are_refused(whole: bytes, length: int) -> None:
    with pytest.raises(StateError, match="worldsim-state"):
        EngineState.from_bytes(whole[:length])


@pytest.mark.parametrize(
    "data", [b"no archive at all", b"PK\x03\x04" + bytes(80), b"\x93NUMPY\x01"]
)
def test_foreign_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(StateError, match="worldsim-state"):
        EngineState.from_bytes(data)


def test_a_flipped_bit_is_refused_or_changes_nothing(whole: bytes) -> None:
    rng = np.random.default_rng(0)
    tail = rng.integers(len(whole) - 1_500, len(whole), 80)  # the archive's table of contents
    for place in (*rng.integers(len(whole), size=40), *tail):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        try:
            state = EngineState.from_bytes(bytes(damaged))
        except StateError:
            continue
        assert state.to_bytes() == whole


def with_header(data: bytes, **changes: object) -> bytes:
    """The same state with other entries in its header; None removes them."""
    with np.load(io.BytesIO(data)) as archive:
        arrays = {name: archive[name] for name in archive.files}
    header = json.loads(arrays["header"].tobytes()) | changes
    header = {name: value for name, value in header.items() if value is not None}
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other"}, {"version": 99}, {"model_hash": None}, {"pose": [1.0]},
        {"dtype": "save"}, {"frame": "soon"}, {"order": 3}, {"taken": [[0, [1.0], [2.0]]]},
    ],
)  # fmt: skip
def test_a_foreign_header_is_refused(whole: bytes, change: dict[str, object]) -> None:
    assert EngineState.from_bytes(with_header(whole)).frame == len(LOOK_AROUND.actions) + 1
    with pytest.raises(StateError):
        EngineState.from_bytes(with_header(whole, **change))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"nothing\.state"):
        EngineState.load(tmp_path / "nothing.state")


def test_saving_into_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="nowhere"):
        begun().snapshot().save(tmp_path / "nowhere" / "dream.state")


def test_saving_replaces_the_old_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    engine, path = begun(), tmp_path / "dream.state"
    (tmp_path / ".dream.state.part").write_bytes(b"left by a killed save")
    engine.snapshot().save(path)
    engine.step(Action())
    engine.snapshot().save(path)
    assert EngineState.load(path).frame == engine.frame
    assert [each.name for each in tmp_path.iterdir()] == ["dream.state"]


def test_a_state_does_not_depend_on_the_memory_mode() -> None:
    engine = begun()
    saved = replace(engine.snapshot())
    engine.memory_mode = "off"
    assert engine.restore(saved).pose == LOOK_AROUND.observations[-1].pose
