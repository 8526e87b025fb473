"""Checkpoints: folders of `model.safetensors` and `config.json`; written atomically, no pickle."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from worldsim.actions import SCHEMA, schema_hash
from worldsim.errors import CheckpointError, ConfigError
from worldsim.model.compositor import Compositor
from worldsim.model.heads import EventHead
from worldsim.model.outpainter import Outpainter
from worldsim.model.presets import ModelConfig
from worldsim.model.world_model import WorldModel
from worldsim.progress import report

FORMAT = "worldsim-checkpoint"
FORMAT_VERSION = 1
WEIGHTS_NAME = "model.safetensors"
CONFIG_NAME = "config.json"
SHIPPED = Path(str(files("worldsim.assets.checkpoints")))
PARTS: dict[str, Callable[[ModelConfig], nn.Module]] = {
    "compositor.": Compositor,
    "event_head.": lambda _config: EventHead(),
    "outpainter.": Outpainter,
}  # that weights may lack; untrained they do nothing

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A loaded model, the hash of its weights, and the record of its training."""

    model: WorldModel
    model_hash: str
    training: dict[str, object]


def save_checkpoint(model: WorldModel, folder: Path, training: dict[str, object]) -> None:
    """Write 16-bit weights and their configuration; a kill leaves the old files intact.

    Untrained `PARTS` are left out: `load_checkpoint` makes the same ones.
    """
    folder.mkdir(parents=True, exist_ok=True)
    left_out = tuple(part for part in PARTS if not model.get_submodule(part[:-1]).is_trained)
    tensors = {
        name: t.detach().cpu().bfloat16().contiguous()
        for name, t in model.state_dict().items()
        if not name.startswith(left_out)
    }
    config = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "model": model.config.to_record(),
        "action_schema": list(SCHEMA),
        "action_hash": schema_hash(),
        "training": training,
    }
    weights_tmp, config_tmp = folder / f".{WEIGHTS_NAME}.part", folder / f".{CONFIG_NAME}.part"
    save_file(tensors, weights_tmp)
    config_tmp.write_text(json.dumps(config, indent=1) + "\n")
    weights_tmp.replace(folder / WEIGHTS_NAME)
    config_tmp.replace(folder / CONFIG_NAME)


def load_checkpoint(name_or_path: str | Path) -> Checkpoint:
    """Load a shipped checkpoint by name, or a folder by path.

    What it lacks of the parts that a model can do without is made untrained.

    Raises CheckpointError if it is missing, truncated, foreign, or of another schema.
    """
    folder = find_checkpoint(name_or_path)
    record = _read_config(folder)
    model = _build(folder, record)
    weights = folder / WEIGHTS_NAME
    expected = model.state_dict()
    tensors = with_all_parts(_read_weights(weights), fresh_parts(model.config))
    wrong = [
        name
        for name in expected.keys() | tensors.keys()
        if name not in expected
        or name not in tensors
        or expected[name].shape != tensors[name].shape
    ]
    if wrong:
        raise CheckpointError(
            f"the {len(expected)} tensors of this model configuration",
            f"{len(wrong)} missing, unknown or of another shape, such as {sorted(wrong)[0]!r}",
            f"Check that {CONFIG_NAME} and {WEIGHTS_NAME} belong together.",
        )
    model.load_state_dict(_as_floats(tensors), assign=True)
    training = record["training"]
    assert isinstance(training, dict)
    return Checkpoint(model.eval(), weights_hash(weights), training)


