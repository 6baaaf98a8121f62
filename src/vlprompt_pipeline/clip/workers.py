"""Image files decoded by processes for a GPU, which computes faster than one process decodes.

Worker processes decode chunks of images whole, several chunks ahead, into pinned memory. The tower
gets blocks of the size that it gets everywhere else on that device, so features do not depend on
workers or chunks.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vlprompt_pipeline.clip.encoding import ImageSet, Views, cut
from vlprompt_pipeline.errors import DataError, UserError
from vlprompt_pipeline.processes import usable_cores

CHUNK = 32
"""Inputs that a worker hands over at once (our choice): 5 MB at 224 × 224 pixels."""
PREFETCHED = 2
"""Chunks of each worker that wait for the tower (our choice)."""
MOST_WORKERS = 16
"""More processes decode no faster than a tower computes (our choice)."""


def worker_processes() -> int:
    """Return how many processes decode: one for each core that this process may use."""
    return min(MOST_WORKERS, usable_cores())


def decode_in_processes(
    images: ImageSet, views: Views, shards: Sequence[range], workers: int, pin: bool
) -> Generator[Tensor, None, None]:
    """Yield inputs `[images · views, size, size, 3]` of `shards` in order, some images at a time.

    They are in uint8, before they are normalised. No chunk of them belongs to two shards.

    Args:
        images: files.
        views: what the tower reads of each.
        shards: rows of the images.
        workers: processes.
        pin: whether chunks come in pinned memory, from which a GPU copies by itself.

    Raises:
        DataError: as `ImageSet.read`, or a file is no image.
        UserError: a worker was killed.
    """
    size = max(1, CHUNK // views.count)
    chunks = [list(rows) for shard in shards for rows in cut(shard, size)]
    loader = DataLoader(
        _Chunks(images, views),
        batch_size=None,
        sampler=chunks,
        num_workers=min(workers, len(chunks)),
        prefetch_factor=PREFETCHED,
        pin_memory=pin,
    )
    try:
        for levels, problem in loader:
            if problem:
                raise DataError(problem)
            yield levels
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"a process that decodes images was killed ({reason}), for its memory or "
            "because /dev/shm has no room, as in containers: give more (docker run --shm-size=4g), "
            "or fewer cores (taskset); the same command goes on with what is stored"
        ) from error


class _Chunks(Dataset):
    """Chunks of images by their rows, as a worker decodes them."""

    def __init__(self, images: ImageSet, views: Views) -> None:
        self._images, self._views = images, views

    def __getitem__(self, rows: list[int]) -> tuple[Tensor, str]:
        """Return inputs and no problem, or what is wrong with a file in a sentence."""
        images = self._images
        try:
            levels = [
                self._views.levels(images.read(row), images.fingerprints[row]) for row in rows
            ]
        except DataError as error:  # a loader would wrap it in the worker's traceback
            return torch.zeros(0, dtype=torch.uint8), str(error)
        return torch.cat(levels), ""
