"""Make training batches from cached features of the images, or from crops of the files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Generator, Tensor

from vlprompt_pipeline.clip.encoding import ImageEncoder, ImageSet
from vlprompt_pipeline.clip.views import TrainingViews


class Batches(Protocol):
    """Training images with labels, in an order that depends on (seed, epoch) alone."""

    @property
    def steps(self) -> int:
        """Return the number of batches an epoch."""

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield pairs of what the learner reads (features or pixels) and labels `[batch]`."""


def seeded(*parts: object) -> Generator:
    """Make a generator that depends on all parts, and is the same in every process."""
    digest = hashlib.sha256(" ".join(map(str, parts)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


@dataclass(frozen=True)
class CachedViews:
    """Cached views of training images, one drawn for each image in every epoch.

    Attributes:
        features: `[images, views, embed]`.
        labels: `[images]`, indices of classes.
        batch_size: images in a batch.
        seed: of the order and the choice of views.
        apart: whether every view counts as an image, and an epoch draws as many of them as there
            are images (CLAP).
        drop_last: as in `TrainingParameters`.

    Example:
        >>> features, labels = torch.randn(4, 3, 8), torch.tensor([0, 0, 1, 1])
        >>> batches = CachedViews(features, labels, batch_size=2, seed=1)
        >>> [(images.shape, labels.tolist()) for images, labels in batches.epoch(0)]
        [(torch.Size([2, 8]), [1, 0]), (torch.Size([2, 8]), [0, 1])]
    """

    features: Tensor
    labels: Tensor
    batch_size: int
    seed: int
    apart: bool = False
    drop_last: bool = True

    @property
    def steps(self) -> int:
        """Return the number of batches an epoch."""
        return batches_of(len(self.labels), self.batch_size, self.drop_last)

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield pairs of image features `[batch, embed]` and labels `[batch]`."""
        generator = seeded(self.seed, "epoch", number)
        images, views = self.features.shape[:2]
        if self.apart:
            chosen = torch.randperm(images * views, generator=generator)
            for batch in chosen[: self.steps * self.batch_size].split(self.batch_size):
                rows = batch // views
                yield self.features[rows, batch % views], self.labels[rows]
            return
        view = torch.randint(views, (images,), generator=generator)
        for rows in shuffled(len(self.labels), self.batch_size, generator, self.drop_last):
            yield self.features[rows, view[rows]], self.labels[rows]


@dataclass(frozen=True)
class PixelViews:
    """Crops of the image files, for learners with prompts in the image tower.

    Crops are decoded by threads one batch ahead, which costs less than the step that they are
    decoded beside; they are not kept, since 16 crops of 16 images of 100 classes would take 15 GB.

    Attributes:
        fresh: a new crop of each image in every epoch, as published; else one of `views.count`.
    """

    images: ImageSet
    views: TrainingViews
    labels: Tensor
    batch_size: int
    seed: int
    fresh: bool
    workers: int = 2
    drop_last: bool = True

    @property
    def steps(self) -> int:
        """Return the number of batches an epoch."""
        return batches_of(len(self.labels), self.batch_size, self.drop_last)

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield pairs of pixels `[batch, 3, size, size]` and labels `[batch]`."""
        generator = seeded(self.seed, "epoch", number)
        images = len(self.labels)
        if self.fresh:
            view = torch.full((images,), number)
        else:
            view = torch.randint(self.views.count, (images,), generator=generator)
        with ThreadPoolExecutor(self.workers) as pool:
            ahead: list[tuple[list[Future[Tensor]], Tensor]] = []
            for rows in shuffled(images, self.batch_size, generator, self.drop_last):
                crops = [pool.submit(self._crop, i, int(view[i])) for i in rows.tolist()]
                ahead.append((crops, self.labels[rows]))
                if len(ahead) == 2:
                    yield _stacked(*ahead.pop(0))
            for batch in ahead:
                yield _stacked(*batch)

    def _crop(self, row: int, number: int) -> Tensor:
        """Decode one crop, `[3, size, size]`."""
        views = replace(self.views, first=number, count=1)
        return views.pixels(self.images.read(row), self.images.fingerprints[row])[0]


@dataclass(frozen=True)
class OnlineViews:
    """Crops as features of the frozen tower, encoded in every step: the published protocol."""

    clip: ImageEncoder
    pixels: PixelViews

    @property
    def steps(self) -> int:
        """Return the number of batches an epoch."""
        return self.pixels.steps

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield pairs of image features `[batch, embed]` and labels `[batch]`."""
        for pixels, labels in self.pixels.epoch(number):
            yield self.clip.encode_images(pixels), labels


def _stacked(crops: list[Future[Tensor]], labels: Tensor) -> tuple[Tensor, Tensor]:
    return torch.stack([crop.result() for crop in crops]), labels


def batches_of(images: int, batch_size: int, drop_last: bool) -> int:
    """Return the number of batches in one pass over so many images."""
    full, rest = divmod(images, batch_size)
    return full if full and (drop_last or not rest) else full + 1


def shuffled(
    images: int, batch_size: int, generator: Generator, drop_last: bool
) -> Iterator[Tensor]:
    """Yield the row numbers of each batch, `batches_of` in number."""
    batches = torch.randperm(images, generator=generator).split(batch_size)
    yield from batches[: batches_of(images, batch_size, drop_last)]
