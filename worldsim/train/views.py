"""Coarse views of which memory knows a part, and what they truly were: an outpainter's data.

Making a view costs as much as a training step on it, so views are kept and drawn again, mirrored or
not, each time with other noise.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from worldsim.camera import Intrinsics
from worldsim.engine.hints import Remembered, fill_unknown, make_hint
from worldsim.model.outpainter import CoarseView, coarse, coarse_view, glance, glance_camera
from worldsim.model.picture import SKY_CODE, to_picture
from worldsim.train.batch import draw
from worldsim.train.data import Episode

SOURCES = 4  # frames that a view's hint is made from
LONGEST_GAP = 48  # ticks between the newest of them and the view
FORGOTTEN = 0.08  # views of which memory knows nothing
ALONE = 0.1  # views without a look elsewhere
SKY_REACH_M = 2.5  # a sky seen from farther away than this says little of the horizon
WORN = 0.5  # share of views whose hints look as if dreams had been made of dreams
MOST_FADED, SKY_FADES = 0.8, 0.3  # of the contrast, and how much less in the sky
TONE_ERROR = 0.15  # standard deviation of the colour that they fade to, around their mean
HINT_NOISE = 0.04  # largest standard deviation of a hint's error, for dreamed frames have some


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewConfig:
    """How many views are made and kept."""

    batch: int = 64
    """Views a step."""
    fresh: int = 16
    """New views a step."""
    choice: int = 2
    """Views made for each new one: those that memory knows about half of teach most."""
    kept: int = 24_000
    """Views to draw from."""


@dataclass(frozen=True, slots=True)
class Views:
    """N coarse views and what they truly were."""

    truth: Tensor  # [N, 4, h, w]
    told: CoarseView

    def half(self) -> Views:
        """In 16 bits, to keep many."""
        return self._each(lambda x: x.half())

    def full(self, device: torch.device) -> Views:
        return self._each(lambda x: x.to(device, torch.float32))

    def mirrored(self, chosen: Tensor) -> Views:  # chosen [N] bool
        """Some of them as their mirror images, in a world with x reversed: as likely a world."""
        axes = torch.tensor((-1.0, 1.0, 1.0), device=self.truth.device)[:, None, None]
        swapped = self._each(lambda x: x.flip(-1))
        told = replace(swapped.told, rays=swapped.told.rays * axes)
        return joined([self, Views(swapped.truth, told)]).rows(
            torch.arange(len(chosen), device=chosen.device) + len(chosen) * chosen
        )

    def rows(self, chosen: Tensor) -> Views:  # chosen [M] int64
        return self._each(lambda x: x[chosen])

    def _each(self, change: Callable[[Tensor], Tensor]) -> Views:
        names = [field.name for field in fields(CoarseView)]
        told = CoarseView(*(change(getattr(self.told, name)) for name in names))
        return Views(change(self.truth), told)


def joined(parts: Sequence[Views]) -> Views:
    names = [field.name for field in fields(CoarseView)]
    told = CoarseView(*(torch.cat([getattr(part.told, name) for part in parts]) for name in names))
    return Views(torch.cat([part.truth for part in parts]), told)


class ViewStore:
    """Owns a bounded number of views; makes some at each draw."""

    def __init__(self, config: ViewConfig, camera: Intrinsics) -> None:
        self.config, self.camera = config, camera
        self.drawn: list[Episode] = []  # for the newest of the views kept
        self._kept: deque[Views] = deque(maxlen=max(1, config.kept // config.fresh))

    def draw(
        self, episodes: list[Episode], rng: np.random.Generator, device: torch.device
    ) -> Views:
        """A batch of views, half of them mirrored, some with the errors of dreamed frames."""
        self.drawn = draw(episodes, self.config.choice * self.config.fresh, rng)
        chosen = [(episode, anywhere(episode, rng)) for episode in self.drawn]
        made = look_at(chosen, self.camera, rng)
        self._kept.append(made.rows(half_known_first(made)[: self.config.fresh]).half())
        picked = rng.integers(len(self._kept), size=max(1, self.config.batch // self.config.fresh))
        views = joined([self._kept[int(i)].full(device) for i in picked])
        views = views.mirrored(torch.rand(len(views.truth), device=device) < 0.5)
        return shaken(worn(views))


def half_known_first(views: Views) -> Tensor:  # [N] int64
    """The order in which views teach: all or nothing is known of the last ones.

    Where all is known, there is nothing to imagine; where nothing is, play never looks.
    """
    known = views.told.known.mean(dim=(1, 2, 3))
    return (known - 0.5).abs().argsort()


def worn(views: Views) -> Views:
    """Half of the views as a long dream shows them: what is known is pale and soft.

    A hint of its own dreams has faded a little, and a model that takes it for the world goes on in
    its colours, which fade again. What is new is to look as the world does, beside whatever is old.
    """
    told, device = views.told, views.truth.device
    each = (len(views.truth), 1, 1, 1)
    is_worn = (torch.rand(each, device=device) < WORN).float()
    fade = MOST_FADED * torch.rand(each, device=device) * is_worn
    tone = told.hint[:, :3].mean(dim=(2, 3), keepdim=True)
    tone = tone + TONE_ERROR * torch.randn_like(tone)
    blur = torch.rand(each, device=device) * is_worn
    hint, elsewhere = (_faded(_softened(x, blur), tone, fade) for x in (told.hint, told.elsewhere))
    elsewhere = elsewhere * (told.elsewhere != 0).any(dim=1, keepdim=True)
    truth = torch.where((told.known == 1.0) & (is_worn > 0), hint, views.truth)
    return Views(truth, replace(told, hint=hint, elsewhere=elsewhere))


def _softened(
    picture: Tensor,  # [N, 4, h, w]
    share: Tensor,  # [N, 1, 1, 1]
) -> Tensor:  # [N, 4, h, w]
    wide = F.pad(picture, (1, 1, 1, 1), mode="replicate")
    return picture + share * (F.avg_pool2d(wide, 3, stride=1) - picture)


def _faded(
    picture: Tensor,  # [N, 4, h, w]
    tone: Tensor,  # [N, 3, 1, 1]
    share: Tensor,  # [N, 1, 1, 1]
) -> Tensor:  # [N, 4, h, w]
    rgb, code = picture.split((3, 1), dim=1)
    share = share * torch.where(code < SKY_CODE, SKY_FADES, 1.0)
    return torch.cat((rgb + share * (tone - rgb), code), dim=1).clamp(-1.0, 1.0)


def shaken(views: Views) -> Views:
    """Hints with errors as those of dreamed frames, for half of the views."""
    hint = views.told.hint
    each = (len(hint), 1, 1, 1)
    level = HINT_NOISE * torch.rand(each, device=hint.device)
    level = level * (torch.rand(each, device=hint.device) < 0.5)
    noisy = hint + level * torch.randn_like(hint) * views.told.known
    return Views(views.truth, replace(views.told, hint=noisy))


def look_at(
    chosen: Sequence[tuple[Episode, int]],  # and the frame to look at
    camera: Intrinsics,
    rng: np.random.Generator,
) -> Views:
    """Views as memory would show them if it had seen some of the frames before."""
    sources = [_sources(t, rng) for _, t in chosen]
    shown = [_picture(e, [*frames, t]) for (e, t), frames in zip(chosen, sources, strict=True)]
    pictures = torch.stack(shown)  # [N, SOURCES + 1, 4, H, W]
    poses = torch.stack(
        [
            torch.from_numpy(episode.world_from_camera[[*frames, t]])
            for (episode, t), frames in zip(chosen, sources, strict=True)
        ]
    )
    forgotten = torch.from_numpy(rng.random(len(chosen)) < FORGOTTEN)
    hint, known = _hints(pictures[:, :-1], poses, ~forgotten, glance_camera(camera))
    elsewhere = coarse(pictures[:, 0])
    alone = torch.from_numpy(rng.random(len(chosen)) < ALONE)[:, None, None, None]
    elsewhere = torch.where(alone, 0.0, elsewhere)
    return Views(coarse(pictures[:, -1]), coarse_view(hint, known, elsewhere, poses[:, -1], camera))


def _hints(
    sources: Tensor,  # [N, K, 4, H, W] newest first
    poses: Tensor,  # [N, K + 1, 4, 4] of the sources, and of the view
    valid: Tensor,  # [N] bool
    camera: Intrinsics,  # of the hints
) -> tuple[Tensor, Tensor]:  # [N, 4, H/2, W/2] filled, [N, 1, H/2, W/2] 1 where known
    """Hints of half the resolution. A sky that was seen from far behind is not known."""
    count = sources.shape[1]
    remembered = Remembered(
        glance(sources.flatten(0, 1)).unflatten(0, sources.shape[:2]),
        poses[:, :-1],
        trust=torch.ones(len(poses), count),
        age=torch.arange(1.0, count + 1).expand(len(poses), -1),
        valid=valid[:, None].expand(-1, count),
    )
    hint, confidence = make_hint(remembered, poses[:, -1], camera)
    way_m = (poses[:, :-1, :3, 3] - poses[:, -1:, :3, 3]).norm(dim=-1).amin(dim=1)
    stale = (way_m > SKY_REACH_M)[:, None, None, None] & (hint[:, 3:] < SKY_CODE)
    known = ((confidence > 0) & ~stale).float()
    return fill_unknown(hint, known), known


def anywhere(episode: Episode, rng: np.random.Generator) -> int:
    return int(rng.integers(1, len(episode)))


def _sources(t: int, rng: np.random.Generator) -> NDArray[np.int64]:  # [K]
    """Frames that memory holds when frame t is imagined, newest first: none from a while before."""
    gap = min(t, int(np.exp(rng.uniform(0.0, np.log(LONGEST_GAP)))))
    newest = t - gap
    others = rng.integers(0, newest + 1, size=SOURCES - 1)
    return np.concatenate(([newest], np.sort(others)[::-1]))


def _picture(episode: Episode, frames: Sequence[int]) -> Tensor:  # [N, 4, H, W]
    chosen = list(frames)
    return to_picture(
        torch.from_numpy(episode.rgb[chosen]), torch.from_numpy(episode.depth[chosen])
    )