def with_all_parts(
    tensors: Mapping[str, torch.Tensor], fresh: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """The tensors of a model; those of `fresh` for each part that it has nothing of."""
    lacking = tuple(part for part in PARTS if not any(name.startswith(part) for name in tensors))
    for part in lacking:
        logger.info(
            "these weights have no %s: an untrained one takes its place",
            part[:-1].replace("_", " "),
        )
    return {**tensors, **{name: t for name, t in fresh.items() if name.startswith(lacking)}}


def fresh_parts(config: ModelConfig) -> dict[str, torch.Tensor]:
    """Untrained parts, the same each time, by the names that they have in a model."""
    tensors: dict[str, torch.Tensor] = {}
    for part, make in PARTS.items():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            tensors |= {part + name: tensor for name, tensor in make(config).state_dict().items()}
    return tensors


def _as_floats(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """In float32: this is when they are read from the disk."""
    whole, done, floats = sum(tensor.nbytes for tensor in tensors.values()), 0, {}
    for name, tensor in tensors.items():
        floats[name] = tensor.float()
        done += tensor.nbytes
        report("weights", done / max(whole, 1))
    return floats


def find_checkpoint(name_or_path: str | Path) -> Path:
    """The folder of a shipped checkpoint or of a path to one."""
    path = Path(name_or_path)
    if path.name in (WEIGHTS_NAME, CONFIG_NAME):
        path = path.parent
    for folder in (path, SHIPPED / name_or_path):
        if (folder / WEIGHTS_NAME).is_file() and (folder / CONFIG_NAME).is_file():
            return folder
    shipped = sorted(p.parent.name for p in SHIPPED.glob(f"*/{WEIGHTS_NAME}"))
    raise CheckpointError(
        f"a folder with {WEIGHTS_NAME} and {CONFIG_NAME}, or one of {shipped}",
        f"{str(name_or_path)!r}",
        "Correct the path, or train one with python -m worldsim.tools.train_teacher.",
    )


def weights_hash(weights: Path) -> str:
    """Sixteen hex digits of the weights file."""
    with weights.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]


def _read_config(folder: Path) -> dict[str, object]:
    path = folder / CONFIG_NAME
    try:
        record = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{CONFIG_NAME} to be JSON", f"{error}", "Copy the checkpoint again."
        ) from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise CheckpointError(
            f'{CONFIG_NAME} with "format": "{FORMAT}"',
            f"{str(path)!r} of another program",
            "Point to a folder written by worldsim's training tools.",
        )
    if record.get("version") != FORMAT_VERSION:
        raise CheckpointError(
            f"checkpoint version {FORMAT_VERSION}",
            repr(record.get("version")),
            "Use the worldsim release that wrote it, or train again.",
        )
    missing = {"model", "action_schema", "action_hash", "training"} - set(record)
    if missing:
        raise CheckpointError(
            f"{CONFIG_NAME} with model, action_schema, action_hash and training",
            f"no {sorted(missing)}",
            "Copy the checkpoint again.",
        )
    if not isinstance(record["training"], dict):
        raise CheckpointError(
            f"{CONFIG_NAME} with a table named training",
            repr(record["training"]),
            "Copy the checkpoint again.",
        )
    _require_schema(record["action_schema"], record["action_hash"], path)
    return record


def _require_schema(names: object, digest: object, path: Path) -> None:
    if names != list(SCHEMA) or digest != schema_hash():
        raise CheckpointError(
            f"the action schema {list(SCHEMA)}, hash {schema_hash()}",
            f"{names}, hash {digest}, in {str(path)!r}",
            "Use the worldsim release that wrote the checkpoint, or train again.",
        )


def _build(folder: Path, record: dict[str, object]) -> WorldModel:
    model_record = record["model"]
    try:
        if not isinstance(model_record, dict):
            raise TypeError("model is not a table")
        with torch.device("meta"):
            return WorldModel(ModelConfig.from_record(model_record))
    except (ConfigError, TypeError, RuntimeError) as error:
        raise CheckpointError(
            "a model configuration of this version", f"{folder / CONFIG_NAME}: {error}",
            "Use the worldsim release that wrote it.",
        ) from error  # fmt: skip


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"a whole safetensors file at {str(path)!r}",
            f"{error}",
            "The file is truncated or foreign: copy the checkpoint again.",
        ) from error
