"""Checkpoints: what is saved comes back, and what is broken is refused with a remedy."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from dreams import random_model
from safetensors.torch import load_file, save_file

from worldsim.errors import CheckpointError
from worldsim.model import checkpoint as checkpoints
from worldsim.model.checkpoint import (
    CONFIG_NAME,
    WEIGHTS_NAME,
    load_checkpoint,
    save_checkpoint,
    weights_hash,
)
from worldsim.model.presets import preset

Damage = Callable[[Path], None]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    save_checkpoint(random_model(), folder, {"steps": 7})
    return folder


def edit_config(**changes: object) -> Damage:
    """Replace entries of the configuration; None removes them."""

    def edit(folder: Path) -> None:
        record = json.loads((folder / CONFIG_NAME).read_text())
        record |= changes
        kept = {name: value for name, value in record.items() if value is not None}
        (folder / CONFIG_NAME).write_text(json.dumps(kept))

    return edit


def edit_model_field(name: str, value: object) -> Damage:
    def edit(folder: Path) -> None:
        record = json.loads((folder / CONFIG_NAME).read_text())
        record["model"][name] = value
        (folder / CONFIG_NAME).write_text(json.dumps(record))

    return edit


def truncate_weights(folder: Path) -> None:
    whole = (folder / WEIGHTS_NAME).read_bytes()
    (folder / WEIGHTS_NAME).write_bytes(whole[: len(whole) // 2])


def empty_weights(folder: Path) -> None:
    (folder / WEIGHTS_NAME).write_bytes(b"")


def drop_tensor(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS_NAME)
    del tensors["stem.bias"]
    save_file(tensors, folder / WEIGHTS_NAME)


def drop_part_of_the_event_head(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS_NAME)
    del tensors["event_head.out.bias"]
    save_file(tensors, folder / WEIGHTS_NAME)


def drop_event_head(folder: Path, *, and_also: str = "") -> None:
    kept = load_file(folder / WEIGHTS_NAME)
    kept = {k: t for k, t in kept.items() if not k.startswith("event_head.") and k != and_also}
    save_file(kept, folder / WEIGHTS_NAME)


def add_tensor(folder: Path) -> None:
    save_file(
        {**load_file(folder / WEIGHTS_NAME), "stem.more": torch.ones(1)}, folder / WEIGHTS_NAME
    )


def reshape_tensor(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS_NAME)
    save_file({**tensors, "stem.bias": torch.ones(3)}, folder / WEIGHTS_NAME)


def break_json(folder: Path) -> None:
    (folder / CONFIG_NAME).write_text('{"format": ')


def no_text(folder: Path) -> None:
    (folder / CONFIG_NAME).write_bytes(b"\xff\xfe\x00")


def remove_weights(folder: Path) -> None:
    (folder / WEIGHTS_NAME).unlink()


def other_order(folder: Path) -> None:
    record = json.loads((folder / CONFIG_NAME).read_text())
    edit_config(action_schema=record["action_schema"][::-1])(folder)


DAMAGES: dict[str, tuple[Damage, str]] = {
    "weights removed": (remove_weights, "a folder with"),
    "weights truncated": (truncate_weights, "truncated or foreign"),
    "weights empty": (empty_weights, "truncated or foreign"),
    "tensor missing": (drop_tensor, "stem.bias"),
    "event head in part": (drop_part_of_the_event_head, "event_head.out.bias"),
    "tensor missing beside the event head": (
        partial(drop_event_head, and_also="stem.bias"),
        "1 missing.*stem.bias",
    ),
    "tensor unknown": (add_tensor, "stem.more"),
    "tensor of another shape": (reshape_tensor, "stem.bias"),
    "broken JSON": (break_json, "JSON"),
    "no text": (no_text, "JSON"),
    "another program's JSON": (edit_config(format="other"), "another program"),
    "no format": (edit_config(format=None), "another program"),
    "later version": (edit_config(version=99), "99"),
    "entry missing": (edit_config(model=None), "model"),
    "no table of training": (edit_config(training=5), "training"),
    "model is no table": (edit_config(model="tiny"), "configuration"),
    "other action order": (other_order, "action schema"),
    "other action hash": (edit_config(action_hash="0"), "action schema"),
    "actions are no list": (edit_config(action_schema=3), "action schema"),
    "unknown model field": (edit_model_field("colour", 1), "colour"),
    "model field of another type": (edit_model_field("width", "wide"), "configuration"),
    "model field out of range": (edit_model_field("heads", 0), "configuration"),
    "channels of another type": (edit_model_field("stages", [16, 24, "x"]), "configuration"),
    "negative channels": (edit_model_field("stages", [16, -24, 32]), "configuration"),
    "unknown codec": (edit_model_field("codec", "mp4"), "codec"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_broken_checkpoint_is_refused_with_a_remedy(saved: Path, name: str) -> None:
    damage, message = DAMAGES[name]
    damage(saved)
    with pytest.raises(CheckpointError, match=message) as refused:
        load_checkpoint(saved)
    assert refused.value.expected
    assert refused.value.got
    assert refused.value.remedy


def test_a_missing_checkpoint_is_refused_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"train_teacher") as refused:
        load_checkpoint(tmp_path / "nowhere")
    assert "nowhere" in refused.value.got


def test_a_loaded_model_equals_the_saved_one_to_16_bits(saved: Path) -> None:
    loaded, original = load_checkpoint(saved), random_model()
    assert loaded.model.config == original.config
    assert loaded.training == {"steps": 7}
    assert not loaded.model.training
    weights = original.state_dict()
    for name, tensor in loaded.model.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, weights[name].bfloat16().float()), name


def test_a_checkpoint_from_before_the_event_head_gets_an_untrained_one(
    saved: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = load_checkpoint(saved).model.state_dict()
    drop_event_head(saved)
    random_state = torch.get_rng_state()
    with caplog.at_level("INFO"):
        model, again = load_checkpoint(saved).model, load_checkpoint(saved).model
    assert torch.equal(torch.get_rng_state(), random_state)
    assert not model.event_head.is_trained
    assert "no event head" in caplog.text
    for name, tensor in model.state_dict().items():
        known = again.state_dict() if name.startswith("event_head.") else whole
        assert torch.equal(tensor, known[name]), name


def test_a_checkpoint_can_be_named_by_either_of_its_files(saved: Path) -> None:
    for path in (saved, str(saved), saved / CONFIG_NAME, saved / WEIGHTS_NAME):
        assert load_checkpoint(path).model_hash == weights_hash(saved / WEIGHTS_NAME)


def test_a_shipped_checkpoint_is_found_by_name(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "SHIPPED", saved.parent)
    assert load_checkpoint("model").training == {"steps": 7}
    with pytest.raises(CheckpointError, match=r"\['model'\]"):
        load_checkpoint("other")


def test_the_hash_tells_weights_apart(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("same", 0), ("b", 1)):
        save_checkpoint(random_model(seed=seed), tmp_path / name, {})
    a, same, b = (load_checkpoint(tmp_path / name).model_hash for name in ("a", "same", "b"))
    assert a == same != b


def test_leftovers_of_a_killed_save_do_not_matter(saved: Path) -> None:
    for name in (WEIGHTS_NAME, CONFIG_NAME):
        (saved / f".{name}.part").write_bytes(b"half of it")
    before = load_checkpoint(saved).model_hash
    save_checkpoint(random_model(seed=1), saved, {})
    assert load_checkpoint(saved).model_hash != before
    assert sorted(path.name for path in saved.iterdir()) == [CONFIG_NAME, WEIGHTS_NAME]


def test_a_save_that_fails_leaves_the_old_checkpoint(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(tensors: object, path: Path) -> None:
        path.write_bytes(b"half of it")
        raise OSError("no space left on device")

    before = load_checkpoint(saved).model_hash
    monkeypatch.setattr(checkpoints, "save_file", fail)
    with pytest.raises(OSError, match="no space"):
        save_checkpoint(random_model(seed=1), saved, {})
    assert load_checkpoint(saved).model_hash == before


def test_a_model_on_latents_keeps_the_scale_of_its_codec(tmp_path: Path) -> None:
    model = random_model(
        replace(
            preset("tiny"), codec="autoencoder", latent_channels=6, downscale=8, patch=2,
            stages=(), stage_blocks=(),
        )
    )  # fmt: skip
    model.state_dict()["codec.scale"].fill_(2.5)
    save_checkpoint(model, tmp_path, {})
    assert load_checkpoint(tmp_path).model.state_dict()["codec.scale"].item() == 2.5
