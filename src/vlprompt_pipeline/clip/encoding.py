"""Images through a frozen tower, in blocks of one size.

A matrix product of another size may be computed by another kernel, with other last bits. So the
tower always gets `BLOCK` inputs, the last ones filled up with zeros: what an image's features are
depends neither on how many inputs are read ahead nor on what stands beside it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar

import torch
from torch import Tensor

from vlprompt_pipeline.arithmetic import Arithmetic
from vlprompt_pipeline.clip.preprocessing import Preprocessing
from vlprompt_pipeline.images import ImageBytes

Item = TypeVar("Item")
Result = TypeVar("Result")

BLOCK = 32
"""Inputs of the tower at once on a CPU (our choice): from here on the embedded CLIP has the same
bits for any number of threads, and larger blocks are no faster (tests/speed/threads.py)."""

GPU_BLOCK = 256
"""Inputs of the tower at once elsewhere (our choice), to have enough to do for all of a GPU."""


class ImageEncoder(Protocol):
    """What turns pixels into features: a frozen CLIP, or one with prompts in its image tower."""

    @property
    def name(self) -> str:
        """What the CLIP is called."""

    @property
    def identity_sha256(self) -> str:
        """Hash of all that the features depend on, besides images and view."""

    @property
    def arithmetic(self) -> Arithmetic:
        """How it computes."""

    def encode_images(self, pixels: Tensor) -> Tensor:
        """Return normalised features `[images, embed]` of pixels `[images, 3, size, size]`."""


class Views(Protocol):
    """How one image file becomes `count` inputs of the image tower."""

    count: int
    preprocessing: Preprocessing

    @property
    def identity(self) -> str:
        """What the features depend on, besides image and weights."""

    def levels(self, source: Path | BinaryIO, fingerprint: str) -> Tensor:
        """Return levels `[count, size, size, 3]` in uint8 of an image file, or of its bytes.

        Raises:
            DataError: it is no image, damaged, or too large to decode.
        """

    def pixels(self, source: Path | BinaryIO, fingerprint: str) -> Tensor:
        """Return the same normalised, `[count, 3, size, size]`."""
        return self.preprocessing.normalised(self.levels(source, fingerprint))


@dataclass(frozen=True)
class ImageSet:
    """Image files of one folder, in order: relative paths and their content fingerprints."""

    folder: Path
    paths: tuple[str, ...]
    fingerprints: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.paths)

    @classmethod
    def of(cls, folder: Path, table: Any) -> ImageSet:
        """Return the rows of an index, a table with the columns `path` and `fingerprint`."""
        return cls(folder, tuple(table["path"]), tuple(table["fingerprint"]))

    def read(self, row: int) -> ImageBytes:
        """Return the image file of a row.

        Raises:
            DataError: it cannot be read, or is not the one that its fingerprint knows.
        """
        return ImageBytes.known(self.folder / self.paths[row], self.fingerprints[row])


def block_size(arithmetic: Arithmetic) -> int:
    """Return inputs of the tower at once."""
    return BLOCK if arithmetic.device == "cpu" else GPU_BLOCK


def computed_ahead(
    compute: Callable[[Item], Result], items: Iterable[Item], ahead: int, workers: int
) -> Generator[Result, None, None]:
    """Yield what threads compute of the items, in order, up to `ahead` items before it is taken.

    Raises:
        Exception: as `compute`.
    """
    pool = ThreadPoolExecutor(workers)
    try:
        waiting: deque[Future[Result]] = deque()
        for item in items:
            waiting.append(pool.submit(compute, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)  # a run that ends early does not wait for the rest


def encode_in_blocks(
    encode: Callable[[Tensor], Tensor], inputs: Iterable[Tensor], block: int
) -> Tensor:
    """Return features `[inputs, embed]`, on the host, of inputs that come some at a time.

    All blocks stand in the same memory: fresh memory for each costs about as much as decoding what
    is put into it.

    Args:
        encode: from `block` inputs to features.
        inputs: tensors `[some, 3, size, size]`, all on the host or all on the device of the tower.
        block: inputs of the tower at once; the last block is filled up with zeros.
    """
    encoded: list[Tensor] = []
    memory: Tensor | None = None
    filled = 0
    for pixels in inputs:
        if memory is None:
            memory = pixels.new_zeros(block, *pixels.shape[1:])
            # numpy copies in this thread; torch would start others, against those that decode
            rows = memory.numpy() if memory.device.type == "cpu" else memory
        rest = pixels
        while len(rest):
            part, rest = rest[: block - filled], rest[block - filled :]
            rows[filled : filled + len(part)] = part
            filled += len(part)
            if filled == block:
                encoded.append(encode(memory))
                filled = 0
    if filled:
        rows[filled:] = 0
        encoded.append(encode(memory)[:filled])
    return torch.cat(encoded).cpu()


def cut(rows: range, size: int) -> Sequence[range]:
    """Return pieces of `size` rows; the last may be shorter."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]
