"""Label a stream of photos: workers decode ahead, the model scores blocks, memory is constant."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import NamedTuple

import numpy as np

from vlprompt_pipeline.inference.decoding import DecodedBlock, decode_blocks
from vlprompt_pipeline.inference.models import ImageModel
from vlprompt_pipeline.inference.photos import Photo
from vlprompt_pipeline.rejection import NONE, softmax


class Prediction(NamedTuple):
    """A photo with its best labels, the best first, or the problem with it.

    Attributes:
        photo: which; none for an image that a request holds.
        labels: as many as wanted, or fewer where there are fewer classes; empty with a problem.
        scores: of the labels.
        problem: why it has no label, as a sentence; None where it has.
        accepted: whether the photo shows one of the model's classes at all, by its rejection.
        label_set: labels that cannot be ruled out, of a model with conformal sets.
    """

    photo: Photo | None
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
        return [self.photo.name, *ranked, *rejecting, self.problem, model.name, model.version]


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
        workers: that decode; one a core if not given.

    Raises:
        UserError: a process that decodes was killed.
    """
    with closing(decode_blocks(model, photos, workers)) as blocks:
        for block in blocks:
            yield _predict(model, block, top)


def _predict(model: ImageModel, block: DecodedBlock, top: int) -> list[Prediction]:
    """Label a block; one without any image costs no time of the model."""
    good = [row for row, problem in enumerate(block.problems) if not problem]
    scored: Iterator[Prediction] = iter(())
    if good:
        logits = model.logits(block.pixels)[good]
        scored = iter(ranked(model, [block.photos[row] for row in good], logits, top))
    return [
        Prediction(photo, problem=problem) if problem else next(scored)
        for photo, problem in zip(block.photos, block.problems, strict=True)
    ]


def ranked(
    model: ImageModel, photos: Sequence[Photo | None], logits: np.ndarray, top: int
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
