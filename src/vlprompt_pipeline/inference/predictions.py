"""Label a stream of photos: threads decode ahead, the model scores blocks, memory is constant.

Pillow and numpy let go of Python's lock while they decode, so threads use all cores; they share
the model's memory, which processes would not.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import NamedTuple

import numpy as np

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.inference.models import ImageModel
from vlprompt_pipeline.inference.photos import Photo
from vlprompt_pipeline.rejection import NONE, softmax

AHEAD = 2
"""Blocks that are decoded before the model asks for them (our choice)."""


class Prediction(NamedTuple):
    """A photo with its best labels, the best first, or the problem with it.

    Attributes:
        photo: which.
        labels: as many as asked for, or fewer where there are fewer classes; none with a problem.
        scores: of the labels.
        problem: why it has no label, a sentence; none where it has.
        accepted: whether the model says that it is one of its classes at all.
        label_set: labels that cannot be ruled out, of a model with conformal sets.
    """

    photo: Photo
    labels: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
    problem: str | None = None
    accepted: bool = True
    label_set: tuple[str, ...] = ()

    def row(self, model: ImageModel, top: int) -> list[str | float | None]:
        """Return the cells of its row, as `table_columns` names them."""
        missing = min(top, len(model.class_names)) - len(self.labels)
        ranked = [value for pair in zip(self.labels, self.scores, strict=True) for value in pair]
        ranked += [None, None] * missing
        rejecting = []
        if model.rejection:
            rejecting = [ranked[0]]
            ranked[0] = ranked[0] if self.accepted else NONE
            if model.rejection.sets:
                rejecting.append(None if self.problem else " | ".join(self.label_set))
        return [self.photo.shown, *ranked, *rejecting, self.problem, model.name, model.version]


def table_columns(model: ImageModel, top: int) -> list[str]:
    """Name the columns: path, label, score, label_2, score_2, …, problem, model, version.

    A model that may say "none" has `nearest` before `problem`: the label with the best score. One
    with conformal sets has `label_set` behind it, labels between vertical bars; empty for "none".
    """
    ranks = range(1, min(top, len(model.class_names)) + 1)
    endings = ["" if rank == 1 else f"_{rank}" for rank in ranks]
    ranked = [f"{name}{ending}" for ending in endings for name in ("label", "score")]
    rejecting = ["nearest"] if model.rejection else []
    rejecting += ["label_set"] if model.rejection and model.rejection.sets else []
    return ["path", *ranked, *rejecting, "problem", "model", "version"]


def predict_photos(
    model: ImageModel, photos: Iterable[Photo], top: int, workers: int | None = None
) -> Generator[list[Prediction], None, None]:
    """Label photos in their order, block by block; one that cannot be read has its problem.

    Args:
        model: see `ImageModel`.
        photos: taken as they are needed.
        top: labels a photo.
        workers: threads that decode; one a core if not given.
    """
    workers = workers or os.cpu_count() or 1
    block = _Block(model, top)
    with closing(_decode_ahead(model, photos, AHEAD * model.block, workers)) as decoded:
        for photo, content in decoded:
            block.add(photo, content)
            if block.is_full:
                yield block.predict()
        if block.rows:
            yield block.predict()


class _Block:
    """Photos that the model scores at once, and those between them that have no pixels.

    All blocks stand in the same memory: fresh memory for each costs about as much as decoding.
    """

    def __init__(self, model: ImageModel, top: int) -> None:
        self.model, self.top = model, top
        self.rows: list[tuple[Photo, str | None]] = []
        self._pixels: np.ndarray | None = None
        self._filled = 0

    @property
    def is_full(self) -> bool:
        """Whether it is time to score; a long run of broken photos is not kept back either."""
        return self._filled == self.model.block or len(self.rows) >= 4 * self.model.block

    def add(self, photo: Photo, content: np.ndarray | str) -> None:
        """Take pixels, or the problem."""
        if isinstance(content, str):
            self.rows.append((photo, content))
            return
        if self._pixels is None:
            self._pixels = np.zeros((self.model.block, *content.shape), np.float32)
        self._pixels[self._filled] = content
        self._filled += 1
        self.rows.append((photo, None))

    def predict(self) -> list[Prediction]:
        """Label what was added, in order, and be empty again."""
        scored: Iterator[Prediction] = iter(())
        if self._pixels is not None and self._filled:
            self._pixels[self._filled :] = 0
            good = [photo for photo, problem in self.rows if not problem]
            logits = self.model.logits(self._pixels)[: self._filled]
            scored = iter(_ranked(self.model, good, logits, self.top))
        predictions = [
            Prediction(photo, problem=problem) if problem else next(scored)
            for photo, problem in self.rows
        ]
        self.rows, self._filled = [], 0
        return predictions


def _ranked(
    model: ImageModel, photos: Sequence[Photo], logits: np.ndarray, top: int
) -> list[Prediction]:
    """Rank the classes for each photo; of equal scores the first class is better."""
    decision = model.rejection.decide(logits) if model.rejection else None
    scores = decision.probabilities if decision else softmax(logits)
    accepted = decision.accepted if decision else np.ones(len(scores), bool)
    sets = (decision and decision.label_sets(tuple(model.class_names))) or [()] * len(scores)
    order = np.argsort(-scores, axis=-1, kind="stable")[:, :top]
    best = np.take_along_axis(scores, order, -1)
    return [
        Prediction(
            photo,
            tuple(model.class_names[index] for index in indices),
            tuple(values.tolist()),
            accepted=bool(taken),
            label_set=tuple(names),
        )
        for photo, indices, values, taken, names in zip(
            photos, order, best, accepted, sets, strict=True
        )
    ]


def _decode_ahead(
    model: ImageModel, photos: Iterable[Photo], ahead: int, workers: int
) -> Generator[tuple[Photo, np.ndarray | str], None, None]:
    """Yield each photo with its pixels, or with the sentence that says why it has none."""
    pool = ThreadPoolExecutor(workers)
    waiting: deque[tuple[Photo, Future[np.ndarray | str]]] = deque()
    try:
        for photo in photos:
            waiting.append((photo, pool.submit(_decode, model, photo)))
            if len(waiting) > ahead:
                first, pending = waiting.popleft()
                yield first, pending.result()
        while waiting:
            first, pending = waiting.popleft()
            yield first, pending.result()
    finally:
        pool.shutdown(cancel_futures=True)  # who stops early does not wait for the rest


def _decode(model: ImageModel, photo: Photo) -> np.ndarray | str:
    try:
        return model.pixels(photo.path.read_bytes())
    except DataError as error:
        return str(error)
    except OSError as error:
        return f"this file cannot be read ({error.strerror or error})"
    except ValueError as error:  # a name with a null character
        return f"there is no such file ({error})"
