"""What the stages on coarse views share: where views come from, and how they are looked at."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from worldsim.model.outpainter import COARSE_PX
from worldsim.model.picture import from_picture
from worldsim.model.world_model import WorldModel
from worldsim.record.contact_sheet import contact_sheet, save_png
from worldsim.train.data import Episode, EpisodeSource
from worldsim.train.losses import DEPTH_WEIGHT
from worldsim.train.trainer import RunConfig
from worldsim.train.views import ViewConfig, Views, ViewStore, anywhere, look_at

KNOWN_WEIGHT = 0.1  # of pixels that memory knows in the loss
HELD_OUT_EPISODES, HELD_OUT_VIEWS = 8, 3


class ViewStage:
    """Trains a model's outpainter and nothing else. Owns a bounded store of views."""

    def __init__(
        self, model: WorldModel, config: RunConfig, views: ViewConfig, source: EpisodeSource
    ) -> None:
        self.model = model.requires_grad_(False)
        model.outpainter.requires_grad_(True)
        self._config, self._source = config, source
        self._store = ViewStore(views, model.config.intrinsics)

    @property
    def drawn(self) -> list[Episode]:
        """What the newest views were made from."""
        return self._store.drawn

    @cached_property
    def held_out(self) -> Views:
        """Views of walks that training never sees."""
        return held_out_views(self._source, self._config, self.model)

    def views(self, episodes: list[Episode], rng: np.random.Generator) -> Views:
        """A batch; some of it is made anew."""
        return self._store.draw(episodes, rng, next(self.model.parameters()).device)


def held_out_views(source: EpisodeSource, config: RunConfig, model: WorldModel) -> Views:
    """The same ones at every call, of walks that training never sees."""
    camera, rng = model.config.intrinsics, np.random.default_rng(0)
    episodes = source.held_out(config.data, camera, HELD_OUT_EPISODES)
    chosen = [(e, anywhere(e, rng)) for e in episodes for _ in range(HELD_OUT_VIEWS)]
    return look_at(chosen, camera, rng).full(next(model.parameters()).device)


def fixed_noise(views: Views) -> Tensor:  # [N, 4, h, w] the same at every call
    noise = torch.randn(views.truth.shape, generator=torch.Generator().manual_seed(0))
    return noise.to(views.truth.device)


def write_sheet(views: Views, samples: Mapping[str, Tensor], path: Path) -> None:
    """Truth, what of it was known, and rows of samples."""
    known = views.told.hint * (views.told.known > 0)
    rows = {"truth": views.truth, "known": known, **samples}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_png(contact_sheet([_pictures(row) for row in rows.values()], list(rows)), path)


def weighted_error(
    predicted: Tensor,  # [N, 4, h, w]
    wanted: Tensor,  # [N, 4, h, w]
    known: Tensor,  # [N, 1, h, w]
) -> Tensor:  # [N]
    """Squared error of colour and depth code; known pixels weigh little."""
    channels = wanted.new_tensor((1.0, 1.0, 1.0, DEPTH_WEIGHT))[:, None, None]
    weight = channels * (1.0 - (1.0 - KNOWN_WEIGHT) * known)
    return ((predicted - wanted).square() * weight).mean(dim=(1, 2, 3))


def _pictures(coarse_pictures: Tensor) -> list[NDArray[np.uint8]]:  # each [H, W, 3]
    """Enlarged for a sheet."""
    large = F.interpolate(coarse_pictures.float().clamp(-1, 1), scale_factor=COARSE_PX)
    return list(from_picture(large)[0].cpu().numpy())
