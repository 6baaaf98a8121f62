"""Where training batches come from: cached views of the images, or a fresh crop in every step."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Generator, Tensor

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.clip.features import ImageSet
from vlprompt_pipeline.clip.views import TrainingViews


class Batches(Protocol):
    """Training images with labels, in an order that depends on (seed, epoch) alone."""

    @property
    def steps(self) -> int:
        """Batches an epoch."""

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Pairs of image features `[batch, embed]` and labels `[batch]`."""


def seeded(*parts: object) -> Generator:
    """A generator that depends on all parts, the same in every process."""
    digest = hashlib.sha256(" ".join(map(str, parts)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


@dataclass(frozen=True)
class CachedViews:
    """Draws one of the cached views `[images, views, embed]` of each image in every epoch."""

    features: Tensor
    labels: Tensor
    batch_size: int
    seed: int

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        return max(1, len(self.labels) // self.batch_size)

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Pairs of image features `[batch, embed]` and labels `[batch]`."""
        generator = seeded(self.seed, "epoch", number)
        view = torch.randint(self.features.shape[1], (len(self.labels),), generator=generator)
        for rows in shuffled(len(self.labels), self.batch_size, generator):
            yield self.features[rows, view[rows]], self.labels[rows]


@dataclass(frozen=True)
class OnlineViews:
    """Encodes one new random crop of each image in every epoch: the published protocol."""

    clip: FrozenClip
    images: ImageSet
    views: TrainingViews
    labels: Tensor
    batch_size: int
    seed: int

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        return max(1, len(self.labels) // self.batch_size)

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Pairs of image features `[batch, embed]` and labels `[batch]`."""
        views = replace(self.views, first=number, count=1)
        for rows in shuffled(len(self.labels), self.batch_size, seeded(self.seed, "epoch", number)):
            crops = [
                views.pixels(self.images.folder / self.images.paths[i], self.images.fingerprints[i])
                for i in rows.tolist()
            ]
            yield self.clip.encode_images(torch.cat(crops)), self.labels[rows]


def shuffled(images: int, batch_size: int, generator: Generator) -> Iterator[Tensor]:
    """Row numbers of each batch; a last short batch is dropped if there is a full one (Dassl)."""
    order = torch.randperm(images, generator=generator)
    for batch in order.split(batch_size):
        if len(batch) == batch_size or images < batch_size:
            yield batch
