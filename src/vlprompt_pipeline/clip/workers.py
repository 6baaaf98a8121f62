"""Image files to features of a GPU, which computes faster than one process decodes.

Worker processes decode chunks of images whole, several chunks ahead, into pinned memory; from there
they come to the GPU by a stream of its own, beside the tower. The tower gets blocks of the size
that it gets everywhere else on that device, so features do not depend on workers or chunks.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vlprompt_pipeline.clip.encoding import ImageSet, Views, cut
from vlprompt_pipeline.clip.transfer import OnTheWay, Transfer
from vlprompt_pipeline.errors import DataError, UserError

CHUNK = 32
"""Inputs that a worker hands over at once (our choice): 19 MB at 224 × 224 pixels."""
AHEAD = 2
"""Chunks of each worker that wait for the tower (our choice)."""
MOST_WORKERS = 16
"""More processes decode no faster than a tower computes (our choice)."""


@dataclass(frozen=True)
class Chunk:
    """Some images in order: inputs `[images · views, 3, size, size]`, and SHA-256 of the files."""

    pixels: Tensor
    hashes: list[str]


def worker_processes() -> int:
    """Return how many processes decode: one for each core that this process may use."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows do not say
        cores = os.cpu_count() or 1
    return min(MOST_WORKERS, cores)


def decode_in_processes(
    images: ImageSet, views: Views, shards: Sequence[range], workers: int, pin: bool
) -> Generator[Chunk, None, None]:
    """Yield the images of `shards` in order; no chunk belongs to two of them.

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
        prefetch_factor=AHEAD if chunks else None,
        pin_memory=pin,
    )
    try:
        for pixels, hashes, problem in loader:
            if problem:
                raise DataError(problem)
            yield Chunk(pixels, hashes)
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"a process that decodes images was killed ({reason}), for its memory or "
            "because /dev/shm has no room, as in containers: give more (docker run --shm-size=4g), "
            "or fewer cores (taskset); the same command goes on with what is stored"
        ) from error


def encode_shards(
    encode: Callable[[Tensor], Tensor],
    chunks: Iterable[Chunk],
    shards: Sequence[range],
    block: int,
    device: torch.device,
    advance: Callable[[int], None],
) -> Generator[tuple[Tensor, list[str]], None, None]:
    """Yield features `[images · views, embed]` of each shard, and SHA-256 of its files.

    Args:
        encode: from `block` inputs on `device` to features.
        chunks: of all shards, in order.
        shards: rows of the images.
        block: inputs of the tower at once; those of a shard are filled up with zeros.
        device: of the tower.
        advance: told how many images have been read.
    """
    transfer, source = Transfer(device), iter(chunks)
    ahead: deque[tuple[list[str], OnTheWay]] = deque()

    def following() -> tuple[list[str], Tensor]:
        while len(ahead) < AHEAD and (chunk := next(source, None)) is not None:
            ahead.append((chunk.hashes, transfer.start(chunk.pixels)))
        hashes, coming = ahead.popleft()
        return hashes, *coming.arrived()

    memory: Tensor | None = None
    for shard in shards:
        encoded: list[Tensor] = []
        hashes: list[str] = []
        filled = 0
        while len(hashes) < len(shard):
            names, pixels = following()
            hashes += names
            if memory is None:
                memory = pixels.new_zeros(block, *pixels.shape[1:])
            while len(pixels):
                part = pixels[: block - filled]
                memory[filled : filled + len(part)] = part
                filled, pixels = filled + len(part), pixels[len(part) :]
                if filled == block:
                    encoded.append(encode(memory))
                    filled = 0
            advance(len(names))
        if filled:
            memory[filled:] = 0
            encoded.append(encode(memory)[:filled])
        yield torch.cat(encoded).cpu(), hashes


class _Chunks(Dataset):
    """Chunks of images by their rows, as a worker decodes them."""

    def __init__(self, images: ImageSet, views: Views) -> None:
        self._images, self._views = images, views

    def __getitem__(self, rows: list[int]) -> tuple[Tensor, list[str], str]:
        """Return inputs, hashes and no problem, or what is wrong with a file in a sentence."""
        pixels, hashes = [], []
        try:
            for row in rows:
                file = self._images.read(row)
                pixels.append(self._views.pixels(file, self._images.fingerprints[row]))
                hashes.append(file.sha256)
        except DataError as error:  # a loader would wrap it in the worker's traceback
            return torch.zeros(0), [], str(error)
        return torch.cat(pixels), hashes, ""
