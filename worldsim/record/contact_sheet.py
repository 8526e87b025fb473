"""Frames side by side in one picture, with small labels."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from worldsim.errors import ConfigError
from worldsim.record.output import replace_file

GAP_PX = 2
LABEL_HEIGHT_PX = 12
_PAPER, _INK = (24, 24, 24), (230, 230, 230)


def contact_sheet(
    rows: Sequence[Sequence[NDArray[np.uint8]]],  # each [H, W, 3], all of one size
    labels: Sequence[str] = (),  # one a row
    *,
    columns: Sequence[str] = (),  # one a column, or none
) -> NDArray[np.uint8]:  # [H', W', 3]
    """Lay frames out in rows; each row's label stands above it, each column's at the top.

    Rows may differ in length. Raises ConfigError if there is no frame, frames differ in size,
    or labels and rows differ in number.
    """
    height, width = _frame_size(rows)
    _require_labels(rows, labels)
    pitch_x, pitch_y = width + GAP_PX, height + GAP_PX + (LABEL_HEIGHT_PX if labels else 0)
    top = GAP_PX + (LABEL_HEIGHT_PX if columns else 0)
    size = (GAP_PX + max(map(len, rows)) * pitch_x, top + len(rows) * pitch_y)
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    for n, text in enumerate(columns):
        draw.text((GAP_PX + n * pitch_x, 0), text, fill=_INK)
    for m, row in enumerate(rows):
        y = top + m * pitch_y
        if labels:
            draw.text((GAP_PX, y - 1), labels[m], fill=_INK)
            y += LABEL_HEIGHT_PX
        for n, rgb in enumerate(row):
            sheet.paste(Image.fromarray(rgb), (GAP_PX + n * pitch_x, y))
    return np.asarray(sheet).copy()


def evenly_spaced(total: int, count: int) -> list[int]:
    """At most `count` different indices below `total`, the first and the last among them."""
    return sorted({round(i) for i in np.linspace(0, total - 1, min(count, total))})


def save_png(
    rgb: NDArray[np.uint8],  # [H, W, 3]
    path: Path,
    *,
    text: Mapping[str, str] | None = None,
) -> None:
    """Write a PNG in one step, with `text` as its metadata.

    OutputError if the place cannot be written to.
    """
    buffer, told = io.BytesIO(), PngInfo()
    for key, value in (text or {}).items():
        told.add_text(key, value)
    Image.fromarray(rgb).save(buffer, format="PNG", pnginfo=told)
    replace_file(path, buffer.getvalue())


def _frame_size(rows: Sequence[Sequence[NDArray[np.uint8]]]) -> tuple[int, int]:
    shapes = {rgb.shape for row in rows for rgb in row}
    if len(shapes) != 1:
        raise ConfigError(
            "at least one frame, all of one size", f"shapes {sorted(shapes)}", "Resize them first."
        )
    height, width, _ = shapes.pop()
    return height, width


def _require_labels(rows: Sequence[object], labels: Sequence[str]) -> None:
    if labels and len(labels) != len(rows):
        raise ConfigError(
            f"{len(rows)} labels, one a row", f"{len(labels)}", "Label every row or none."
        )
