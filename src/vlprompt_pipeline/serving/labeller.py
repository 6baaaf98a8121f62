"""From the images of a request to a row each: decoded by threads, scored in shared batches."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.inference import with_accuracy
from vlprompt_pipeline.inference.predictions import ranked
from vlprompt_pipeline.registry.image_bytes import image_bytes
from vlprompt_pipeline.rejection import NONE
from vlprompt_pipeline.serving.batching import Batcher
from vlprompt_pipeline.serving.metrics import Metrics
from vlprompt_pipeline.serving.settings import ServingSettings

if TYPE_CHECKING:
    from vlprompt_pipeline.inference import ImageModel

Row = dict[str, Any]
_CLASS_SETS = 8  # lists of class names whose text features are kept: our choice


class BusyError(Exception):
    """More is under way than the server takes; the same request can be sent again."""


class _Question(NamedTuple):
    """What images are asked by; those of equal questions share a batch.

    Attributes:
        names: classes to tell apart; none for the model's own.
        accuracy: wanted among those that are given a label; none for the model's own threshold.
    """

    names: tuple[str, ...]
    accuracy: float | None


class Labeller:
    """A model with its decoders and its queue."""

    def __init__(self, model: ImageModel, settings: ServingSettings, metrics: Metrics) -> None:
        """Start the threads; `close` ends them."""
        self._model, self._settings, self._metrics = model, settings, metrics
        self._telling_apart = lru_cache(_CLASS_SETS)(model.with_classes)
        self._decoders = ThreadPoolExecutor(settings.decoders, "decoder")
        self._batcher = Batcher(
            self._answers, settings.batch, settings.delay, metrics.batch.observe
        )
        self._waiting = 0

    async def label(
        self,
        images: Sequence[object],
        names: tuple[str, ...],
        top: int,
        accuracy: float | None = None,
    ) -> list[Row]:
        """Label images; a row each, with a problem where one is no image.

        Args:
            images: as `image_bytes` takes them.
            names: classes to tell apart; none for the model's own.
            top: labels an image.
            accuracy: wanted among the images that are given a label; none for the threshold that
                the model has.

        Raises:
            BusyError: too many images are under way.
            UserError: class names or an accuracy that the model cannot have.
        """
        if self._waiting + len(images) > self._settings.waiting:
            raise BusyError
        self._count(len(images))
        question = _Question(names, accuracy)
        rows = [asyncio.create_task(self._row(image, question, top)) for image in images]
        try:
            return list(await asyncio.gather(*rows))
        finally:
            for row in rows:  # where one is refused, no other is decoded any more
                row.cancel()
            self._count(-len(images))

    def close(self) -> None:
        """Finish what is under way and end the threads."""
        self._decoders.shutdown()
        self._batcher.close()

    def _count(self, images: int) -> None:
        self._waiting += images
        self._metrics.waiting.set(self._waiting)

    async def _row(self, image: object, question: _Question, top: int) -> Row:
        loop = asyncio.get_running_loop()
        try:
            pixels = await loop.run_in_executor(self._decoders, self._pixels, image)
        except DataError as error:
            self._metrics.images.labels("refused").inc()
            none = dict.fromkeys(("label", "score", "label_set"))
            return {**none, "top_labels": [], "top_scores": [], "problem": str(error)}
        row = await asyncio.wrap_future(self._batcher.submit(question, (pixels, top)))
        self._metrics.images.labels("none" if row["label"] == NONE else "labelled").inc()
        return row

    def _pixels(self, image: object) -> np.ndarray:
        content = image_bytes(image)
        self._settings.limits.require_image(content)
        return self._model.pixels(content)

    def _answers(self, question: _Question, images: Sequence[tuple[np.ndarray, int]]) -> list[Row]:
        """Score images in one call; each comes with how many labels it is to have."""
        names, accuracy = question
        pixels, tops = zip(*images, strict=True)
        others = names and names != tuple(self._model.class_names)
        model = self._telling_apart(names) if others else self._model
        if accuracy is not None:
            model = with_accuracy(model, accuracy)
        logits = model.logits(np.stack(pixels))
        has_sets = model.rejection is not None and model.rejection.sets
        return [
            {
                "label": each.labels[0] if each.accepted else NONE,
                "score": each.scores[0],
                "top_labels": list(each.labels[:top]),
                "top_scores": list(each.scores[:top]),
                "label_set": list(each.label_set) if has_sets else None,
                "problem": None,
            }
            for each, top in zip(
                ranked(model, [None] * len(tops), logits, max(tops)), tops, strict=True
            )
        ]
