"""What looks over the model thread's shoulder: the recorder, and the demo's film."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from worldsim.camera import Intrinsics
from worldsim.record.contact_sheet import contact_sheet, evenly_spaced, save_png
from worldsim.record.format import WorldInfo
from worldsim.record.recorder import Recorder, RecorderConfig
from worldsim.record.video import VideoWriter
from worldsim.types import Action, Observation, StepResult

SHEET_ROWS, SHEET_COLUMNS = 4, 5
DEMO_SCALE = 4


class EpisodeWatcher:
    """Records what is played. A restart or another world begins another episode beside the first:
    `folder`, `folder-2`, `folder-3`.
    """

    def __init__(self, folder: Path, script: str | None = None) -> None:
        self.folders: list[Path] = []
        self._folder = folder
        self._script = script
        self._recorder: Recorder | None = None

    def began(self, first: Observation, info: WorldInfo, camera: Intrinsics, /) -> None:
        self.ended()
        number = len(self.folders) + 1
        name = self._folder.name if number == 1 else f"{self._folder.name}-{number}"
        folder = self._folder.with_name(name)
        config = RecorderConfig(script=self._script)
        self._recorder = Recorder(folder, info, camera, first=first, config=config)
        self.folders.append(folder)

    def ticked(self, action: Action, result: StepResult, /) -> None:
        assert self._recorder is not None  # `began` comes first
        self._recorder.append(action, result)

    def ended(self) -> None:
        if self._recorder is not None:
            self._recorder.close()


class DemoWatcher:
    """Films a run for people: a video to share, and a contact sheet of it."""

    def __init__(self, video: Path, sheet: Path) -> None:
        self._video_path, self._sheet_path = video, sheet
        self._writer: VideoWriter | None = None
        self._frames: list[NDArray[np.uint8]] = []

    def began(self, first: Observation, _info: WorldInfo, camera: Intrinsics, /) -> None:
        if self._writer is None:
            width, height = camera.width * DEMO_SCALE, camera.height * DEMO_SCALE
            self._writer = VideoWriter(
                self._video_path, width=width, height=height, pixel_format="yuv420p"
            )
        self._append(first.rgb)

    def ticked(self, _action: Action, result: StepResult, /) -> None:
        self._append(result.observation.rgb)

    def ended(self) -> None:
        if self._writer is None:
            return
        self._writer.close()
        chosen = evenly_spaced(len(self._frames), SHEET_ROWS * SHEET_COLUMNS)
        shown = [self._frames[n] for n in chosen]
        rows = [shown[n : n + SHEET_COLUMNS] for n in range(0, len(shown), SHEET_COLUMNS)]
        save_png(contact_sheet(rows), self._sheet_path)

    def _append(self, rgb: NDArray[np.uint8]) -> None:
        assert self._writer is not None
        picture = Image.fromarray(rgb)
        size = (picture.width * DEMO_SCALE, picture.height * DEMO_SCALE)
        self._writer.append(np.asarray(picture.resize(size, Image.Resampling.LANCZOS)))
        self._frames.append(rgb.copy())
