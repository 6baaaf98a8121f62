"""Decode photos ahead of the model, block by block, into memory that is used again.

Each block is decoded by all workers, a piece each. Many photos are decoded by processes: threads
would hold Python's lock while the model wants it, and on two cores a tenth of the time is lost so.
The processes are forks, which begin at once and have the model's preparation already; few photos,
and systems that cannot fork safely, have threads. Both write to the same kind of memory.
"""

from __future__ import annotations

import mmap
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice
from multiprocessing.connection import wait
from typing import NamedTuple

import numpy as np

from vlprompt_pipeline.errors import DataError, UserError
from vlprompt_pipeline.inference.models import ImageModel
from vlprompt_pipeline.inference.photos import Photo
from vlprompt_pipeline.processes import usable_cores

BLOCKS = 4
"""Blocks in memory (our choice): one that the model has, the others being decoded or waiting."""
NICENESS = 5
"""Steps by which processes stand back (our choice): everything else waits for the model."""


class DecodedBlock(NamedTuple):
    """Photos in order, ready for the model.

    Attributes:
        photos: at most a block of the model.
        problems: of each photo, why it cannot be read; None where it can.
        pixels: `[block, 3, height, width]`, zeros where there is no photo or a problem. Its memory
            is used again as soon as the next block is asked for.
    """

    photos: list[Photo]
    problems: list[str | None]
    pixels: np.ndarray


class _Decoder:
    """What workers share: the model's preparation of images, and the memory of all blocks."""

    def __init__(self, model: ImageModel) -> None:
        shape = (BLOCKS, model.block, *model.pixel_shape)
        memory = mmap.mmap(-1, 4 * int(np.prod(shape)))  # forks see what each of them writes
        self.blocks = np.frombuffer(memory, np.float32).reshape(shape)
        self._model = model

    def decode(self, block: int, start: int, photos: list[Photo]) -> list[str | None]:
        """Decode photos into a block from row `start` on, and return the problem of each."""
        return [self._problem(self.blocks[block, start + n], p) for n, p in enumerate(photos)]

    def _problem(self, row: np.ndarray, photo: Photo) -> str | None:
        try:
            row[:] = self._model.pixels(photo.path.read_bytes())
        except DataError as error:
            problem = str(error)
        except OSError as error:
            problem = f"this file cannot be read ({error.strerror or error})"
        except ValueError as error:  # a name with a null character
            problem = f"there is no such file ({error})"
        else:
            return None
        row[:] = 0
        return problem


# By the identity of each decoder, so that a process that is forked later knows it by its number.
_decoders: dict[int, _Decoder] = {}


def decode_blocks(
    model: ImageModel, photos: Iterable[Photo], workers: int | None = None
) -> Generator[DecodedBlock, None, None]:
    """Yield photos in their order, as blocks that are full but for the last.

    Args:
        model: whose images are prepared.
        photos: taken as they are needed, a few blocks ahead.
        workers: that decode; one a core if not given.

    Raises:
        UserError: a process that decodes was killed.
    """
    source = iter(photos)
    first = list(islice(source, BLOCKS * model.block))
    many = len(first) == BLOCKS * model.block
    decoder = _Decoder(model)
    _decoders[id(decoder)] = decoder
    workers = workers or usable_cores()
    pool = _pool(workers, many)
    piece = -(-model.block // workers)
    try:
        yield from _in_order(decoder, pool, chain(first, source), model.block, piece)
    except BrokenProcessPool:
        raise UserError(
            "a process that decodes photos was killed, perhaps for its memory: give the same "
            "command again, which goes on with what has no row, or with --workers=1"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)  # who stops early does not wait for the rest
        del _decoders[id(decoder)]


def _in_order(
    decoder: _Decoder, pool: Executor, source: Iterator[Photo], size: int, piece: int
) -> Generator[DecodedBlock, None, None]:
    free = deque(range(BLOCKS))
    ahead: deque[tuple[int, list[Photo], list[Future[list[str | None]]]]] = deque()
    while True:
        while free and (photos := list(islice(source, size))):
            block = free.popleft()
            pieces = [
                pool.submit(_decode, id(decoder), block, start, photos[start : start + piece])
                for start in range(0, len(photos), piece)
            ]
            ahead.append((block, photos, pieces))
        if not ahead:
            return
        block, photos, pieces = ahead.popleft()
        problems = [problem for each in pieces for problem in each.result()]
        pixels = decoder.blocks[block]
        pixels[len(photos) :] = 0
        yield DecodedBlock(photos, problems, pixels)
        free.append(block)


def _decode(decoder: int, block: int, start: int, photos: list[Photo]) -> list[str | None]:
    return _decoders[decoder].decode(block, start, photos)


def _pool(count: int, many: bool) -> Executor:
    # a fork of macOS may crash in system libraries, and a daemon may have no processes of its own
    if many and sys.platform == "linux" and not multiprocessing.current_process().daemon:
        return ProcessPoolExecutor(count, multiprocessing.get_context("fork"), _start_worker)
    return ThreadPoolExecutor(count, "decoder")


def _start_worker() -> None:
    """Set up a process: Ctrl-C is its parent's affair, and it does not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
