"""Make training batches from cached features of the images, or from crops of the files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from threading import Lock
from typing import Protocol

import torch
from PIL import Image
from torch import Generator, Tensor

from vlprompt_pipeline.clip.encoding import ImageEncoder, ImageSet, computed_ahead
from vlprompt_pipeline.clip.memory import free_memory
from vlprompt_pipeline.clip.transfer import transferred
from vlprompt_pipeline.clip.views import TrainingViews
from vlprompt_pipeline.clip.workers import worker_processes
from vlprompt_pipeline.errors import UserError

PICTURES_SHARE = 0.25
"""Of the free memory that decoded few-shot pictures may take (our choice); others are read anew."""


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
        apart: whether every view counts as an image, and an epoch takes as many full batches of
            them as there are batches of images (CLAP).
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

    def __post_init__(self) -> None:
        """Refuse tensors of other shapes, which some steps would take all the same.

        Raises:
            UserError: there is no label `int64` for each image, or no image.
        """
        shape, labels = tuple(self.features.shape), self.labels
        if len(shape) < 3 or not len(labels) == shape[0] > 0 or labels.dtype != torch.int64:
            raise UserError(
                f"features are {list(shape)} with {len(labels)} labels of {labels.dtype}: give "
                "[images, views, embed], and an int64 for each image"
            )

    @property
    def steps(self) -> int:
        """Return the number of batches an epoch."""
        return batches_of(len(self.labels), self.batch_size, self.drop_last)

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield pairs of image features `[batch, embed]` and labels `[batch]`."""
        generator, device = seeded(self.seed, "epoch", number), self.features.device
        images, views = self.features.shape[:2]
        if self.apart:
            chosen = torch.randperm(images * views, generator=generator)
            chosen = chosen[: self.steps * self.batch_size].to(device)
            rows, view = chosen // views, chosen % views
        else:
            of_image = torch.randint(views, (images,), generator=generator).to(device)
            order = shuffled(images, self.batch_size, generator, self.drop_last)
            rows = torch.cat(order).to(device)
            view = of_image[rows]
        # gathered once an epoch: in a step each operation would be one more that a GPU is asked for
        epoch = self.features[rows, view], self.labels[rows]
        batches = (each.split(self.batch_size) for each in epoch)
        yield from zip(*batches, strict=True)


@dataclass(frozen=True)
class PixelViews:
    """Crops of the image files, for learners with prompts in the image tower.

    Crops are decoded by threads one batch ahead, which costs less than the step that they are
    decoded beside; they are not kept, since 16 crops of 16 images of 100 classes would take 15 GB.
    They come to the device of the labels by a stream of their own, beside the step before.

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
        order = shuffled(images, self.batch_size, generator, self.drop_last)
        chosen, labels = torch.cat(order), self.labels.cpu()
        numbers = zip(chosen.tolist(), view[chosen].tolist(), strict=True)
        crops = computed_ahead(self._crop, numbers, self.batch_size, self._threads)
        with closing(crops):
            batches = (
                (torch.stack(list(islice(crops, len(rows)))), labels[rows]) for rows in order
            )
            for levels, its_labels in transferred(batches, self.labels.device):
                yield self.views.preprocessing.normalised(levels), its_labels

    @property
    def _threads(self) -> int:
        """Beside a GPU, whose tower takes no cores, one for each core."""
        return worker_processes() if self.labels.device.type == "cuda" else self.workers

    def _crop(self, row_and_number: tuple[int, int]) -> Tensor:
        """Cut one crop, `[size, size, 3]`; the picture is decoded once where there is room."""
        row, number = row_and_number
        views = replace(self.views, first=number, count=1)
        picture = self._pictures.get(row, lambda: views.read(self.images.read(row)))
        return views.cut(picture, self.images.fingerprints[row])[0]

    @cached_property
    def _pictures(self) -> Pictures:
        return Pictures(PICTURES_SHARE * free_memory(torch.device("cpu")))


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


class Pictures:
    """Decoded pictures, the first ones that fit into so many bytes; all threads share them."""

    def __init__(self, room: float) -> None:
        self._room = room
        self._kept: dict[int, Image.Image] = {}
        self._lock = Lock()

    def get(self, row: int, decode: Callable[[], Image.Image]) -> Image.Image:
        """Return the picture of a row, decoded now if it is not kept.

        Which are kept never changes: every epoch asks for all of them once, and the picture that
        was asked for least lately is the next to be asked for.
        """
        if row in self._kept:
            return self._kept[row]
        picture = decode()
        size = 4 * picture.width * picture.height  # Pillow keeps RGB in four bytes a pixel
        with self._lock:
            if size <= self._room and row not in self._kept:
                self._room -= size
                self._kept[row] = picture
        return picture


def batches_of(images: int, batch_size: int, drop_last: bool) -> int:
    """Return the number of batches in one pass over so many images."""
    full, rest = divmod(images, batch_size)
    return full if full and (drop_last or not rest) else full + 1


def shuffled(
    images: int, batch_size: int, generator: Generator, drop_last: bool
) -> tuple[Tensor, ...]:
    """Return the row numbers of each batch, `batches_of` in number."""
    batches = torch.randperm(images, generator=generator).split(batch_size)
    return batches[: batches_of(images, batch_size, drop_last)]
